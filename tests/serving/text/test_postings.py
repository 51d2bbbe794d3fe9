"""What is kept of common terms is what a new index would say."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from serving.text import posting_lists, postings
from serving.text.postings import Postings

TERMS = st.lists(st.sampled_from("abc"), max_size=3)
CHANGES = st.lists(st.tuples(st.integers(0, 5), st.none() | TERMS, st.sampled_from("abcd")), max_size=20)


@given(CHANGES, st.integers(1, 3))
@example([(0, ["a", "b"], "a"), (1, ["a", "b"], "b"), (9, None, "a"), (9, None, "b")], 1)
def test_scores_of_common_terms_follow_the_documents(
    changes: list[tuple[int, list[str] | None, str]], kept: int
) -> None:
    index = Postings()
    documents: dict[int, dict[str, float]] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postings, "COMMON", 2)
        patch.setattr(postings, "_KEPT", kept)
        for row, terms, asked in changes:
            index.remove(row)
            documents.pop(row, None)
            if terms:
                documents[row] = {term: float(terms.count(term)) for term in terms}
                index.add(row, documents[row])
            fresh = Postings()
            for own, document in documents.items():
                fresh.add(own, document)
            for _ in range(2):
                rows, scores = index.bm25(asked, 1.2, 0.75)
                wanted = dict(zip(*(each.tolist() for each in fresh._bm25(asked, 1.2, 0.75)), strict=True))
                assert dict(zip(rows.tolist(), scores.tolist(), strict=True)) == pytest.approx(wanted)
            assert len(index._dense) <= kept


ALIASES = st.dictionaries(st.sampled_from("cde"), st.sampled_from([0.5, 0.8]))
COMINGS_AND_GOINGS = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.none() | st.dictionaries(st.sampled_from("abcd"), st.just(1.0), min_size=1),
        ALIASES,
    ),
    max_size=30,
)


@given(COMINGS_AND_GOINGS, st.sampled_from([1, 2, 32]))
def test_documents_come_and_go_as_in_a_dictionary(
    changes: list[tuple[int, dict[str, float] | None, dict[str, float]]], short: int
) -> None:
    index, plain = Postings(), dict[int, dict[str, float]]()

    def having(term: str) -> dict[int, float]:
        return {row: document[term] for row, document in plain.items() if term in document}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(posting_lists, "SHORT", short)
        for row, document, aliases in changes:
            gone = [term for term in plain.pop(row, ()) if not having(term)]
            assert index.remove(row) == gone
            if document is not None:
                held = {**aliases, **document}
                fresh = [term for term in held if not having(term)]
                assert index.add(row, document, aliases) == fresh
                plain[row] = held
            assert len(index) == len(plain)
            assert [index.terms_of(each) for each in range(5)] == [
                tuple(plain.get(each, ())) for each in range(5)
            ]
            assert [each in index for each in range(6)] == [each in plain for each in range(6)]
            for term in "abcde":
                rows, weights = index.matches(term)
                assert dict(zip(rows.tolist(), weights.tolist(), strict=True)) == pytest.approx(having(term))
                assert index.frequency(term) == len(rows) and index.has(term) == bool(len(rows))
            assert len(index._terms) <= 5  # the numbers of words that are gone are given again


@given(st.sets(st.integers(0, 999)), st.lists(st.integers(0, 999), max_size=3))
def test_a_term_is_known_where_an_allowed_document_has_it(having: set[int], allowed: list[int]) -> None:
    index, mask = Postings(), [row in allowed for row in range(1000)]
    for row in having:
        index.add(row, {"a": 1.0})
    assert index.has("a", np.array(mask)) == bool(having & set(allowed))
    assert index.has("a") == bool(having)
    assert not index.has("b", np.array(mask))


DOCUMENTS = st.dictionaries(st.sampled_from("abc"), st.sampled_from([1.0, 2.0]), min_size=1)


@given(DOCUMENTS, DOCUMENTS)
def test_a_document_is_held_where_to_add_it_again_would_change_nothing(
    first: dict[str, float], second: dict[str, float]
) -> None:
    index = Postings()
    assert not index.holds_document(0, first)
    index.add(0, first)
    assert index.holds_document(0, second) == (list(first.items()) == list(second.items()))
    assert not index.holds_document(0, first, {"a": 1.0})
    index.remove(0)
    assert not index.holds_document(0, first)


@given(st.dictionaries(st.integers(0, 9), DOCUMENTS), st.lists(st.integers(0, 12)))
def test_the_squares_of_some_rows_are_the_sums_over_their_terms(
    documents: dict[int, dict[str, float]], asked: list[int]
) -> None:
    index = Postings()
    for row, document in documents.items():
        index.add(row, document)
    wanted = [sum(index.idf(term) ** 2 for term in documents.get(row, ())) for row in asked]
    assert index.squares(np.array(asked, dtype=np.int32)).tolist() == pytest.approx(wanted)
