"""What the guard would find in a shop, before any bundle is worse.

That the stated power is what a simulation finds: test_automatic_rollback_in_the_long_run.py.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from database.settings import REPOSITORY
from experiments.statistics import Rate
from training.params import load_params
from watch.bundle_comparison import detectable_drop
from watch.guard_power import guard_power

LIMITS = load_params(REPOSITORY / "params.yaml").guard


def shop_of(users: int, share: float = 0.05) -> Rate:
    """Each user was shown six items, of which this share was clicked."""
    shown, clicked = 6 * users, round(6 * users * share)
    return Rate(users, shown, clicked, clicked, 6 * clicked, 36 * users)


@given(st.integers(LIMITS.min_users, 10**6), st.floats(0.01, 0.5), st.floats(1.5, 20))
@settings(max_examples=50)
def test_more_users_show_smaller_drops(users: int, share: float, more: float) -> None:
    few, many = (
        guard_power(shop_of(users, share), LIMITS),
        guard_power(shop_of(int(users * more), share), LIMITS),
    )
    assert 0 < many.days <= few.days <= 1 and 0 < many.first_week <= few.first_week <= 1
    if few.holdback is not None:
        assert many.holdback is not None and many.holdback <= few.holdback
        assert few.held == round(LIMITS.holdback_share * users)
    else:
        assert few.held == 0


def test_too_few_users_for_a_holdback_or_for_anything() -> None:
    held = LIMITS.min_users / LIMITS.holdback_share
    assert guard_power(shop_of(int(held * 0.9)), LIMITS).holdback is None
    assert guard_power(shop_of(int(held * 1.1)), LIMITS).holdback is not None
    for few in (shop_of(LIMITS.min_users - 1), shop_of(10_000, share=0.0)):
        found = guard_power(few, LIMITS)
        assert (found.held, found.holdback, found.days, found.first_week) == (0, None, 1.0, 1.0)


def test_just_enough_users_are_enough() -> None:
    assert 0 < guard_power(shop_of(LIMITS.min_users), LIMITS).days < 1
    users = round(LIMITS.min_users / LIMITS.holdback_share)
    assert guard_power(shop_of(users), LIMITS).held == LIMITS.min_users


def test_a_shop_without_a_holdback_has_none() -> None:
    off = LIMITS.model_copy(update={"holdback_share": 0.0})
    assert guard_power(shop_of(100_000), off).holdback is None


@given(st.floats(0.01, 0.3), st.floats(0.01, 0.3))
@settings(max_examples=20)
def test_of_very_many_users_only_the_spread_of_days_and_weeks_hides_a_drop(day: float, week: float) -> None:
    """The variance between days is added to that of the users, which is next to nothing."""
    limits = LIMITS.model_copy(update={"day_spread": day, "unmatched_spread": week})
    found = guard_power(shop_of(10**9), limits)
    shares = day**2 * (1 + 1 / limits.weeks), week**2
    for drop, variance in zip((found.days, found.first_week), shares, strict=True):
        assert drop == pytest.approx(detectable_drop(variance, limits), rel=1e-2)


@given(st.integers(LIMITS.min_users, 10**6), st.floats(0.01, 0.3), st.floats(0.01, 0.5))
@settings(max_examples=50)
def test_the_drops_are_those_of_the_variances_of_users_and_of_days(
    users: int, share: float, holdback: float
) -> None:
    """One day against the days of the holdback; the held against all others; weeks have an error too."""
    limits = LIMITS.model_copy(update={"holdback_share": holdback})
    recent = shop_of(users, share)
    found = guard_power(recent, limits)

    def of_users(count: float) -> float:
        return recent.variance / recent.value**2 * users / count

    between = of_users(users / limits.holdback_days) + of_users(users)
    weeks = 1 + 1 / limits.weeks
    assert found.users == users
    assert found.days == pytest.approx(detectable_drop((between + limits.day_spread**2) * weeks, limits))
    assert found.first_week == pytest.approx(detectable_drop(between + limits.unmatched_spread**2, limits))
    held = round(holdback * users)
    if held < limits.min_users:
        assert (found.held, found.holdback) == (0, None)
    else:
        arms = of_users(held) + of_users(users - held)
        assert found.held == held
        assert found.holdback == pytest.approx(detectable_drop(arms, limits))
