"""What the platform found when it watched itself: drift, the guard's decisions, how fresh things are."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import Json


@dataclass(frozen=True, slots=True)
class GuardEvent:
    """One look of the guard at the bundle that serves."""

    guard_event_id: int
    bundle_id: str
    against_id: str
    verdict: str
    rolled_back: bool
    report: dict[str, Any]
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class DriftReport:
    """One comparison of the database with the snapshot in service."""

    drift_report_id: int
    bundle_id: str
    drifted: bool
    triggered: bool
    """Whether it started a training."""
    report: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Freshness:
    """When things last happened; None when they never did."""

    bundle_id: str | None
    deployed_at: datetime | None
    bundle_data_at: datetime | None
    """`created_at` of the bundle's manifest: the time of the data it was learned from."""
    trending_at: datetime | None
    interaction_at: datetime | None
    """When the latest interaction was recorded."""
    catalogue_seq: int


def record_guard_event(
    conn: Connection,
    bundle_id: str,
    against_id: str,
    verdict: str,
    report: Mapping[str, Any],
    *,
    rolled_back: bool,
    decided_at: datetime,
) -> None:
    """Store a look of the guard. The caller commits."""
    with conn.cursor() as cursor:
        cursor.execute(
            """insert into guard_events (bundle_id, against_id, verdict, rolled_back, report, decided_at)
            values (%s, %s, %s, %s, %s, %s)""",
            (bundle_id, against_id, verdict, rolled_back, Json(dict(report)), decided_at),
        )


def guard_events(conn: Connection, limit: int) -> list[GuardEvent]:
    """The guard's last looks, newest first."""
    with conn.cursor() as cursor:
        cursor.execute(
            """select guard_event_id, bundle_id, against_id, verdict, rolled_back, report, decided_at
            from guard_events order by guard_event_id desc limit %s""",
            (limit,),
        )
        return [GuardEvent(*row) for row in cursor.fetchall()]


def last_guard_rollback(conn: Connection) -> datetime | None:
    """When the guard last took a bundle out of service."""
    return _moment(conn, "select max(decided_at) from guard_events where rolled_back")


def record_drift(
    conn: Connection, bundle_id: str, drifted: bool, report: Mapping[str, Any], created_at: datetime
) -> int:
    """Store a drift report; returns its number. The caller commits."""
    with conn.cursor() as cursor:
        cursor.execute(
            """insert into drift_reports (bundle_id, drifted, triggered, report, created_at)
            values (%s, %s, false, %s, %s) returning drift_report_id""",
            (bundle_id, drifted, Json(dict(report)), created_at),
        )
        row = cursor.fetchone()
    if row is None:
        raise LookupError(bundle_id)
    return int(row[0])


def mark_triggered(conn: Connection) -> None:
    """The newest drift report has started a training. The caller commits."""
    with conn.cursor() as cursor:
        cursor.execute(
            """update drift_reports set triggered = true
            where drift_report_id = (select max(drift_report_id) from drift_reports) and drifted"""
        )


def drift_reports(conn: Connection, limit: int) -> list[DriftReport]:
    """The last drift reports, newest first."""
    with conn.cursor() as cursor:
        cursor.execute(
            """select drift_report_id, bundle_id, drifted, triggered, report, created_at
            from drift_reports order by drift_report_id desc limit %s""",
            (limit,),
        )
        return [DriftReport(*row) for row in cursor.fetchall()]


def last_trigger(conn: Connection) -> datetime | None:
    """When drift last started a training."""
    return _moment(conn, "select max(created_at) from drift_reports where triggered")


def delete_reports_before(conn: Connection, first_kept: datetime) -> int:
    """Delete drift reports and guard events older than a moment; returns how many. The caller commits."""
    with conn.cursor() as cursor:
        cursor.execute("delete from drift_reports where created_at < %s", (first_kept,))
        deleted = cursor.rowcount
        cursor.execute("delete from guard_events where decided_at < %s", (first_kept,))
        return deleted + cursor.rowcount


def read_freshness(conn: Connection) -> Freshness:
    """How fresh everything is."""
    with conn.cursor() as cursor:
        cursor.execute(
            """select d.bundle_id, d.deployed_at, (d.manifest ->> 'created_at')::timestamptz,
                (select max(computed_at) from trending_scores), (select max(recorded_at) from interactions),
                s.catalogue_seq
            from change_state s left join deployments d using (deployment_id)"""
        )
        return Freshness(*cursor.fetchall()[0])


def _moment(conn: Connection, query: str) -> datetime | None:
    with conn.cursor() as cursor:
        cursor.execute(query)
        row = cursor.fetchone()
    return None if row is None else row[0]
