"""Simulated traffic whose click rate swings by weekday, hour and day: what the guard does in a year."""

from collections.abc import Callable
from math import log
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from database.settings import REPOSITORY
from experiments.statistics import Rate, compare
from training.params import load_params
from watch.bundle_comparison import compare_days, judge_change, measure_change
from watch.guard_power import guard_power

pytestmark = pytest.mark.slow

LIMITS = load_params(REPOSITORY / "params.yaml").guard
USERS = 60
"""New users in an hour."""
WEEKDAYS = np.array([0, -0.05, 0, 0.03, 0.08, 0.25, -0.25])
WARM_UP = 36
"""Days before the first bundle that is looked at: four earlier weeks and one to spare."""

Sums = NDArray[np.float64]
ARMS = (60, 540)
"""Users an hour who keep the previous bundle, and the others: a holdback of a tenth."""


def traffic(
    rng: np.random.Generator, days: int, day_spread: float, fault: NDArray[Any], users: int = USERS
) -> Sums:
    """float64[24 * days + 1, 6]: the sums of a Rate up to each hour. `fault`: factor of each day's rate."""
    return arms_traffic(rng, days, day_spread, (fault,), (users,))[0]


def arms_traffic(
    rng: np.random.Generator,
    days: int,
    day_spread: float,
    faults: tuple[NDArray[Any], ...],
    users: tuple[int, ...],
) -> list[Sums]:
    """The same of several arms on the same days, each with its users an hour."""
    hours = np.arange(24 * days)
    day = hours // 24
    swing = (1 + WEEKDAYS[day % 7]) * (1 + 0.1 * np.sin(hours / 24 * 2 * np.pi))
    rate = 0.05 * swing * np.exp(day_spread * rng.normal(size=days))[day]
    made = []
    for fault, an_hour in zip(faults, users, strict=True):
        shown = rng.integers(5, 25, (len(hours), an_hour))
        taste = rng.gamma(4, 1 / 4, (len(hours), an_hour))
        clicks = rng.binomial(shown, np.minimum(1, (rate * fault[day])[:, None] * taste))
        parts = (np.ones_like(shown), shown, clicks, clicks**2, clicks * shown, shown**2)
        sums = np.stack([part.sum(axis=1) for part in parts], axis=1)
        made.append(np.vstack([np.zeros(6), np.cumsum(sums, axis=0)]))
    return made


def between(sums: Sums, start: int, end: int) -> Rate:
    users, shown, clicked, *squares = sums[end] - sums[start]
    return Rate(int(users), int(shown), int(clicked), *map(float, squares))


def guard(sums: Sums, start: int, now: int) -> bool:
    """Whether the bundle of the day that began at hour `start` is held to be worse than yesterday's."""
    weeks = [
        (between(sums, start - 24 - back, start - back), between(sums, start - back, now - back))
        for back in range(168, 168 * LIMITS.weeks + 1, 168)
    ]
    found = compare_days(between(sums, start - 24, start), between(sums, start, now), weeks, LIMITS)
    return found.high < log(1 - LIMITS.min_relative_drop)


def days_as_they_come(sums: Sums, start: int, now: int) -> bool:
    """The same without regard to what is usual between the two days."""
    old = between(sums, start - 24, start)
    found = compare(old, between(sums, start, now), alpha=0.01, scale=0.01, min_users=200)
    return found.high < -LIMITS.min_relative_drop * old.value


def taken_back(sums: Sums, day: int, judge: Callable[[Sums, int, int], bool]) -> bool:
    """Whether a day's bundle goes at one of the looks, every second hour."""
    return any(judge(sums, 24 * day, 24 * day + hour) for hour in range(2, 25, 2))


@pytest.fixture(scope="module")
def year() -> Sums:
    """A year of days that differ by five per cent beyond their weekday, and no bundle ever worse."""
    return traffic(np.random.default_rng(11), 365, 0.05, np.ones(365))


def test_a_year_of_equal_bundles_costs_hardly_any(year: Sums) -> None:
    bundles = range(WARM_UP, 365)
    assert sum(taken_back(year, day, guard) for day in bundles) <= 0.01 * len(bundles)
    naive = sum(taken_back(year, day, days_as_they_come) for day in bundles)
    assert naive > 0.1 * len(bundles), "without the earlier weeks every Sunday is a fault"


def test_a_bundle_that_loses_half_the_clicks_is_taken_back_within_the_day() -> None:
    found = []
    for seed in range(20):
        fault = np.ones(WARM_UP + 8)
        fault[bad := WARM_UP + seed % 7] = 0.5
        sums = traffic(np.random.default_rng(seed), len(fault), 0.05, fault)
        found.append(taken_back(sums, bad, guard))
    assert np.mean(found) >= 0.9


def both(held: Sums, others: Sums, start: int, now: int, *, holdback: bool) -> bool:
    """Whether the bundle that began at hour `start` is held to be worse, a holdback beside it or none."""
    days = others if holdback else held + others
    weeks = []
    for moment, end in ((start - back, now - back) for back in range(168, 168 * LIMITS.weeks + 1, 168)):
        weeks.append((between(days, moment - 24, moment), between(days, moment, end)))
    pair = between(days, start - 24, start), between(days, start, now)
    arms = (between(held, start, now), between(others, start, now)) if holdback else None
    if arms is not None and arms[0].users < LIMITS.min_users:
        arms = None
    found = judge_change(measure_change(pair, weeks, arms, LIMITS), LIMITS)
    return found.high < log(1 - LIMITS.min_relative_drop)


def test_a_year_of_equal_bundles_with_a_holdback_costs_hardly_any() -> None:
    """Each bundle serves for two days; the users of the holdback keep the one before it."""
    equal = np.ones(365)
    held, others = arms_traffic(np.random.default_rng(5), 365, 0.05, (equal, equal), ARMS)
    bundles = range(WARM_UP, 363, 2)
    back = [
        any(both(held, others, 24 * day, 24 * day + hour, holdback=True) for hour in range(2, 49, 2))
        for day in bundles
    ]
    assert sum(back) <= 0.01 * len(bundles)


def test_a_holdback_finds_a_fifth_less_clicks_where_days_hide_it() -> None:
    """14,400 users a day, a tenth of them on the previous bundle for two days."""
    found: dict[bool, list[bool]] = {True: [], False: []}
    for seed in range(15):
        days = WARM_UP + 2
        fault = np.ones(days)
        fault[WARM_UP:] = 0.8
        for holdback, verdicts in found.items():
            before = np.ones(days) if holdback else fault
            rng = np.random.default_rng(seed)
            held, others = arms_traffic(rng, days, 0.05, (before, fault), ARMS)
            looks = range(24 * WARM_UP + 2, 24 * days + 1, 2)
            verdicts.append(any(both(held, others, 24 * WARM_UP, now, holdback=holdback) for now in looks))
    assert np.mean(found[True]) >= 0.8
    assert np.mean(found[False]) <= 0.5


def test_the_power_that_is_stated_is_that_of_the_simulation() -> None:
    """The drop that it says is found in 80 % of looks, at the holdback's last look."""
    equal = np.ones(2)
    calm = arms_traffic(np.random.default_rng(1), 2, 0.05, (equal,), (sum(ARMS),))[0]
    power = guard_power(between(calm, 0, 48), LIMITS)
    assert power.holdback is not None and power.held == ARMS[0] * 48
    assert power.holdback < power.days < power.first_week
    fault = equal - power.holdback
    last = []
    for seed in range(100):
        held, others = arms_traffic(np.random.default_rng(seed), 2, 0.05, (equal, fault), ARMS)
        pair = between(held, 0, 48), between(others, 0, 48)
        change = judge_change(measure_change(pair, [], pair, LIMITS), LIMITS)
        last.append(change.high < log(1 - LIMITS.min_relative_drop))
    assert 0.7 <= np.mean(last) <= 0.9


def test_a_shop_without_enough_users_is_told_so() -> None:
    assert guard_power(Rate(1000, 6000, 300, 300, 1800, 36000), LIMITS).holdback is None
    few = guard_power(Rate(50, 300, 15, 15, 90, 1800), LIMITS)
    assert (few.holdback, few.days, few.first_week) == (None, 1.0, 1.0)
