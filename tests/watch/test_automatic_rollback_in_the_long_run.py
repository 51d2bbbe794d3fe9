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
from watch.automatic_rollback import compare_days

LIMITS = load_params(REPOSITORY / "params.yaml").guard
USERS = 60
"""New users in an hour."""
WEEKDAYS = np.array([0, -0.05, 0, 0.03, 0.08, 0.25, -0.25])
WARM_UP = 36
"""Days before the first bundle that is looked at: four earlier weeks and one to spare."""

Sums = NDArray[np.float64]


def traffic(rng: np.random.Generator, days: int, day_spread: float, fault: NDArray[Any]) -> Sums:
    """float64[24 * days + 1, 6]: the sums of a Rate up to each hour. `fault`: factor of each day's rate."""
    hours = np.arange(24 * days)
    day = hours // 24
    swing = (1 + WEEKDAYS[day % 7]) * (1 + 0.1 * np.sin(hours / 24 * 2 * np.pi))
    rate = 0.05 * swing * np.exp(day_spread * rng.normal(size=days))[day] * fault[day]
    shown = rng.integers(5, 25, (len(hours), USERS))
    taste = rng.gamma(4, 1 / 4, (len(hours), USERS))
    clicks = rng.binomial(shown, np.minimum(1, rate[:, None] * taste))
    parts = (np.ones_like(shown), shown, clicks, clicks**2, clicks * shown, shown**2)
    sums = np.stack([part.sum(axis=1) for part in parts], axis=1)
    return np.vstack([np.zeros(6), np.cumsum(sums, axis=0)])


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
