"""Each metric against numbers worked out by hand."""

import numpy as np
import pytest
from scipy import sparse

from training.evaluation import metrics
from training.evaluation.intervals import list_matrix

# Three users: right answers {0, 3}, {1}, and none.
TRUTH = sparse.csr_array(np.array([[1, 0, 0, 1, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0]], dtype=np.float32))
LISTS = np.array([[2, 3, 0, 4], [4, 2, -1, -1], [1, 0, -1, -1]], dtype=np.int32)
HITS = metrics.find_hits(LISTS, TRUTH)
COUNTS = metrics.right_answers(TRUTH)


def test_hits() -> None:
    assert HITS.tolist() == [[False, True, True, False], [False] * 4, [False] * 4]


def test_padding_is_never_a_hit() -> None:
    last = sparse.csr_array(np.array([[0, 0, 1], [1, 0, 0]], dtype=np.float32))
    assert not metrics.find_hits(np.array([[0, 1], [-1, -1]], dtype=np.int32), last).any()


@pytest.mark.parametrize(
    ("measure", "k", "first"),
    [
        (metrics.recall, 2, 0.5),
        (metrics.recall, 3, 1.0),
        (metrics.hit_rate, 1, 0.0),
        (metrics.hit_rate, 2, 1.0),
        (metrics.ndcg, 2, (1 / np.log2(3)) / (1 + 1 / np.log2(3))),
        (metrics.ndcg, 3, (1 / np.log2(3) + 1 / 2) / (1 + 1 / np.log2(3))),
        (metrics.ndcg, 1, 0.0),
        (metrics.average_precision, 3, (1 / 2 + 2 / 3) / 2),
        (metrics.average_precision, 1, 0.0),
        (metrics.reciprocal_rank, 3, 1 / 2),
        (metrics.reciprocal_rank, 1, 0.0),
    ],
)
def test_accuracy_by_hand(measure: metrics.Accuracy, k: int, first: float) -> None:
    found = measure(HITS, COUNTS, k)
    assert found[0] == pytest.approx(first)
    assert found[1] == 0.0
    assert np.isnan(found[2])


@pytest.mark.parametrize(
    "measure",
    [metrics.recall, metrics.ndcg, metrics.average_precision, metrics.reciprocal_rank, metrics.hit_rate],
)
def test_the_best_list_has_one_of_everything(measure: metrics.Accuracy) -> None:
    best = np.array([[0, 3], [1, 2], [0, 1]], dtype=np.int32)
    found = measure(metrics.find_hits(best, TRUTH), COUNTS, 2)
    assert found[:2].tolist() == [1.0, 1.0]


def test_a_list_shorter_than_the_cutoff_is_measured_as_it_is() -> None:
    assert metrics.ndcg(HITS[:, :2], COUNTS, 10)[0] == pytest.approx((1 / np.log2(3)) / (1 + 1 / np.log2(3)))


def test_novelty_is_the_mean_surprise() -> None:
    users = np.array([8, 4, 1, 0, 2])
    found = metrics.novelty(np.array([[0, 1], [2, -1], [-1, -1]], dtype=np.int32), users, 8, 2)
    assert found[:2].tolist() == [0.5, 3.0]
    assert np.isnan(found[2])


def test_popularity_percentile() -> None:
    users = np.array([5, 1, 3, 3])
    found = metrics.popularity_percentile(np.array([[0, -1], [1, -1], [2, 3]], dtype=np.int32), users, 2)
    assert found.tolist() == [1.0, 0.0, 0.5]


def test_diversity_is_one_less_the_mean_cosine() -> None:
    vectors = np.array([[1, 0], [0, 1], [1, 0], [0, 0]], dtype=np.float32)
    lists = np.array([[0, 1, -1], [0, 2, -1], [0, 1, 2], [0, 3, -1], [-1, -1, -1]], dtype=np.int32)
    found = metrics.diversity(lists, vectors, 3, block=2)
    np.testing.assert_allclose(found[:3], [1.0, 0.0, 2 / 3], atol=1e-6)
    assert np.isnan(found[3:]).all()


def test_coverage_and_gini() -> None:
    even = np.array([2, 2, 2, 2])
    one = np.array([0, 0, 0, 8])
    assert (metrics.coverage(even), metrics.coverage(one)) == (1.0, 0.25)
    assert metrics.gini(even) == pytest.approx(0.0)
    assert metrics.gini(one) == pytest.approx(0.75)
    assert np.isnan(metrics.gini(np.zeros(4, dtype=np.int64)))


def test_coverage_and_gini_without_each_user_are_those_of_the_lists_that_are_left() -> None:
    generator = np.random.default_rng(0)
    lists = np.stack([generator.permutation(40)[:6] for _ in range(25)]).astype(np.int32) ** 2 // 50
    lists = np.stack(
        [np.pad(np.unique(row), (0, 6 - len(np.unique(row))), constant_values=-1) for row in lists]
    )
    shown = list_matrix(lists, 40)
    left = [metrics.exposure(np.delete(lists, user, axis=0), 40, 6) for user in range(25)]
    np.testing.assert_allclose(metrics.coverage_without_each(shown), [metrics.coverage(x) for x in left])
    np.testing.assert_allclose(metrics.gini_without_each(shown), [metrics.gini(x) for x in left])
    assert np.isnan(metrics.gini_without_each(shown[:1])).all()


def test_the_share_of_some_items_is_of_the_places_that_are_filled() -> None:
    chosen = np.array([True, False, False, True])
    found = metrics.share_of(chosen, np.array([[0, 1, 3], [2, 0, -1], [-1, -1, -1]], dtype=np.int32), 2)
    assert found[:2].tolist() == [0.5, 0.5]
    assert np.isnan(found[2])


def test_exposure_counts_lists() -> None:
    assert metrics.exposure(LISTS, 5, 2).tolist() == [1, 1, 2, 1, 1]
