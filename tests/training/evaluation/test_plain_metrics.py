"""Each metric once more, list by list and place by place: short lists, long ones, and of nothing right."""

from math import log2

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from training.evaluation import metrics
from training.evaluation.intervals import list_matrix

ITEMS = 12
LISTS = st.lists(
    st.permutations(range(ITEMS)).flatmap(lambda order: st.integers(0, 8).map(lambda n: list(order[:n]))),
    min_size=1,
    max_size=6,
)
RIGHT = st.lists(st.sets(st.integers(0, ITEMS - 1), max_size=5), min_size=6, max_size=6)
USERS = st.lists(st.sampled_from([0, 1, 1, 3, 40]), min_size=ITEMS, max_size=ITEMS)


def arrays(lists: list[list[int]], right: list[set[int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lists padded with -1, their hits and the counts of right answers."""
    padded = np.array([[*each, *[-1] * (8 - len(each))] for each in lists], dtype=np.int32)
    dense = np.array(
        [[float(item in own) for item in range(ITEMS)] for own in right[: len(lists)]], np.float32
    )
    truth = sparse.csr_array(dense)
    return padded, metrics.find_hits(padded, truth), metrics.right_answers(truth)


@given(LISTS, RIGHT, st.sampled_from([1, 3, 8, 10]))
@settings(max_examples=100)
def test_accuracy_is_what_counting_gives(lists: list[list[int]], right: list[set[int]], k: int) -> None:
    _, hits, counts = arrays(lists, right)
    found = {
        measure: measure(hits, counts, k)
        for measure in (
            metrics.recall,
            metrics.hit_rate,
            metrics.ndcg,
            metrics.average_precision,
            metrics.reciprocal_rank,
        )
    }
    for user, (shown, own) in enumerate(zip(lists, right, strict=False)):
        if not own:
            assert all(np.isnan(values[user]) for values in found.values())
            continue
        places = [place for place, item in enumerate(shown[:k], start=1) if item in own]
        assert found[metrics.recall][user] == pytest.approx(len(places) / len(own))
        assert found[metrics.hit_rate][user] == bool(places)
        assert found[metrics.reciprocal_rank][user] == pytest.approx(1 / places[0] if places else 0)
        best = sum(1 / log2(place + 1) for place in range(1, min(k, len(own)) + 1))
        assert found[metrics.ndcg][user] == pytest.approx(sum(1 / log2(place + 1) for place in places) / best)
        precisions = [number / place for number, place in enumerate(places, start=1)]
        assert found[metrics.average_precision][user] == pytest.approx(sum(precisions) / min(k, len(own)))


@given(LISTS, USERS, st.sampled_from([1, 3, 8]), st.integers(1, 4))
@settings(max_examples=100)
def test_what_lists_are_like_is_what_counting_gives(
    lists: list[list[int]], users: list[int], k: int, block: int
) -> None:
    padded, _, _ = arrays(lists, [set()] * 6)
    item_users = np.array(users, dtype=np.int64)
    novelty = metrics.novelty(padded, item_users, 50, k)
    percentile = metrics.popularity_percentile(padded, item_users, k)
    vectors = np.random.default_rng(1).normal(size=(ITEMS, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[[2, 5]] = 0
    diversity = metrics.diversity(padded, vectors, k, block)
    for user, shown in enumerate(lists):
        top = shown[:k]
        if not top:
            assert np.isnan([novelty[user], percentile[user]]).all()
        else:
            assert novelty[user] == pytest.approx(np.mean([-log2(max(users[item], 1) / 50) for item in top]))
            below = [sum(o < users[item] for o in users) + (users.count(users[item]) - 1) / 2 for item in top]
            assert percentile[user] == pytest.approx(np.mean(below) / (ITEMS - 1))
        texted = [item for item in top if item not in (2, 5)]
        pairs = [float(vectors[a] @ vectors[b]) for a in texted for b in texted if a < b]
        if pairs:
            assert diversity[user] == pytest.approx(1 - np.mean(pairs), abs=1e-5)
        else:
            assert np.isnan(diversity[user])
    exposures = metrics.exposure(padded, ITEMS, k)
    counted = [sum(item in shown[:k] for shown in lists) for item in range(ITEMS)]
    assert exposures.tolist() == counted
    assert metrics.coverage(exposures) == pytest.approx(sum(count > 0 for count in counted) / ITEMS)
    total = sum(counted)
    if total:
        apart = sum(abs(a - b) for a in counted for b in counted)
        assert metrics.gini(exposures) == pytest.approx(apart / (2 * ITEMS * total))
    else:
        assert np.isnan(metrics.gini(exposures))
    listed = list_matrix(np.where(np.arange(8) < k, padded, -1), ITEMS)
    for left_out in range(len(lists)):
        others = [shown for place, shown in enumerate(lists) if place != left_out]
        rest = np.array([sum(item in shown[:k] for shown in others) for item in range(ITEMS)])
        assert metrics.coverage_without_each(listed)[left_out] == pytest.approx(metrics.coverage(rest))
        assert metrics.gini_without_each(listed)[left_out] == pytest.approx(metrics.gini(rest), nan_ok=True)


@given(st.lists(st.booleans(), min_size=1, max_size=4), st.sampled_from([(0, 0), (0, 3), (3, 3), (5, 2)]))
@settings(max_examples=20)
def test_shops_of_one_item_or_two(listed: list[bool], users: tuple[int, int]) -> None:
    """The one item is covered as long as another user's list holds it; of two, one is at 0 and one at 1."""
    one = sparse.csr_array(np.array([[float(shown)] for shown in listed]))
    wanted = [float(any(listed[:place] + listed[place + 1 :])) for place in range(len(listed))]
    assert metrics.coverage_without_each(one).tolist() == wanted
    lists = np.array([[0], [1], [-1]], dtype=np.int32)
    found = metrics.popularity_percentile(lists, np.array(users, dtype=np.int64), 1)
    first = 0.5 if users[0] == users[1] else float(users[0] > users[1])
    assert found[:2].tolist() == [first, 1 - first] and np.isnan(found[2])
