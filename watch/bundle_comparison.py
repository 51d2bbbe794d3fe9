"""Compares the click rate of the bundle in service with that of the one before it.

Where an experiment or the holdback (`database.holdback`) shows both bundles, its arms are compared: the same
hours, and users whom chance assigned.

Otherwise, and in small shops, the bundles are compared on the different days on which they served. A
Saturday is not a Friday, so the change between them is compared with the change between the same hours of
earlier weeks, whatever bundle served then (difference in differences); remaining differences between days
count as chance. Of the two comparisons the one with the smaller variance is used.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import exp, inf, log
from statistics import fmean, variance
from typing import Protocol

from database.deployments import Deployment
from database.experiments import Experiment
from database.rollback import ROLLBACK
from experiments.statistics import Difference, Rate, always_valid, smallest_found
from training.params.operating import GuardParams

Week = tuple[Rate, Rate]
"""What was clicked in the old and in the new bundle's hours, some weeks earlier."""

_WEEK = timedelta(days=7)


class ClickRates(Protocol):
    """Reads the rate of what a bundle (None: any) showed between two moments, in one experiment or all."""

    def __call__(
        self,
        bundle_id: str | None,
        start: datetime,
        until: datetime,
        /,
        *,
        clicks_until: datetime,
        experiment_id: str | None = None,
    ) -> Rate: ...


@dataclass(frozen=True)
class ClickRateComparison:
    """The click rate of the bundle in service beside that of the previous one."""

    bundle_id: str
    against_id: str
    new: Rate
    old: Rate
    weeks: int
    """Number of earlier weeks compared with."""
    side_by_side: bool
    """Whether an experiment showed both bundles in the same hours."""
    change: Difference
    """Logarithm of the new rate over the old one, less what is usual between their days."""
    worse: bool
    """Below the old bundle's rate by the smallest drop that matters, at the least."""
    detectable_drop: float
    """The smallest relative drop that a look at so many users finds in 80 % of cases, 0 to 1."""

    @property
    def reason(self) -> str:
        """The comparison as a sentence."""
        change, low, high = (
            100 * (exp(at) - 1) for at in (self.change.value, self.change.low, self.change.high)
        )
        beside = f"compared with {self.weeks} earlier weeks" if self.weeks else "with no earlier week yet"
        if self.side_by_side:
            beside = "in the same hours"
        return (
            f"click rate {self.new.value:.4f} of bundle {self.bundle_id} against {self.old.value:.4f} of "
            f"{self.against_id}: {change:+.1f} % [{low:+.1f}, {high:+.1f}] {beside}; "
            f"the smallest drop found with so many users: {100 * self.detectable_drop:.0f} %"
        )


@dataclass(frozen=True)
class Change:
    """Logarithm of a new rate over an old one, with its variance; infinite while there are too few users."""

    old: Rate
    new: Rate
    value: float
    variance: float
    weeks: int = 0
    side_by_side: bool = False


def compare_days(old: Rate, new: Rate, weeks: Sequence[Week], limits: GuardParams) -> Difference:
    """Judge the new bundle's days against the old one's; valid however often it is called.

    The logarithm of new / old, less the mean of the same in the earlier weeks. Its variance is that of the
    users on every side and of the days themselves: the spread of the weeks beyond what users explain, and
    no less than `day_spread`.
    """
    return judge_change(_change_between_days(old, new, weeks, limits), limits)


def compare_bundles(
    bundles: tuple[Deployment, Deployment],
    experiments: Iterable[Experiment],
    rates: ClickRates,
    now: datetime,
    limits: GuardParams,
) -> ClickRateComparison | None:
    """Compare the bundle that serves with the one before it, in its first `window_days`.

    None when there is nothing to compare: the one that serves came by a rollback, it is the same bundle, or
    its first days are over.

    Args:
        bundles: the deployment before, and the one that serves.
        experiments: the latest first; the first one that shows both bundles is used.
        rates: reads click rates.
        now: when this is asked.
        limits: of the guard.
    """
    before, serving = bundles
    since, window = serving.deployed_at, timedelta(days=limits.window_days)
    if serving.reason.startswith(ROLLBACK):
        return None
    if serving.bundle_id == before.bundle_id or now > since + window:
        return None
    start = max(before.deployed_at, since - window)
    old = rates(before.bundle_id, start, since, clicks_until=now)
    new = rates(serving.bundle_id, since, now, clicks_until=now)
    weeks = _earlier_weeks(rates, (start, since, now), limits)
    arms = _arms_of_both(rates, experiments, (before.bundle_id, serving.bundle_id), (since, now), limits)
    change = measure_change((old, new), weeks, arms, limits)
    found = judge_change(change, limits)
    return ClickRateComparison(
        bundle_id=serving.bundle_id,
        against_id=before.bundle_id,
        new=change.new,
        old=change.old,
        weeks=change.weeks,
        side_by_side=change.side_by_side,
        change=found,
        worse=found.high < log(1 - limits.min_relative_drop),
        detectable_drop=detectable_drop(change.variance, limits),
    )


def measure_change(
    days: tuple[Rate, Rate], weeks: Sequence[Week], arms: tuple[Rate, Rate] | None, limits: GuardParams
) -> Change:
    """The more precise of the two comparisons.

    Args:
        days: the old bundle's rate and the new one's, on their days.
        weeks: the same of all that was shown in their hours, in earlier weeks.
        arms: the two rates side by side; None where nothing showed both.
        limits: of the guard.
    """
    between_days = _change_between_days(*days, weeks, limits)
    if arms is None:
        return between_days
    side_by_side = Change(*arms, *_log_ratio(*arms), side_by_side=True)
    return side_by_side if side_by_side.variance <= between_days.variance else between_days


def detectable_drop(variance: float, limits: GuardParams) -> float:
    """The smallest relative drop that leads to a rollback in 80 % of looks, 0 to 1.

    Args:
        variance: of the logarithm of new over old.
        limits: of the guard.
    """
    if variance == inf:
        return 1.0
    margin = -log(1 - limits.min_relative_drop)
    return 1 - exp(-smallest_found(variance, alpha=limits.alpha, scale=limits.effect_scale, margin=margin))


def _change_between_days(old: Rate, new: Rate, weeks: Sequence[Week], limits: GuardParams) -> Change:
    if min(old.users, new.users) < limits.min_users:
        return Change(old, new, 0.0, inf, len(weeks))
    value, users = _log_ratio(old, new)
    days = limits.unmatched_spread**2
    if weeks:
        usual, noise = zip(*(_log_ratio(*week) for week in weeks), strict=True)
        # What weeks differ by, less what their users' chance explains: the days' own variance.
        beyond = variance(usual) - fmean(noise) if len(weeks) > 1 else 0.0
        value -= fmean(usual)
        users += fmean(noise) / len(weeks)
        # 1 / weeks: the mean that is subtracted has an error of its own.
        days = max(limits.day_spread**2, beyond) * (1 + 1 / len(weeks))
    return Change(old, new, value, users + days, len(weeks))


def judge_change(change: Change, limits: GuardParams) -> Difference:
    """The change with an interval that holds at every look; without enough users it says nothing."""
    if change.variance == inf:
        return Difference(0.0, -10.0, 10.0, 1.0, "undecided")
    return always_valid(change.value, change.variance, alpha=limits.alpha, scale=limits.effect_scale)


def _earlier_weeks(
    rates: ClickRates, moments: tuple[datetime, datetime, datetime], limits: GuardParams
) -> list[Week]:
    """Rates of all that was shown in the two bundles' hours, in each earlier week that had the users.

    Args:
        moments: when the old bundle's time began, when the new one's did, and now.
    """
    found = []
    for number in range(1, limits.weeks + 1):
        start, since, now = (moment - number * _WEEK for moment in moments)
        week = (
            rates(None, start, since, clicks_until=now),
            rates(None, since, now, clicks_until=now),
        )
        if min(rate.users for rate in week) >= limits.min_users:
            found.append(week)
    return found


def _arms_of_both(
    rates: ClickRates,
    experiments: Iterable[Experiment],
    bundles: tuple[str, str],
    moments: tuple[datetime, datetime],
    limits: GuardParams,
) -> tuple[Rate, Rate] | None:
    """What the arms of one experiment showed of both bundles, side by side; None without enough users.

    Args:
        bundles: the old one and the new one.
        moments: when the new one began to serve, and now.
    """
    since, now = moments
    for experiment in experiments:
        if experiment.over(now) <= since or bundles[0] not in {arm.bundle_id for arm in experiment.arms}:
            continue
        old, new = (
            rates(name, since, now, clicks_until=now, experiment_id=experiment.experiment_id)
            for name in bundles
        )
        if min(old.users, new.users) >= limits.min_users:
            return old, new
    return None


def _log_ratio(old: Rate, new: Rate) -> tuple[float, float]:
    """Logarithm of new / old and its variance (delta method), half a click added to each."""
    logs, variances = [], []
    for rate in (old, new):
        smooth = (rate.clicked + 0.5) / (rate.shown + 1)
        logs.append(log(smooth))
        # Delta method: var(log x) is var(x) / x².
        variances.append(rate.variance / smooth**2)
    return logs[1] - logs[0], sum(variances)
