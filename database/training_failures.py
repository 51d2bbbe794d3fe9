"""Steps of the training that failed, with the reason: what an operator asks the morning after."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import orjson
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import Json

_LAST = """
    select outcome, reason, details::text, ended_at from (
        (select 'failed' as outcome, 'step ' || step || ': ' || reason as reason, details,
            failed_at as ended_at from training_failures order by failure_id desc limit 1)
        union all
        (select case when accepted then 'accepted' else 'refused' end,
            array_to_string(array(select jsonb_array_elements_text(report -> 'reasons')), '; '),
            jsonb_build_object('bundle', bundle_id, 'reasons', report -> 'reasons'),
            decided_at from gate_decisions order by gate_decision_id desc limit 1)
    ) ended order by ended_at desc limit 1
"""


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    """How the last training ended that came to a decision or failed."""

    outcome: str
    """accepted, refused (by the gate) or failed."""
    reason: str
    """Why it was refused or failed; for an accepted one what was overruled, or nothing."""
    details: dict[str, Any]
    """For a failed data check its findings, with the ids of offending rows; for the gate its reasons."""
    ended_at: datetime


def record_failure(conn: Connection, step: str, reason: str, details: Mapping[str, Any]) -> None:
    """Store that a step failed. The caller commits."""
    with conn.cursor() as cursor:
        cursor.execute(
            "insert into training_failures (step, reason, details) values (%s, %s, %s)",
            (step, reason, Json(dict(details))),
        )


def last_outcome(conn: Connection) -> TrainingOutcome | None:
    """How the last training ended; None before the first."""
    with conn.cursor() as cursor:
        cursor.execute(_LAST)
        return _outcome(cursor.fetchone())


async def fetch_last_outcome(conn: asyncpg.Connection) -> TrainingOutcome | None:
    """The same for the service."""
    record = await conn.fetchrow(_LAST)
    return _outcome(None if record is None else tuple(record))


def _outcome(row: tuple[Any, ...] | None) -> TrainingOutcome | None:
    if row is None:
        return None
    outcome, reason, details, ended_at = row
    return TrainingOutcome(outcome, reason or "", orjson.loads(details), ended_at)
