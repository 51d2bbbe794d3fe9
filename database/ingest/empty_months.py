"""Months that hold no event yet: filled in tables of their own, which get keys and indexes at their end.

To put each event into seven indexes that stand already takes several times as long as to build them once.
So a month (partition) without a row is filled beside the others, in one transaction, and takes the empty
one's place as its last act, which locks the events against everyone for tenths of a second. Whoever reads
them in an open transaction keeps that lock away; nobody waits behind it for long, and in the end the events
go the plain way, as they do where somebody wrote one of that month meanwhile.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from database.errors import DatabaseError
from database.event_changes import note_everybody_changed
from database.partitions import INTERACTIONS

LEAST = 20_000
"""Events of a month from which this is worth a lock."""
LOADING = "loading_interactions"
"""What the events are inserted into: it hands them on to the months, and is gone before these are swapped."""
_TRIES, _PATIENCE, _PAUSE = 10, "250ms", 0.5
"""How often the lock is tried, how long each time, and seconds in which others get their turn."""
_SPAN = "loading_span"

_WITH_EVENTS = """
select c.relname, pg_get_expr(c.relpartbound, c.oid), bounds::text, sum(e.events)::bigint
from pg_class parent join pg_inherits i on i.inhparent = parent.oid join pg_class c on c.oid = i.inhrelid
    cross join lateral partition_range(c.oid) as bounds
    join unnest(%(months)s::timestamptz[], %(counts)s::bigint[]) as e (month, events) on e.month <@ bounds
where parent.oid = to_regclass(%(table)s) and parent.relkind = 'p' and c.relkind = 'r' and c.relacl is null
    and starts_with(c.relname, %(prefix)s) and not i.inhdetachpending
    and (parent.relowner, c.relowner, c.relnamespace) = (
        select u.oid, u.oid, n.oid from pg_roles u, pg_namespace n
        where u.rolname = current_user and n.nspname = current_schema())
    and (c.relpersistence, c.relreplident, c.reltablespace, c.reloptions) is not distinct from
        ('p'::"char", 'd'::"char", 0::oid, null::text[])
    and not c.relrowsecurity and not c.relhasrules
    and not exists (select from pg_trigger 
        where tgrelid in (parent.oid, c.oid) and not tgisinternal
            and tgfoid is distinct from to_regproc('note_changed_events'))
    and not exists (
        select from pg_index x where x.indrelid = c.oid
        and not exists (select from pg_inherits where inhrelid = x.indexrelid))
    and current_setting('transaction_isolation') = 'read committed'
    and not exists (select from pg_publication)
    and not exists (
        select from pg_replication_slots where slot_type = 'logical' and database = current_database())
group by 1, 2, 3 having sum(e.events) >= %(least)s order by 1
"""
_KEYS = """
select pg_get_constraintdef(oid) from pg_constraint
where conrelid = %s::regclass and contype in ('p', 'u') order by conindid
"""
_INDEXES = """
select substring(pg_get_indexdef(indexrelid) from ' USING .*') from pg_index
where indrelid = %s::regclass and indexrelid not in (
    select conindid from pg_constraint where conrelid = indrelid) order by indexrelid
"""
_NAMES = "select indexrelid::regclass::text from pg_index where indrelid = %s::regclass"


class MonthTakenError(DatabaseError):
    """Somebody wrote an event of a month that was empty, or changed or dropped the month."""


@dataclass(frozen=True)
class Month:
    """A partition without a row. `span` is its tstzrange and `bound` the same in the words of its table."""

    table: str
    bound: str
    span: str
    events: int

    @property
    def loading(self) -> str:
        """The table in which it is filled."""
        return self.table.replace(INTERACTIONS.table, "loading", 1)


def empty_months(conn: Connection, events: Mapping[datetime, int]) -> list[Month]:
    """The empty partitions that will get at least LEAST events; none in a hypertable.

    Only those that are as they were made, and the role's own: what an operator set on a partition, its index
    or trigger, would be gone with it. None where a trigger sees each event, and none where a subscriber does,
    to whom the rows would come from a table that it does not know. None where a transaction keeps to its
    first snapshot: it would not see who wrote one of the month before the lock was there.

    Args:
        conn: a connection.
        events: how many events will come, by the first moment of their month.
    """
    with conn.cursor() as cursor:
        values = {"months": list(events), "counts": list(events.values()), "least": LEAST}
        cursor.execute(
            _WITH_EVENTS, {**values, "table": INTERACTIONS.table, "prefix": f"{INTERACTIONS.table}_"}
        )
        return [month for month in (Month(*row) for row in cursor.fetchall()) if _empty(cursor, month)]


def make_loading(conn: Connection, months: Sequence[Month]) -> None:
    """Make LOADING with a table for each month, without keys and indexes."""
    with conn.cursor() as cursor:
        cursor.execute(
            f"""create table {LOADING} (like {INTERACTIONS.table} including defaults including constraints
                including generated including storage) partition by range ({INTERACTIONS.moment})"""
        )
        for month in months:
            _do(cursor, f"create table {{}} partition of {LOADING} {{}}", month.loading, sql.SQL(month.bound))


def build_keys(conn: Connection, months: Sequence[Month]) -> None:
    """Give each month the keys and indexes of the events, and what shows that no row is of another month.

    Raises psycopg2.errors.UniqueViolation for a key that stands twice.
    """
    with conn.cursor() as cursor:
        keys, indexes = (_texts(cursor, query, INTERACTIONS.table) for query in (_KEYS, _INDEXES))
        for month in months:
            (span,) = _texts(cursor, "select pg_get_partition_constraintdef(%s::regclass)", month.loading)
            _do(cursor, f"alter table {LOADING} detach partition {{}}", month.loading)
            _do(cursor, f"alter table {{}} add constraint {_SPAN} check ({{}})", month.loading, sql.SQL(span))
            for key in keys:
                _do(cursor, "alter table {} add {}", month.loading, sql.SQL(key))
            for index in indexes:
                _do(cursor, "create index on {} {}", month.loading, sql.SQL(index))
        cursor.execute(f"drop table {LOADING}")


def take_place(conn: Connection, months: Sequence[Month]) -> None:
    """Put the filled months in the place of the empty ones; nobody reads or writes events until the commit.

    Raises psycopg2.errors.LockNotAvailable after some seconds in which others read them all the time, and
    MonthTakenError for a month that is no longer empty.
    """
    if not months:
        return
    with conn.cursor() as cursor:
        _lock(cursor, [INTERACTIONS.table, *(month.table for month in months)])
        for month in months:
            cursor.execute(
                """select pg_get_expr(c.relpartbound, c.oid) = %s from pg_inherits i
                    join pg_class c on c.oid = i.inhrelid and not i.inhdetachpending
                where i.inhparent = %s::regclass and i.inhrelid = to_regclass(%s)""",
                (month.bound, INTERACTIONS.table, month.table),
            )
            if cursor.fetchone() != (True,) or not _empty(cursor, month):
                raise MonthTakenError(f"{month.table} is no longer empty")
            _swap(cursor, month)
    note_everybody_changed(conn)


def _swap(cursor: Cursor, month: Month) -> None:
    parent = INTERACTIONS.table
    _do(cursor, f"alter table {parent} detach partition {{}}", month.table)
    _do(cursor, "drop table {}", month.table)
    for name in _texts(cursor, _NAMES, month.loading):
        if name.startswith(month.loading):
            _do(cursor, "alter index {} rename to {}", name, name.replace(month.loading, month.table, 1))
    _do(cursor, "alter table {} rename to {}", month.loading, month.table)
    _do(cursor, f"alter table {parent} attach partition {{}} {{}}", month.table, sql.SQL(month.bound))
    _do(cursor, f"alter table {{}} drop constraint {_SPAN}", month.table)


def _lock(cursor: Cursor, tables: Sequence[str]) -> None:
    names = sql.SQL(", ").join(sql.SQL("only {}").format(sql.Identifier(name)) for name in tables)
    cursor.execute("select set_config('lock_timeout', %s, true)", (_PATIENCE,))
    for left in reversed(range(_TRIES)):
        cursor.execute("savepoint before_lock")
        try:
            cursor.execute(sql.SQL("lock table {} in access exclusive mode").format(names))
        except errors.LockNotAvailable:
            if not left:
                raise
            cursor.execute("rollback to savepoint before_lock")
            time.sleep(_PAUSE)
        else:
            return


def _empty(cursor: Cursor, month: Month) -> bool:
    cursor.execute(sql.SQL("select not exists (select from only {})").format(sql.Identifier(month.table)))
    return bool(cursor.fetchall()[0][0])


def _texts(cursor: Cursor, query: str, table: str) -> list[str]:
    cursor.execute(query, (table,))
    return [text for (text,) in cursor.fetchall()]


def _do(cursor: Cursor, statement: str, *parts: str | sql.SQL) -> None:
    """Execute a statement about things of these names; what is no name stands in it as it is."""
    named = (part if isinstance(part, sql.SQL) else sql.Identifier(part) for part in parts)
    cursor.execute(sql.SQL(statement).format(*named))
