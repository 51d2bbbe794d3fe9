"""The hourly step: trending scores by the params' weights and decay, and room for next month's events."""

import logging
from datetime import UTC, datetime, timedelta

from database.connection import connect
from database.interactions import ensure_partitions_sync
from database.settings import get_settings
from database.trending import compute_trending
from training.data.workspace import open_workspace
from training.params import load_params

logger = logging.getLogger(__name__)

AHEAD = timedelta(days=31)
"""How far ahead the monthly partitions of interactions are made."""


def refresh_trending(now: datetime | None = None) -> int:
    """Recompute the trending scores as of `now`, or the present; returns how many items have one.

    Before that the months up to AHEAD get their partitions, so that no event lands in the default one.
    """
    now = now or datetime.now(UTC)
    settings = get_settings()
    params = load_params(open_workspace(settings).params_file)
    with connect(settings) as conn:
        made = ensure_partitions_sync(conn, now, now + AHEAD)
        conn.commit()
        scored = compute_trending(
            conn,
            now,
            decay_rate=params.trending.decay_rate,
            step_hours=params.trending.step_hours,
            window_days=params.trending.window_days,
            weights=params.interactions.weights.model_dump(),
            neutral_stars=params.interactions.neutral_stars,
        )
    logger.info("%d items have a trending score; %d partitions made.", scored, made)
    return scored
