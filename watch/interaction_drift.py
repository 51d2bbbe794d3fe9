"""Drift of what users do: the newest day and week against the days and weeks before them.

The two sides never overlap, and each is compared with its like: a day with the same weekday, a whole week
with whole weeks.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from database.population import WEEK, InteractionWeeks
from training.models.core.types import DoubleArray
from training.params.operating import MonitoringParams
from watch.figures import Figure, Limits, align_counts, compare_mix, compare_samples

ABOUT = "interactions"
POPULARITY_GROUPS = 10
LEAST_WEEKS = 3
"""Earlier weeks that a day is judged by: with fewer, the spread between days is not known."""
LEAST_A_DAY = 20
"""A type with fewer events a day is judged by its weeks alone."""


def compare_weeks(weeks: InteractionWeeks, params: MonitoringParams) -> list[Figure]:
    """All figures of drift of the newest day and week; too short a history leaves them unjudged."""
    found = [*compare_days(weeks.days, params)]

    def limits(name: str) -> Limits:
        return Limits(name, ABOUT, float(getattr(params, name)), params.significance, params.min_rows)

    earlier = weeks.complete - 1
    if earlier < 1:
        why = "there is no whole week before the newest one yet"
        names = ("event_mix_psi", "activity_ks", "popularity_psi")
        return found + [limits(name).unjudged(why) for name in names]
    compared = min(earlier, params.earlier_weeks)
    mix = [
        {name: sum(counts[part]) for name, counts in weeks.days.items()}
        for part in (slice(-WEEK * (compared + 1), -WEEK), slice(-WEEK, None))
    ]
    activity = [_values(week) for week in weeks.activity[-compared - 1 :]]
    found.append(compare_mix(limits("event_mix_psi"), *align_counts(*mix)))
    found.append(compare_samples(limits("activity_ks"), np.concatenate(activity[:-1]), activity[-1]))
    if earlier < 2:
        why = "there are no two whole weeks before the newest one yet"
        return [*found, limits("popularity_psi").unjudged(why)]
    return [*found, compare_mix(limits("popularity_psi"), *_popularity(weeks.items, earlier, params))]


def compare_days(days: Mapping[str, Sequence[int]], params: MonitoringParams) -> list[Figure]:
    """The newest day's events of each type against what its weekday and the trend lead to expect.

    Least squares of log(events + 1/2) on the weekday and a line through the earlier days; the p-value is that
    of the prediction's t distribution, times the number of types, so that all of a day's figures together err
    as often as one.

    Args:
        days: by event type, the events of each day, oldest first: 7 times the complete weeks.
        params: thresholds.
    """
    judged = {name: counts for name, counts in days.items() if _judged(counts)}
    found = []
    for name, counts in sorted(days.items()):
        limits = Limits(f"day_{name}", ABOUT, params.day_change, params.significance)
        if name in judged:
            expected, p_value = expect_day(np.asarray(counts, dtype=np.float64))
            change = (counts[-1] + 0.5) / (expected + 0.5) - 1
            detail = f"{counts[-1]} events, {expected:.0f} expected of such a weekday ({change:+.0%})"
            found.append(limits.judge(abs(change), min(1.0, p_value * len(judged)), detail))
        elif len(counts) <= LEAST_WEEKS * WEEK:
            why = f"{len(counts) // WEEK} whole weeks, more than {LEAST_WEEKS} needed"
            found.append(limits.unjudged(why))
        else:
            found.append(limits.unjudged(f"fewer than {LEAST_A_DAY} events a day"))
    return found


def expect_day(counts: DoubleArray) -> tuple[float, float]:
    """What the days before the last lead to expect of the last, and the chance of one as far from it.

    The spread between days is taken from those days, and never below that of a Poisson count.

    Args:
        counts: float64[d], events of each day, oldest first; d is more than 14.
    """
    from scipy.stats import t

    # Half an event: a day without one has a logarithm too.
    logs = np.log(counts + 0.5)
    age = np.arange(len(counts)) - (len(counts) - 1)
    # One column for each weekday, and one for the line: in weeks, so that no column is much larger.
    design = np.column_stack([np.eye(WEEK)[age % WEEK], age / WEEK])
    earlier, newest = design[:-1], design[-1]
    # The pseudo-inverse itself rather than a solve: the leverage needs it too.
    solution = np.linalg.pinv(earlier)
    weights = solution @ logs[:-1]
    residual = logs[:-1] - earlier @ weights
    freedom = len(earlier) - design.shape[1]
    expected = float(np.exp(newest @ weights))
    # The delta method: the log of a Poisson count has variance 1 / mean.
    variance = max(float(residual @ residual) / freedom, 1 / expected)
    # A prediction's variance is 1 + leverage times that of a day: the fit itself is uncertain.
    leverage = float(np.square(newest @ solution).sum())
    distance = abs(float(logs[-1] - newest @ weights)) / np.sqrt(variance * (1 + leverage))
    return max(expected - 0.5, 0.0), float(2 * t.sf(distance, freedom))


def popularity_groups(earlier: Mapping[str, int], counts: Mapping[str, int]) -> DoubleArray:
    """Interactions by their item's earlier popularity: ten groups of equal earlier mass, then unseen items.

    Returns:
        float64[11].
    """
    ranked = sorted(earlier, key=lambda item: (-earlier[item], item))
    mass = np.cumsum([earlier[item] for item in ranked], dtype=np.float64)
    groups = np.zeros(POPULARITY_GROUPS + 1)
    if not len(mass):
        return groups
    # The mass up to and with an item, less one event: the last item falls into the last group.
    place = np.minimum((mass - 1) / mass[-1] * POPULARITY_GROUPS, POPULARITY_GROUPS - 1).astype(np.int64)
    group_of = dict(zip(ranked, place.tolist(), strict=True))
    for item, count in counts.items():
        groups[group_of.get(item, POPULARITY_GROUPS)] += count
    return groups


def _popularity(
    items: Sequence[Mapping[str, int]], earlier: int, params: MonitoringParams
) -> tuple[DoubleArray, DoubleArray]:
    """The groups of earlier weeks and of the newest: each week by the ranking of as many weeks before it.

    One ranking for all of them would be older for the newest week than for the others, and make its new items
    look like drift.
    """
    ranked_by = min(params.earlier_weeks, max(1, earlier // 2))

    def groups(week: int) -> DoubleArray:
        before: Counter[str] = Counter()
        for one in items[week - ranked_by : week]:
            before.update(one)
        return popularity_groups(before, items[week])

    newest = len(items) - 1
    compared = range(newest - min(earlier - ranked_by, params.earlier_weeks), newest)
    return np.sum([groups(week) for week in compared], axis=0), groups(newest)


def _judged(counts: Sequence[int]) -> bool:
    if len(counts) <= LEAST_WEEKS * WEEK:
        return False
    return max(float(np.mean(counts[:-1])), counts[-1]) >= LEAST_A_DAY


def _values(counted: Mapping[int, int]) -> DoubleArray:
    """One value for each of the users that had so many events."""
    return np.repeat(np.array([*counted], dtype=np.float64), np.array([*counted.values()], dtype=np.int64))
