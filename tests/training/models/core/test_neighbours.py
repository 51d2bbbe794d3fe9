"""Lists of neighbours: TF-IDF against its dense definition, and what is kept of each row."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from training.models import tfidf
from training.models.core import neighbours
from training.models.core.data import Catalogue, TrainingData
from training.models.core.neighbours import keep_top, row_blocks, top_products
from training.models.core.types import FloatArray, IntArray
from training.models.core.vocabulary import Vocabulary


def words(*titles: str, subs: tuple[str, ...] | None = None) -> TrainingData:
    items = Vocabulary.build(f"{i:02d}" for i in range(len(titles)))
    empty = sparse.csr_array((0, len(titles)), dtype=np.float32)
    catalogue = Catalogue(titles, titles, subs or ("",) * len(titles))
    return TrainingData(items, Vocabulary.build([]), empty, catalogue=catalogue)


def test_tfidf_neighbours_are_the_full_matrix_cut_short() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    generator = np.random.default_rng(0)
    titles = tuple(" ".join(generator.choice(list("abcdefghij"), 4)) for _ in range(60))
    model = tfidf.fit(words(*titles), tfidf.TfidfConfig(neighbours=59, min_similarity=0.3), 0)
    rows = TfidfVectorizer(dtype=np.float32, sublinear_tf=True, token_pattern=r"\w+").fit_transform(titles)
    expected = (rows @ rows.T).toarray()
    np.fill_diagonal(expected, 0.0)
    expected[expected <= 0.3] = 0.0
    np.testing.assert_allclose(model.matrix.toarray(), expected, atol=1e-5)


def test_tfidf_knows_the_sub_category_from_the_name() -> None:
    data = words("red lamp", "blue lamp", "lamps", "chair", subs=("lamps", "lamps", "", ""))
    model = tfidf.fit(data, tfidf.TfidfConfig(neighbours=3, min_similarity=0.01), 0)
    assert model.similar(0, 1)[0].tolist() == [1]
    assert 2 not in model.similar(0, 3)[0]
    assert len(model.similar(3, 3)[0]) == 0


def test_tfidf_of_items_without_words_has_no_opinion() -> None:
    model = tfidf.fit(words("", "", ""), tfidf.TfidfConfig(neighbours=3, min_similarity=0.01), 0)
    assert len(model.data) == 0


@given(seed=st.integers(0, 2**20), count=st.integers(1, 8))
def test_what_is_kept_of_each_row_is_what_sorting_it_keeps(seed: int, count: int) -> None:
    draw = np.random.default_rng(seed)
    values = draw.integers(-3, 4, size=draw.integers(1, 30, size=2)) * draw.choice([1.0, 0.1, 1e-30])
    kept = keep_top(sparse.csr_array(values.astype(np.float32)), count).toarray()
    for row, found in zip(values.astype(np.float32), kept, strict=True):
        best = sorted(np.flatnonzero(row), key=lambda column: (-abs(row[column]), column))[:count]
        assert np.flatnonzero(found).tolist() == sorted(best)
        assert (found[best] == row[best]).all()


def test_keeping_the_largest_entries_of_each_row() -> None:
    matrix = sparse.csr_array(np.array([[1, -5, 3, 0], [2, 2, 2, 0], [0, 0, 0, 0]], dtype=np.float32))
    assert keep_top(matrix, 2).toarray().tolist() == [[0, -5, 3, 0], [2, 2, 0, 0], [0, 0, 0, 0]]


@given(
    seed=st.integers(0, 2**20),
    entries=st.integers(1, 60),
    rows=st.integers(1, 9),
    at_once=st.integers(1, 3),
)
def test_blocks_hold_no_more_than_they_may_and_every_row_once(
    seed: int, entries: int, rows: int, at_once: int
) -> None:
    draw = np.random.default_rng(seed)
    shape = tuple(draw.integers(0, 20, size=2))
    right = sparse.csr_array((draw.random(shape) < draw.random()).astype(np.float32))
    left = sparse.csr_array(right.T)
    whole = top_products(left, right, 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "ENTRIES", entries)
        patch.setattr(neighbours, "BLOCK", rows)
        blocks = list(row_blocks(left, right, at_once))
        found = top_products(left, right, 3)
    assert [row for start, end in blocks for row in range(start, end)] == list(range(shape[1]))
    for start, end in blocks:
        assert end - start <= max(1, rows // at_once)
        assert end - start == 1 or (left[start:end] @ right).nnz <= entries // at_once
    assert (found != whole).nnz == 0 and found.shape == whole.shape


def test_a_crawler_that_saw_everything_takes_no_more_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block of 1,024 rows would hold 3 million entries of some 80 bytes each."""
    items = 3000
    matrix = sparse.csr_array(np.ones((2, items), dtype=np.float32))
    by_item = sparse.csr_array(matrix.T)
    monkeypatch.setattr(neighbours, "ENTRIES", 1 << 17)
    tracemalloc.start()
    found = top_products(by_item, matrix, 5)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.diff(found.indptr).tolist() == [5] * items
    assert peak < 20e6


def weigh(row: IntArray, column: IntArray, held: FloatArray) -> FloatArray:
    weights: FloatArray = (held + row + column / 9).astype(np.float32)
    return weights


@given(st.integers(0, 2**20), st.integers(1, 6), st.integers(1, 5))
def test_an_item_is_never_among_its_own_neighbours_whichever_block_it_is_in(
    seed: int, count: int, block: int
) -> None:
    draw = np.random.default_rng(seed)
    baskets = (draw.random(draw.integers(2, 14, size=2)) < 0.5).astype(np.float32)
    right = sparse.csr_array(baskets)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "BLOCK", block)
        found = top_products(right.T.tocsr(), right, count)
        weighed = top_products(right.T.tocsr(), right, count, weigh)
    expected = baskets.T @ baskets
    rows, columns = np.indices(expected.shape)
    for made, wanted in ((found, expected), (weighed, np.where(expected, expected + rows + columns / 9, 0))):
        np.fill_diagonal(wanted, 0.0)
        whole = keep_top(sparse.csr_array(wanted.astype(np.float32)), count)
        assert made.toarray() == pytest.approx(whole.toarray())
