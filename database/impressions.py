"""Impressions: the lists that the service showed, or computed for a shadow arm, partitioned by day.

A row is a list: its items in their order, and how likely each was to stand there. The view `impressions`
has a row for each item.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import asyncpg
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

_COLUMNS = (
    "request_id",
    "experiment_id",
    "arm",
    "shown",
    "endpoint",
    "user_id",
    "item_ids",
    "propensities",
    "bundle_id",
    "shown_at",
)


@dataclass(frozen=True, slots=True)
class ImpressionRow:
    """One list. `endpoint` tells a request's lists apart (`home.trending`); a shadow arm's is not `shown`."""

    request_id: str
    endpoint: str
    user_id: str | None
    item_ids: tuple[str, ...]
    propensities: tuple[float, ...]
    """Of each item, to stand at its position under the policy that made the list; 1 without exploration."""
    bundle_id: str
    shown_at: datetime
    experiment_id: str | None = None
    arm: str | None = None
    shown: bool = True


async def write_impressions(conn: asyncpg.Connection, rows: Sequence[ImpressionRow]) -> None:
    """Append lists by one COPY: all of them or none."""
    records = [tuple(getattr(row, column) for column in _COLUMNS) for row in rows]
    await conn.copy_records_to_table("impression_lists", records=records, columns=_COLUMNS)


def ensure_impression_partitions(conn: Connection, start: datetime, end: datetime) -> int:
    """Make the daily partitions that hold `start` to `end` (inclusive, UTC); returns how many it made.

    The caller commits, soon: it locks the default partition.
    """
    with conn.cursor() as cursor:
        cursor.execute("select ensure_impression_partitions(%s, %s)", (start, end))
        row = cursor.fetchone()
    return 0 if row is None else int(row[0])


def drop_partitions_before(conn: Connection, table: str, first_kept: date) -> list[str]:
    """Drop the partitions of `table` all of whose rows are older than the day `first_kept` (UTC), and what is
    older in the default one. Returns the names dropped. The caller commits.

    `table` is "impression_lists" or "interactions"; a hypertable has no partitions here and keeps all.
    """
    moment = {"impression_lists": "shown_at", "interactions": "occurred_at"}[table]
    with conn.cursor() as cursor:
        cursor.execute(
            """select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
            where i.inhparent = %s::regclass
                and substring(pg_get_expr(c.relpartbound, c.oid) from $re$TO \\('([^']+)'\\)$re$)::timestamptz
                    <= %s::timestamp at time zone 'UTC'
            order by c.relname""",
            (table, first_kept),
        )
        names = [str(row[0]) for row in cursor.fetchall()]
        for name in names:
            cursor.execute(sql.SQL("drop table {}").format(sql.Identifier(name)))
        cursor.execute("select to_regclass(%s) is not null", (f"{table}_default",))
        if cursor.fetchone() == (True,):
            cursor.execute(
                f"delete from {table}_default where {moment} < %s::timestamp at time zone 'UTC'",
                (first_kept,),
            )
    return names
