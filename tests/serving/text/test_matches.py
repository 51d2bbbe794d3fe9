"""The best rows of a query, and the scores of some, are what a score of every row says."""

from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from serving.text import matches, postings
from serving.text.lexical import LexicalIndex
from serving.text.synonyms import Phrase, Synonyms
from serving.types import Item
from tests.worlds.world import world_params

SEARCH = world_params().search
WORDS = ("cup", "cup", "cup", "cup", "tea", "tea", "red", "red", "café", "mug", "linen", "odd")
TITLES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join)
QUERIES = st.lists(st.sampled_from([*WORDS[3:], "cafe", "teapot"]), min_size=1, max_size=4).map(" ".join)


SYNONYMS: dict[Phrase, list[Phrase]] = {
    ("mug",): [("red", "cup")],
    ("red", "cup"): [("mug",)],
    ("tea",): [("linen",)],
}


class FixedSynonyms(Synonyms):
    """Synonyms without a file."""

    longest = 2

    def others(self, asked: Phrase) -> list[Phrase]:
        return SYNONYMS.get(asked, [])


@settings(max_examples=150)
@given(
    titles=st.lists(TITLES, min_size=3, max_size=30),
    query=QUERIES,
    hidden=st.sets(st.integers(0, 29)),
    common=st.integers(1, 6),
    part=st.sampled_from([0, 1, 4]),
    synonyms=st.sampled_from([None, 0.0, 0.7]),
    leading=st.integers(1, 9),
)
@example(["cup red", "cup", "mug", "odd"] * 3, "cup mug", set(), 1, 4, 0.0, 30)
@example(["red cup", "cup"] * 9, "red cup", {0}, 1, 4, None, 4)
def test_the_front_and_some_rows_are_as_in_the_scores_of_all(
    titles: Sequence[str],
    query: str,
    hidden: set[int],
    common: int,
    part: int,
    synonyms: float | None,
    leading: int,
) -> None:
    allowed = np.array([row not in hidden for row in range(len(titles))])
    identity = np.random.default_rng(len(titles)).permutation(len(titles)).astype(np.uint64)
    with (
        patch.object(postings, "COMMON", common),
        patch.object(postings, "LEADING", leading),
        patch.object(matches, "_PART", part),
    ):
        params = SEARCH.model_copy(update={"synonym_weight": synonyms or 0.0})
        known = Synonyms(Path("none")) if synonyms is None else FixedSynonyms(Path("none"))
        index = LexicalIndex(known, params)
        for row, title in enumerate(titles):
            index.put(row, Item(str(row), "product", title, category="cup" if row % 3 else None))
        asked, again, dense, plain = (index.search(query, len(titles), allowed) for _ in range(4))
        with patch.object(matches, "_PART", 0):
            scores = plain.scores
        np.testing.assert_array_equal(dense.scores, scores)
        np.testing.assert_array_equal(asked.matched, scores > 0)
        front = asked.front(identity, 5)
        assert again.front(identity, 5).tolist() == front.tolist()
        np.testing.assert_array_equal(again.matched, scores > 0)
        order = np.lexsort((identity, -scores))
        assert front.tolist() == order[: len(front)].tolist()
        np.testing.assert_array_equal(asked.of(np.arange(len(titles), dtype=np.int32)), scores)
        np.testing.assert_array_equal(asked.of(order[:0].astype(np.int32)), scores[:0])


def test_of_a_query_with_a_rarer_word_the_rows_that_have_it_are_scored_alone() -> None:
    titles = ["red cup", "cup of tea", *["cup"] * 8]
    with patch.object(postings, "COMMON", 2):
        index = LexicalIndex(Synonyms(Path("none")), SEARCH)
        for row, title in enumerate(titles * 6):
            index.put(row, Item(str(row), "product", title))
        found = index.search("red cup", 60)
        front = found.front(np.arange(60, dtype=np.uint64), 100)
    assert sorted(front.tolist()) == [row for row in range(60) if row % 10 == 0]
    assert "scores" not in vars(found)


def test_of_a_common_word_the_rows_that_have_most_of_it_are_scored_alone() -> None:
    titles = ["odd red cup", "red cup", *["plain cup of no colour"] * 4, "mug"] * 9
    titles[7] = "red cup with a handle"
    with patch.object(postings, "COMMON", 18), patch.object(postings, "LEADING", 12):
        index = LexicalIndex(Synonyms(Path("none")), SEARCH)
        for row, title in enumerate(titles):
            index.put(row, Item(str(row), "product", title))
        for query in ("cup", "red cup", "odd cup"):
            found, plain = index.search(query, len(titles)), index.search(query, len(titles))
            identity = np.arange(len(titles), dtype=np.uint64)
            front = found.front(identity, 16)
            assert 4 <= len(front) <= 16
            assert found.of(front).tolist() == plain.scores[front].tolist()
            assert "scores" not in vars(found) and "_rare" not in vars(found)
            assert front.tolist() == np.lexsort((identity, -plain.scores))[: len(front)].tolist()


def test_scores_that_become_equal_only_where_they_are_rounded_are_in_the_order_of_equals() -> None:
    # By its formula BM25 of both titles is the same; rounded it is not, as their scores are again.
    titles = ["cup" + 4 * " tea", "cup cup" + 12 * " tea"] * 3 + [("mug " * 17).strip()] * 3
    with patch.object(postings, "COMMON", 6), patch.object(postings, "LEADING", 4):
        index = LexicalIndex(Synonyms(Path("none")), SEARCH)
        for row, title in enumerate(titles):
            index.put(row, Item(str(row), "product", title))
        found, plain = index.search("cup", len(titles)), index.search("cup", len(titles))
        front = found.front(np.arange(len(titles), dtype=np.uint64), 4)
        assert len(set(index._postings.dense("cup", SEARCH.bm25_k1, SEARCH.bm25_b).scores[:2].tolist())) == 2
        assert len(set(plain.scores[:6].tolist())) == 1
    assert front.tolist() == [0, 1]


def test_the_best_of_a_common_word_follow_the_documents() -> None:
    titles = ["plain cup of no colour", "cup with a handle", "red cup"] * 8
    identity = np.arange(len(titles), dtype=np.uint64)
    with patch.object(postings, "COMMON", 8), patch.object(postings, "LEADING", 6):
        index = LexicalIndex(Synonyms(Path("none")), SEARCH)
        for row, title in enumerate(titles):
            index.put(row, Item(str(row), "product", title))
        changes = {5: "plain cup of no colour", 3: "cup cup", 2: "mug", 0: "red cup", 8: ""}
        for row, changed in changes.items():
            index.put(row, Item(str(row), "product", changed))
            for query in ("cup", "red cup"):
                found, plain = index.search(query, len(titles)), index.search(query, len(titles))
                front = found.front(identity, 4)
                assert len(front) and "scores" not in vars(found)
                assert front.tolist() == np.lexsort((identity, -plain.scores))[: len(front)].tolist()
                assert found.of(front).tolist() == plain.scores[front].tolist()
