"""Neighbours by words: the largest cosines of each row, whatever the size of a block."""

import numpy as np
import pytest
from scipy import sparse

from training.models import tfidf
from training.models.tfidf import TfidfConfig


@pytest.fixture
def words() -> sparse.csr_array:
    """Rows of unit length over few words, so that many are equal."""
    rng = np.random.default_rng(3)
    counts = rng.poisson(0.3, (90, 12)).astype(np.float32)
    counts[7] = 0
    lengths = np.linalg.norm(counts, axis=1, keepdims=True)
    return sparse.csr_array(np.divide(counts, lengths, out=np.zeros_like(counts), where=lengths > 0))


@pytest.mark.parametrize("entries", [1, 90 * 7, 2**23])
def test_the_largest_cosines_are_kept_of_equal_ones_the_lower_items(
    words: sparse.csr_array, entries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tfidf, "BLOCK_ENTRIES", entries)
    found = tfidf._neighbours(words, TfidfConfig(neighbours=5, min_similarity=0.3))
    cosines = (words @ words.T).toarray()
    np.fill_diagonal(cosines, 0)
    for item, row in enumerate(cosines):
        best = [other for other in np.argsort(-row, kind="stable")[:5] if row[other] > 0.3]
        span = slice(found.indptr[item], found.indptr[item + 1])
        assert found.indices[span].tolist() == sorted(best)
        np.testing.assert_array_equal(found.data[span], row[sorted(best)])


def test_no_items_have_no_neighbours() -> None:
    empty = sparse.csr_array((0, 1), dtype=np.float32)
    assert tfidf._neighbours(empty, TfidfConfig(neighbours=5, min_similarity=0.1)).shape == (0, 0)
