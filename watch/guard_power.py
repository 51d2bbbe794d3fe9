"""What the guard would find in this shop, by the traffic of its last days: before any bundle is worse."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf

from psycopg2.extensions import connection as Connection  # noqa: N812

from experiments.reading import click_rate
from experiments.statistics import Rate
from training.params import Params
from training.params.operating import GuardParams
from watch.bundle_comparison import detectable_drop


@dataclass(frozen=True)
class GuardPower:
    """The smallest relative drops of the click rate that lead to a rollback in 80 % of looks, 0 to 1."""

    users: int
    """Who were shown lists in `holdback_days`."""
    held: int
    """How many of them a holdback keeps on the previous bundle; 0: too few for one, or it is off."""
    holdback: float | None
    """At the end of the holdback; None without one."""
    days: float
    """Between days, with all the earlier weeks."""
    first_week: float
    """Between days, while there is no earlier week."""


def guard_power(recent: Rate, limits: GuardParams) -> GuardPower:
    """The power for a shop with the traffic of its last `holdback_days`.

    Args:
        recent: click rate of all that was shown in these days.
        limits: of the guard.
    """
    held = round(limits.holdback_share * recent.users)
    if held < limits.min_users:
        held = 0
    if recent.users < limits.min_users or recent.clicked == 0:
        return GuardPower(recent.users, 0, None, 1.0, 1.0)
    # Variance of the rate's logarithm for one user (delta method): it falls as 1 / users.
    per_user = recent.variance * recent.users / recent.value**2
    a_day = recent.users / limits.holdback_days
    between = per_user / a_day + per_user / recent.users
    share = 1 + 1 / limits.weeks
    arms = per_user / held + per_user / (recent.users - held) if held else inf
    return GuardPower(
        users=recent.users,
        held=held,
        holdback=detectable_drop(arms, limits) if held else None,
        days=detectable_drop((between + limits.day_spread**2) * share, limits),
        first_week=detectable_drop(between + limits.unmatched_spread**2, limits),
    )


def power_of_shop(conn: Connection, params: Params, now: datetime) -> GuardPower:
    """The power by what all bundles showed in the `holdback_days` before `now`."""
    since = now - timedelta(days=params.guard.holdback_days)
    recent = click_rate(conn, None, since, now, params.experiments.attribution(), clicks_until=now)
    return guard_power(recent, params.guard)
