import numpy as np
import pytest

from training.models.core.base import exclude, top_k


def test_best_first_and_ties_by_index() -> None:
    scores = np.array([1, 3, 2, 3, 1, 1], dtype=np.float32)
    items, best = top_k(scores, 4)
    assert items.tolist() == [1, 3, 2, 0]
    assert best.tolist() == [3, 3, 2, 1]


def test_a_zero_is_no_opinion_but_less_than_zero_is_one() -> None:
    scores = np.array([0, -1, 2, 0, -3], dtype=np.float32)
    assert top_k(scores, 3)[0].tolist() == [2, 1, 4]
    assert top_k(scores, 10)[0].tolist() == [2, 1, 4]


@pytest.mark.parametrize("k", [1, 2, 7, 50, 99, 100, 101])
def test_agrees_with_a_full_sort(k: int) -> None:
    scores = np.random.default_rng(k).integers(-3, 4, 100).astype(np.float32)
    order = np.lexsort((np.arange(100), -scores))
    assert top_k(scores, k)[0].tolist() == [i for i in order if scores[i] != 0][:k]


def test_nothing_to_choose_from() -> None:
    assert len(top_k(np.zeros(0, dtype=np.float32), 5)[0]) == 0
    assert len(top_k(np.zeros(9, dtype=np.float32), 5)[0]) == 0


def test_excluding_leaves_the_scores_as_they_were() -> None:
    scores = np.ones(3, dtype=np.float32)
    assert exclude(scores, np.array([1], dtype=np.int32)).tolist() == [1, 0, 1]
    assert scores.tolist() == [1, 1, 1]


@pytest.mark.parametrize("opinions", [1.0, 0.2, 0.002])
@pytest.mark.parametrize("values", [5, 1_000_000])
def test_agrees_with_a_full_sort_of_a_large_catalogue(opinions: float, values: int) -> None:
    generator = np.random.default_rng(values)
    scores = generator.integers(-values, values + 1, 5000).astype(np.float32)
    scores[generator.random(5000) > opinions] = 0.0
    order = np.lexsort((np.arange(5000), -scores))
    expected = [i for i in order if scores[i] != 0][:20]
    items, best = top_k(scores, 20)
    assert items.tolist() == expected and best.tolist() == scores[expected].tolist()
    assert items.dtype == np.int32
