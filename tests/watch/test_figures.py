"""A figure drifts when it is large and chance is an unlikely cause."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watch.figures import Limits, align_counts, compare_mix, compare_samples, psi

LIMITS = Limits("price_ks", "catalogue", threshold=0.2, significance=0.01, min_rows=30)
COUNTS = st.lists(st.integers(0, 500), min_size=3, max_size=3).map(
    lambda found: np.array(found, dtype=np.float64)
)


@given(COUNTS, COUNTS)
def test_the_stability_index_is_the_same_both_ways_and_0_for_equals(
    one: np.ndarray, other: np.ndarray
) -> None:
    assert psi(one, other) == pytest.approx(psi(other, one)) and psi(one, other) >= 0
    assert psi(one, one) == 0


def test_the_stability_index_by_hand() -> None:
    # Half a row on each bin: shares 10.5 / 21 each, and 15.5 / 21 and 5.5 / 21.
    p, q = np.array([0.5, 0.5]), np.array([15.5, 5.5]) / 21
    assert psi(np.array([10.0, 10.0]), np.array([15.0, 5.0])) == pytest.approx(
        ((q - p) * np.log(q / p)).sum()
    )


@pytest.mark.parametrize(
    ("value", "p_value", "drifted"),
    [(0.3, 0.001, True), (0.3, 0.01, True), (0.3, 0.5, False), (0.2, 0.001, False), (0.3, None, True)],
)
def test_both_size_and_chance_count(value: float, p_value: float | None, drifted: bool) -> None:
    found = LIMITS.judge(value, p_value, "")
    assert found.judged and found.drifted == drifted


def test_few_rows_are_not_judged() -> None:
    random = np.random.default_rng(0)
    few, many = random.normal(size=29), random.normal(5, size=300)
    for found in (
        compare_samples(LIMITS, few, many),
        compare_samples(LIMITS, many, few),
        compare_mix(LIMITS, np.array([20.0, 9.0]), np.array([500.0, 500.0])),
        compare_mix(LIMITS, np.zeros(2), np.zeros(2)),
    ):
        assert not found.judged and not found.drifted and "at least 30" in found.detail


def test_a_shift_drifts_and_another_sample_of_the_same_does_not() -> None:
    random = np.random.default_rng(1)
    then, same, shifted = random.normal(size=400), random.normal(size=400), random.normal(1, size=400)
    assert not compare_samples(LIMITS, then, same).drifted
    assert compare_samples(LIMITS, then, shifted).drifted
    assert not compare_mix(LIMITS, np.array([100.0, 200, 0]), np.array([110.0, 190, 0])).drifted
    assert compare_mix(LIMITS, np.array([100.0, 200, 0]), np.array([190.0, 20, 90])).drifted


def test_one_group_on_both_sides_is_no_drift() -> None:
    found = compare_mix(LIMITS, np.array([300.0, 0.0]), np.array([40.0, 0.0]))
    assert found.judged and not found.drifted and found.p_value == 1.0


def test_counts_by_name_are_put_side_by_side() -> None:
    then, now = align_counts({"b": 2, "a": 1}, {"c": 3, "b": 4})
    assert then.tolist() == [1, 2, 0] and now.tolist() == [0, 4, 3]
