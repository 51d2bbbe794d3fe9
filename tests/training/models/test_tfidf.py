"""Neighbours by words: the largest cosines of each row, and names without a word."""

import numpy as np
import pytest
from scipy import sparse

from training.models import tfidf
from training.models.core.base import Config, Query
from training.models.core.data import Catalogue, TrainingData
from training.models.core.vocabulary import Vocabulary
from training.models.registry import fit_model
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


@pytest.mark.parametrize(
    "titles", [("", "", ""), ("!!!", "—", "★ ★"), (" ", "\t", "…"), ("👍", "🎁🎁", "()")], ids=repr
)
def test_titles_without_a_word_give_an_empty_model(
    titles: tuple[str, ...], configs: dict[str, Config]
) -> None:
    items, users = Vocabulary.build("abc"), Vocabulary.build(["ann"])
    seen = sparse.csr_array(np.ones((1, 3), dtype=np.float32))
    data = TrainingData(items, users, seen, catalogue=Catalogue(titles=titles))
    model = fit_model("tfidf", data, configs["tfidf"], 1)
    assert not model.scores(Query(np.array([0], dtype=np.int32), np.ones(1, dtype=np.float32))).any()


def test_one_title_with_a_word_is_enough(configs: dict[str, Config]) -> None:
    items, users = Vocabulary.build("abc"), Vocabulary.build(["ann"])
    seen = sparse.csr_array(np.ones((1, 3), dtype=np.float32))
    data = TrainingData(items, users, seen, catalogue=Catalogue(titles=("!!!", "tea pot", "tea")))
    model = fit_model("tfidf", data, configs["tfidf"], 1)
    scores = model.scores(Query(np.array([1], dtype=np.int32), np.ones(1, dtype=np.float32)))
    assert scores[2] > 0 and scores[0] == 0


def test_a_word_said_three_times_adds_little() -> None:
    items = Vocabulary.build("ab")
    catalogue = Catalogue(("tea tea tea cup", "tea cup"), ("", ""), ("", ""))
    empty = sparse.csr_array((0, 2), dtype=np.float32)
    rows = tfidf._vectorise(TrainingData(items, Vocabulary.build([]), empty, catalogue=catalogue))
    often, once = sorted(rows[[0]].data.tolist(), reverse=True)
    assert often / once == pytest.approx(1 + np.log(3), rel=1e-5)
    assert rows[[1]].data.tolist() == pytest.approx([0.5**0.5] * 2)
