"""Takes a bundle back by itself when users click less on its lists than on those of the one before.

The two bundles' impressions are of different days unless an experiment shows both, so a change of the
season counts too: hence a long window, a smallest drop that matters, and a bound that holds at every look.
"""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from psycopg2.extensions import connection as Connection  # noqa: N812

from database import deployments
from database.connection import connect
from database.online import Attribution, bundle_rates
from database.rates import Difference, Rate, compare
from database.rollback import ROLLBACK
from database.settings import Settings
from database.watch import last_guard_rollback, record_guard_event
from training.params import ExperimentsParams, Params

logger = logging.getLogger(__name__)

RollBack = Callable[[Settings, str], object]
_NOTHING = Rate(0, 0, 0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Judgement:
    """What the guard saw."""

    bundle_id: str
    against_id: str
    new: Rate
    old: Rate
    difference: Difference
    worse: bool
    """Below the old bundle's rate by the smallest drop that matters, at the least."""

    @property
    def reason(self) -> str:
        """In words."""
        d = self.difference
        return (
            f"click rate {self.new.value:.4f} of bundle {self.bundle_id} against {self.old.value:.4f} of "
            f"{self.against_id}: {d.value:+.4f} [{d.low:+.4f}, {d.high:+.4f}]"
        )


def attribution_of(params: ExperimentsParams) -> Attribution:
    """What a click is, from the params."""
    return Attribution(params.click_events, timedelta(minutes=params.attribution_minutes))


def judge(conn: Connection, now: datetime, params: Params) -> Judgement | None:
    """Compare the bundle that serves with the one before it.

    None when there is nothing to judge: no earlier bundle, or the one that serves came by a rollback.
    """
    serving, before = deployments.current(conn), deployments.previous(conn)
    if serving is None or before is None or serving.reason.startswith(ROLLBACK):
        return None
    if serving.bundle_id == before.bundle_id:
        return None
    clicks, limits = attribution_of(params.experiments), params.guard
    since = serving.deployed_at
    window = timedelta(days=limits.window_days)
    new = bundle_rates(conn, [serving.bundle_id], since, now, clicks).get(serving.bundle_id, _NOTHING)
    old = bundle_rates(conn, [before.bundle_id], since - window, now, clicks).get(before.bundle_id, _NOTHING)
    scale = params.experiments.effect_scale
    difference = compare(old, new, alpha=limits.alpha, scale=scale, min_users=limits.min_users)
    worse = difference.high < -limits.min_relative_drop * old.value
    return Judgement(serving.bundle_id, before.bundle_id, new, old, difference, worse)


def watch_bundle(settings: Settings, params: Params, now: datetime, roll_back: RollBack) -> Judgement | None:
    """Judge, roll back when the new bundle is worse and the cooldown is over, and store what was seen."""
    with connect(settings) as conn:
        seen = judge(conn, now, params)
        last = last_guard_rollback(conn)
    if seen is None:
        logger.info("The guard has nothing to judge.")
        return None
    resting = last is not None and now - last < timedelta(hours=params.guard.cooldown_hours)
    act = seen.worse and not resting
    if act:
        roll_back(settings, f"the guard: {seen.reason}")
        logger.warning("Rolled back: %s", seen.reason)
    else:
        logger.info("%s%s", seen.reason, " (worse, but the guard rests)" if seen.worse else "")
    with connect(settings) as conn:
        record_guard_event(
            conn,
            seen.bundle_id,
            seen.against_id,
            seen.difference.verdict,
            asdict(seen) | {"reason": seen.reason, "resting": resting},
            rolled_back=act,
            decided_at=now,
        )
    return seen
