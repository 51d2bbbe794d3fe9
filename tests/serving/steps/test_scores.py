"""Arithmetic on scores."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from serving.steps.scores import above_lowest, distinct, kth_largest, scaled_to_best, scatter, top


def floats(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_scaling_keeps_order_and_drops_what_is_negative() -> None:
    assert scaled_to_best(floats(-1, 2, 4)).tolist() == [0.0, 0.5, 1.0]
    assert scaled_to_best(floats(0, -3)).tolist() == [0.0, 0.0]


@given(st.lists(st.integers(0, 5), unique=True), st.integers(0, 3), st.randoms())
def test_spreading_drops_rows_that_are_not_known(known: list[int], unknown: int, order: object) -> None:
    rows = [*known, *[-1] * unknown]
    order.shuffle(rows)  # type: ignore[attr-defined]
    values = [row + 1.0 for row in rows]
    found = scatter(floats(*values), np.array(rows, dtype=np.int32), 6)
    assert found.tolist() == [row + 1.0 if row in known else 0 for row in range(6)]


def test_contrast_is_above_the_least_of_what_is_allowed() -> None:
    allowed = np.array([True, True, False])
    assert above_lowest(floats(3, 1, -5), allowed).tolist() == [2, 0, 0]


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0]), max_size=40), st.integers(-1, 45), st.randoms())
def test_the_top_is_that_of_a_plain_sort_in_whatever_order_the_rows_stand(
    scores: list[float], k: int, order: object
) -> None:
    places = list(range(len(scores)))
    expected = sorted(places, key=lambda place: (-scores[place], place))[: max(k, 0)]
    order.shuffle(places)  # type: ignore[attr-defined]
    identity = np.array(places, dtype=np.uint64)
    found = top(floats(*(scores[place] for place in places)), identity, k)
    assert identity[found].tolist() == expected


@given(st.integers(1, 3000), st.integers(1, 60), st.sampled_from([1, 2, 5, 10**6]), st.integers(0, 99))
def test_the_kth_largest_is_that_of_a_sort_however_many_are_equal(
    count: int, k: int, different: int, seed: int
) -> None:
    values = np.random.default_rng(seed).integers(-different, different, count).astype(np.float32)
    k = min(k, count)
    assert kth_largest(values, k) == sorted(values.tolist(), reverse=True)[k - 1]


def test_what_all_have_in_common_says_nothing_nor_does_rounding() -> None:
    common = np.full(200, 0.1, dtype=np.float32)
    common[::3] = np.nextafter(common[::3], np.float32(1))
    assert not above_lowest(common, np.ones(200, dtype=bool)).any()
    common[7] += 1e-3
    common[8] = -5.0
    allowed = np.arange(200) != 8
    assert np.flatnonzero(above_lowest(common, allowed)).tolist() == [7]
    assert not above_lowest(common, np.zeros(200, dtype=bool)).any()


@given(st.lists(st.integers(0, 9), min_size=1, max_size=9), st.integers(-40, 40), st.integers(0, 9))
def test_contrast_is_the_same_in_whatever_unit_the_scores_are(
    scores: list[int], power: int, forbidden: int
) -> None:
    allowed = np.arange(len(scores)) != forbidden
    unit = np.float32(2.0**power)
    plain = above_lowest(floats(*scores), allowed)
    assert above_lowest(unit * floats(*scores), allowed).tolist() == (unit * plain).tolist()


@given(st.lists(st.integers(0, 6)))
def test_distinct_rows_are_each_there_once_in_their_order(rows: list[int]) -> None:
    assert distinct(np.array(rows, dtype=np.int32)).tolist() == sorted(set(rows))
