"""What the gate decided about each challenger, with its numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import Json


@dataclass(frozen=True, slots=True)
class GateDecision:
    """One decision; `champion_id` is None when there was no champion to compare with."""

    gate_decision_id: int
    bundle_id: str
    champion_id: str | None
    accepted: bool
    report: dict[str, Any]
    decided_at: datetime


def record_decision(
    conn: Connection, bundle_id: str, champion_id: str | None, accepted: bool, report: Mapping[str, Any]
) -> int:
    """Store a decision; returns its number. The caller commits."""
    with conn.cursor() as cursor:
        cursor.execute(
            """insert into gate_decisions (bundle_id, champion_id, accepted, report)
            values (%s, %s, %s, %s) returning gate_decision_id""",
            (bundle_id, champion_id, accepted, Json(dict(report))),
        )
        row = cursor.fetchone()
    if row is None:
        raise LookupError(bundle_id)
    return int(row[0])


def decisions(conn: Connection, limit: int, bundle_id: str | None = None) -> list[GateDecision]:
    """The last decisions, newest first; of one bundle when it is given."""
    with conn.cursor() as cursor:
        cursor.execute(
            """select gate_decision_id, bundle_id, champion_id, accepted, report, decided_at
            from gate_decisions where %(bundle)s::text is null or bundle_id = %(bundle)s
            order by gate_decision_id desc limit %(limit)s""",
            {"bundle": bundle_id, "limit": limit},
        )
        return [GateDecision(*row) for row in cursor.fetchall()]
