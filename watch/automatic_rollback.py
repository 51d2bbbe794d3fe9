"""Rolls back a bundle automatically if users click less on its lists than on those of the previous one."""

import logging
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial

from psycopg2.extensions import connection as Connection  # noqa: N812

from database import deployments
from database.connection import connect
from database.experiments import list_experiments
from database.monitoring import last_guard_rollback, record_guard_event
from database.online import Attribution
from database.rollback import InTransaction, OvertakenError
from database.settings import Settings
from experiments.reading import click_rate
from training.params.operating import GuardParams
from watch.bundle_comparison import ClickRateComparison, compare_bundles

logger = logging.getLogger(__name__)

RollBack = Callable[[Settings, str, str, InTransaction], object]
"""Takes back, for a reason, the bundle named; what else is given runs in the same transaction."""

_EXPERIMENTS = 100
"""Latest experiments that are looked through for one with both bundles."""


def compare_with_previous(
    conn: Connection, now: datetime, limits: GuardParams, clicks: Attribution
) -> ClickRateComparison | None:
    """Compare the bundle that serves with the one before it; None when there is nothing to compare."""
    serving, before = deployments.current(conn), deployments.previous(conn)
    if serving is None or before is None:
        return None
    rates = partial(click_rate, conn, attribution=clicks)
    return compare_bundles((before, serving), list_experiments(conn, _EXPERIMENTS), rates, now, limits)


def roll_back_if_worse(
    settings: Settings, limits: GuardParams, clicks: Attribution, now: datetime, roll_back: RollBack
) -> ClickRateComparison | None:
    """Compare, roll back when the new bundle is worse and the cooldown is over, and store the comparison.

    Another bundle that was deployed meanwhile stays. A rollback and its comparison are one transaction.
    """
    with connect(settings) as conn:
        found = compare_with_previous(conn, now, limits, clicks)
        last = last_guard_rollback(conn)
    if found is None:
        logger.info("No bundle is in its first days: nothing to compare.")
        return None
    cooling = last is not None and now - last < timedelta(hours=limits.cooldown_hours)
    if found.worse and not cooling:
        try:
            roll_back(
                settings, f"the guard: {found.reason}", found.bundle_id, _store(found, now, cooling, True)
            )
        except OvertakenError as overtaken:
            logger.warning("%s", overtaken)
        else:
            logger.warning("Rolled back: %s", found.reason)
        return found
    logger.info("%s%s", found.reason, " (worse, but within the cooldown)" if found.worse else "")
    with connect(settings) as conn:
        _store(found, now, cooling, False)(conn)
    return found


def _store(found: ClickRateComparison, now: datetime, cooling: bool, rolled_back: bool) -> InTransaction:
    def store(conn: Connection) -> None:
        record_guard_event(
            conn,
            found.bundle_id,
            found.against_id,
            found.change.verdict,
            asdict(found) | {"reason": found.reason, "resting": cooling},
            rolled_back=rolled_back,
            decided_at=now,
        )

    return store
