"""Partitions by time: made ahead and dropped while others read and write.

A partition is a table made apart and attached, which needs no lock that a reader or writer holds; it is
dropped after it was detached concurrently. Both only work without a default partition. So the first
partition reaches back without end, the last one begins in 2100, and months (days of impressions) are made
far ahead: a job that fails for a week harms nobody. What is dated still further ahead has its partition made
when it is written.
"""

import logging
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import asyncpg
import psycopg2
from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.event_changes import note_everybody_changed
from database.locks import DDL_TIMEOUT

logger = logging.getLogger(__name__)

_ENSURE = "select ensure_partitions({}::text::regclass, {}, {}, {})"
_TO_DROP = "to be dropped by the retention"
"""Comment on a partition that is being detached: what an interrupted run left is found by it."""
_PATIENCE = "30s"
"""How long the detaching of a partition waits for transactions that read it; nobody waits behind it."""


@dataclass(frozen=True, slots=True)
class Partitioned:
    """A table partitioned by `moment`, one partition each `grain` ("month" or "day"), UTC."""

    table: str
    moment: str
    grain: str
    ahead: timedelta


INTERACTIONS = Partitioned("interactions", "occurred_at", "month", timedelta(days=183))
IMPRESSIONS = Partitioned("impression_lists", "shown_at", "day", timedelta(days=30))


def make_ahead(conn: Connection, now: datetime) -> int:
    """Make every partition that will be needed in the coming time; returns how many it made. Commits.

    Raises psycopg2.errors.LockNotAvailable when another change of the schema is under way.
    """
    made = 0
    for table in (INTERACTIONS, IMPRESSIONS):
        made += ensure_partitions(conn, table, now, now + table.ahead)
        conn.commit()
    return made


def ensure_partitions(conn: Connection, table: Partitioned, start: datetime, end: datetime) -> int:
    """Make the partitions that hold `start` to `end` (inclusive, UTC) and are missing; returns how many.

    The caller commits, soon: other makers of partitions wait. A hypertable needs none.
    """
    with conn.cursor() as cursor:
        cursor.execute(_ENSURE.format("%s", "%s", "%s", "%s"), (table.table, table.grain, start, end))
        row = cursor.fetchone()
    return 0 if row is None else int(row[0])


async def ensure_partitions_async(
    conn: asyncpg.Connection, table: Partitioned, start: datetime, end: datetime
) -> int:
    """The same on an asyncpg connection."""
    query = _ENSURE.format("$1", "$2", "$3", "$4")
    made: int = await conn.fetchval(query, table.table, table.grain, start, end)
    return made


def is_missing(error: asyncpg.PostgresError) -> bool:
    """Whether a row was refused because no partition holds its moment."""
    return isinstance(error, asyncpg.CheckViolationError) and "no partition of relation" in str(error)


def drop_partitions_before(dsn: str, table: Partitioned, first_kept: date) -> list[str]:
    """Drop the partitions all of whose rows are older than the day `first_kept` (UTC), and delete what is
    older in the first one. Returns the names dropped.

    A partition that a transaction still reads after `_PATIENCE` is left for the next time, and so found. A
    hypertable has no partitions here and keeps all.
    """
    conn = psycopg2.connect(dsn)
    conn.autocommit = True  # a concurrent change can't stand in a transaction
    try:
        with conn.cursor() as cursor:
            cursor.execute("select set_config('lock_timeout', %s, false)", (_PATIENCE,))
            for name, pending in _older(conn, table, first_kept):
                if not _detach(conn, table.table, name, pending=pending):
                    break  # of one table a single partition may be on its way out
            cursor.execute("select set_config('lock_timeout', %s, false)", (DDL_TIMEOUT,))
            dropped = [name for name in _detached(conn, table) if _drop(conn, name)]
            cursor.execute("select to_regclass(%s) is not null", (f"{table.table}_before",))
            if cursor.fetchone() == (True,):
                cursor.execute(
                    f"delete from {table.table}_before"
                    f" where {table.moment} < %s::timestamp at time zone 'UTC'",
                    (first_kept,),
                )
        note_everybody_changed(conn)
    finally:
        conn.close()
    return dropped


def _older(conn: Connection, table: Partitioned, first_kept: date) -> list[tuple[str, bool]]:
    """Partitions that end before a day, but not the first; first the one whose detaching was begun."""
    with conn.cursor() as cursor:
        cursor.execute(
            """select c.relname, i.inhdetachpending from pg_inherits i
                join pg_class c on c.oid = i.inhrelid
                cross join lateral partition_range(c.oid) as bounds
            where i.inhparent = to_regclass(%s) and lower(bounds) is not null
                and upper(bounds) <= %s::timestamp at time zone 'UTC'
            order by i.inhdetachpending desc, lower(bounds)""",
            (table.table, first_kept),
        )
        return cursor.fetchall()


def _detach(conn: Connection, table: str, name: str, *, pending: bool) -> bool:
    names = sql.Identifier(table), sql.Identifier(name)
    how = sql.SQL("finalize" if pending else "concurrently")
    with conn.cursor() as cursor:
        try:
            cursor.execute(sql.SQL("comment on table {} is {}").format(names[1], sql.Literal(_TO_DROP)))
            cursor.execute(sql.SQL("alter table {} detach partition {} {}").format(*names, how))
        except (errors.LockNotAvailable, errors.ObjectNotInPrerequisiteState) as error:
            logger.warning("%s is dropped the next time, a long transaction reads it: %s", name, error)
            return False
    return True


def _detached(conn: Connection, table: Partitioned) -> list[str]:
    """What this run and interrupted ones have detached."""
    with conn.cursor() as cursor:
        cursor.execute(
            """select relname from pg_class where relkind = 'r' and not relispartition
                and starts_with(relname, %s) and obj_description(oid, 'pg_class') = %s order by relname""",
            (f"{table.table}_", _TO_DROP),
        )
        return [str(row[0]) for row in cursor.fetchall()]


def _drop(conn: Connection, name: str) -> bool:
    with conn.cursor() as cursor:
        try:
            cursor.execute(sql.SQL("drop table {}").format(sql.Identifier(name)))
        except errors.LockNotAvailable:
            logger.warning("A long transaction reads %s: it is dropped the next time.", name)
            return False
    return True
