"""Purchases, revenue and dislikes compared: right under peeking, sharper with the days before."""

from math import isinf
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from database.outcomes import DISLIKES, PURCHASE_RATE, REVENUE, Moments
from experiments.outcomes import OutcomeReading, compare_outcomes, cuped, harmed
from experiments.statistics import SequentialTest

TEST = SequentialTest(alpha=0.05, scale=0.1, min_users=100)
Values = NDArray[Any]
TRUE_MEAN = 0.2 * np.exp(3 + 0.8**2 / 2) * np.exp(0.4**2 / 2)
"""Mean revenue of a user."""


def moments(after: Values, before: Values) -> Moments:
    """Of users whose outcomes are these (float[n_users])."""
    covariance = np.cov(after, before)
    return Moments(
        len(after),
        int((after != 0).sum()),
        float(after.mean()),
        float(covariance[0, 0]),
        float(before.mean()),
        float(covariance[1, 1]),
        float(covariance[0, 1]),
    )


def revenue(rng: np.random.Generator, users: int, lift: float = 1.0) -> tuple[Values, Values]:
    """What users spend in the experiment and in the days before: many never buy, a few buy for a lot."""
    often = rng.beta(0.5, 2, users)
    basket = rng.lognormal(3, 0.8, users)

    def spent(rate: float) -> Values:
        return rng.poisson(rate * often) * basket * rng.lognormal(0, 0.4, users)

    return spent(lift), spent(3.0)


def compared(control: Moments, other: Moments, name: str = REVENUE) -> OutcomeReading:
    return compare_outcomes({name: control}, {name: other}, TEST)[name]


def verdict(found: OutcomeReading) -> str | None:
    return None if found.difference is None else found.difference.verdict


def test_the_days_before_make_the_interval_narrower_and_leave_the_difference_unbiased() -> None:
    rng = np.random.default_rng(1)
    values, removed, inside = [], [], []
    for _ in range(200):
        control, other = moments(*revenue(rng, 3000)), moments(*revenue(rng, 3000, lift=1.1))
        value, variance, share = cuped(control, other)
        values.append(value)
        removed.append(share)
        inside.append(abs(value - 0.1 * TRUE_MEAN) < 1.96 * variance**0.5)
    assert np.mean(values) == pytest.approx(0.1 * TRUE_MEAN, abs=0.05 * TRUE_MEAN)
    assert np.mean(removed) > 0.05
    assert 0.9 <= np.mean(inside) <= 0.99


@pytest.mark.slow
def test_peeking_at_revenue_does_not_raise_the_false_alarms() -> None:
    rng = np.random.default_rng(2)
    alarms, runs = 0, 300
    for _ in range(runs):
        arms = [revenue(rng, 4000) for _ in range(2)]
        for users in range(200, 4001, 200):
            control, other = (moments(after[:users], before[:users]) for after, before in arms)
            if verdict(compared(control, other)) != "undecided":
                alarms += 1
                break
    assert alarms / runs <= 0.05 / 3 + 2 * (0.05 * 0.95 / runs) ** 0.5


def test_a_real_difference_in_revenue_is_found() -> None:
    rng = np.random.default_rng(3)
    found = [
        compared(moments(*revenue(rng, 20_000)), moments(*revenue(rng, 20_000, lift=1.3))) for _ in range(20)
    ]
    assert np.mean([verdict(one) == "better" for one in found]) > 0.9


def test_too_few_buyers_are_no_verdict() -> None:
    few = Moments(1000, 29, 0.029, 0.028, 0, 0, 0)
    many = Moments(1000, 300, 0.3, 0.21, 0, 0, 0)
    found = compared(few, many, PURCHASE_RATE).difference
    assert found is not None and (found.verdict, found.p_value) == ("undecided", 1) and isinf(found.high)


def test_more_dislikes_are_worse_and_harm_only_a_guardrail() -> None:
    few, many = Moments(1000, 100, 0.1, 0.09, 0, 0, 0), Moments(1000, 300, 0.3, 0.21, 0, 0, 0)
    found = compare_outcomes({DISLIKES: few, REVENUE: few}, {DISLIKES: many, REVENUE: many}, TEST)
    assert (verdict(found[DISLIKES]), verdict(found[REVENUE])) == ("worse", "better")
    assert harmed(found, (PURCHASE_RATE, REVENUE, DISLIKES)) == (DISLIKES,)
    assert harmed(found, (REVENUE,)) == ()


users = st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=3, max_size=30)


@pytest.mark.slow
@given(users, users)
def test_the_days_before_never_widen_and_match_a_regression(first: Any, second: Any) -> None:
    """Theta is the slope of a regression with an intercept for each arm."""
    arms = [np.array(first), np.array(second)]
    value, variance, removed = cuped(*(moments(arm[:, 0], arm[:, 1]) for arm in arms))
    centred = np.vstack([arm - arm.mean(axis=0) for arm in arms])
    square = float(centred[:, 1] @ centred[:, 1])
    theta = float(centred[:, 0] @ centred[:, 1]) / square if square > 0 else 0.0
    adjusted = [arm[:, 0] - theta * arm[:, 1] for arm in arms]
    tolerance = 1e-6 * (1 + abs(theta)) ** 2
    assert value == pytest.approx(adjusted[1].mean() - adjusted[0].mean(), abs=100 * tolerance)
    expected = sum(float(one.var(ddof=1)) / len(one) for one in adjusted)
    assert variance == pytest.approx(expected, rel=1e-6, abs=10_000 * tolerance)
    assert removed <= 1 + 1e-9


def test_without_days_before_nothing_is_removed() -> None:
    rng = np.random.default_rng(4)
    after = rng.exponential(size=500)
    value, variance, removed = cuped(moments(after, np.zeros(500)), moments(after + 1, np.zeros(500)))
    assert value == pytest.approx(1) and removed == 0
    assert variance == pytest.approx(2 * after.var(ddof=1) / 500)
