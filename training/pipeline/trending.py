"""The hourly step: trending scores by the params' weights and decay."""

import logging
from datetime import UTC, datetime

from psycopg2.extensions import connection as Connection  # noqa: N812

from database.connection import connect
from database.settings import get_settings
from database.trending import compute_trending
from training.data.workspace import open_workspace
from training.params import Params, load_params

logger = logging.getLogger(__name__)


def refresh_trending(now: datetime | None = None) -> int:
    """Recompute the trending scores as of `now`, or the present; returns how many items have one."""
    settings = get_settings()
    params = load_params(open_workspace(settings).params_file)
    with connect(settings) as conn:
        scored = score_trending(conn, now or datetime.now(UTC), params)
    logger.info("%d items scored.", scored)
    return scored


def score_trending(conn: Connection, now: datetime, params: Params) -> int:
    """`compute_trending` with the params' weights and decay; the caller commits."""
    return compute_trending(
        conn,
        now,
        decay_rate=params.trending.decay_rate,
        step_hours=params.trending.step_hours,
        window_days=params.trending.window_days,
        weights=params.interactions.weights.model_dump(),
        neutral_stars=params.interactions.neutral_stars,
    )
