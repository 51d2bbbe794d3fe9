"""A simulated shop whose days swing by weekday, season and chance: what interaction drift finds in a year."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.typing import NDArray

from database.population import InteractionWeeks
from database.settings import REPOSITORY
from training.params import load_params
from watch.interaction_drift import compare_days, compare_weeks

pytestmark = pytest.mark.slow

PARAMS = load_params(REPOSITORY / "params.yaml").monitoring
RATES = {"click": 2000, "view_time": 900, "like": 120, "purchase": 60}
WEEKDAYS = np.array([0, -0.05, 0, 0.03, 0.08, 0.25, -0.25])
WARM_UP = 63
"""Days that the first one is compared with, its own week included."""


@dataclass(frozen=True)
class Year:
    """Every day's events by type, events by item, and number of events of each user."""

    days: Mapping[str, NDArray[np.int64]]
    items: NDArray[np.int64]
    activity: list[dict[int, int]]

    def until(self, day: int) -> InteractionWeeks:
        """What is known on the morning after a day."""
        starts = range(day + 1 - WARM_UP, day + 1, 7)
        by_item = [self.items[start : start + 7].sum(axis=0) for start in starts]
        users = [sum(map(Counter, self.activity[start : start + 7]), Counter()) for start in starts]
        return InteractionWeeks(
            datetime(2026, 1, 1, tzinfo=UTC),
            {name: counts[day + 1 - WARM_UP : day + 1].tolist() for name, counts in self.days.items()},
            [{f"i{n}": int(count) for n, count in enumerate(week) if count} for week in by_item],
            [dict(week) for week in users],
        )


def traffic(seed: int, days: int) -> Year:
    """A shop that grows by a fifth a year, with a season of +-20 % and another 10 % from day to day.

    Items come and go: the popular ones change within a few months.
    """
    generator = np.random.default_rng(seed)
    day = np.arange(days)
    season = 1 + 0.2 * np.sin(2 * np.pi * day / 365)
    rate = (1 + WEEKDAYS[day % 7]) * season * 1.2 ** (day / 365) * np.exp(0.1 * generator.normal(size=days))
    events = {name: generator.poisson(base * rate) for name, base in RATES.items()}
    liked = generator.permutation(400) - np.outer(day, np.ones(400)) / 2
    shares = 1 / (1 + liked % 400)
    shares /= shares.sum(axis=1, keepdims=True)
    total = np.sum([*events.values()], axis=0)
    items = np.stack([generator.multinomial(n, share) for n, share in zip(total, shares, strict=True)])
    activity = [dict(Counter(generator.geometric(0.3, n // 3).tolist())) for n in total]
    return Year(events, items, activity)


@pytest.fixture(scope="module")
def year() -> Year:
    return traffic(5, WARM_UP + 365)


def test_365_calm_days_raise_no_more_alarms_than_stated(year: Year) -> None:
    """A day's figures together err with probability `significance`: less than once in two years."""
    alarms = [
        figure.name
        for day in range(WARM_UP, WARM_UP + 365)
        for figure in compare_weeks(year.until(day), PARAMS)
        if figure.drifted
    ]
    assert len(alarms) <= 1, alarms


def test_many_years_of_calm_days_alarm_as_often_as_stated() -> None:
    alarms = looks = 0
    for seed in range(10):
        days = traffic(seed, WARM_UP + 365).days
        for day in range(WARM_UP, WARM_UP + 365):
            found = compare_days(
                {n: c[day + 1 - WARM_UP : day + 1].tolist() for n, c in days.items()}, PARAMS
            )
            alarms += any(figure.drifted for figure in found)
            looks += 1
    # Three standard deviations above the expected number of looks that err.
    expected = PARAMS.significance * looks
    assert alarms <= expected + 3 * expected**0.5


@pytest.mark.parametrize(
    ("name", "factor", "at_least"),
    [
        ("click", 0.5, 0.9),
        ("view_time", 0.5, 0.9),
        ("like", 0.5, 0.7),
        ("purchase", 0.5, 0.4),
        ("click", 2, 0.9),
        ("purchase", 2, 0.4),
        ("like", 0.1, 1.0),
        ("purchase", 0.1, 1.0),
    ],
)
def test_a_planted_change_of_a_day_is_found(year: Year, name: str, factor: float, at_least: float) -> None:
    """One type of event changes on one day, and nothing else; few events a day need a larger change."""
    found = []
    for week in range(52):
        day = WARM_UP + 7 * week + week % 7
        changed = year.days[name].copy()
        changed[day] = round(factor * changed[day])
        weeks = replace(year, days={**year.days, name: changed}).until(day)
        found.append({figure.name for figure in compare_days(weeks.days, PARAMS) if figure.drifted})
    share = np.mean([f"day_{name}" in names for names in found])
    assert share >= at_least, f"found on {share:.0%} of the days"
    assert all(names <= {f"day_{name}"} for names in found)
