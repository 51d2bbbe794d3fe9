"""Months that hold no event yet: filled in tables of their own, which get keys and indexes at their end.

To put each event into seven indexes that stand already takes several times as long as to build them once.
So a month (partition) without a row is filled beside the others while the file is read; its indexes are built
(`month_keys`) while items and users are written, and it takes the empty one's place as the last act, which
locks the events against everyone for tenths of a second. Until then nobody reads it. Whoever reads the events
in an open transaction keeps that lock away; nobody waits behind it for long, and in the end the events go the
plain way, as they do where somebody wrote one of that month meanwhile.
"""

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg2
from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from database.errors import DatabaseError
from database.event_changes import note_everybody_changed
from database.ingest.event_rows import NAMES
from database.locks import DDL_TIMEOUT
from database.partitions import INTERACTIONS

logger = logging.getLogger(__name__)

LEAST = 20_000
"""Events of a month from which this is worth a lock."""
LOADING = "loading_interactions"
"""What the events are inserted into: it hands them on to the months, and is gone before these are swapped."""
_TRIES, _PATIENCE, _PAUSE = 10, "250ms", 0.5
"""How often the lock is tried, how long each time, and seconds in which others get their turn."""
SPAN = "loading_span"
_OURS = "months that an ingestion fills, with the temporary table "
"""Comment on LOADING, and the number of a table that only this run has: what a killed one left is found by
it, and never filled on."""
_MOVE = f"""
with moved as (
    delete from staged_interactions s
    where exists (select from unnest(%(spans)s::tstzrange[]) span where s.occurred_at <@ span) returning *)
insert into {LOADING} ({NAMES}) select {NAMES} from moved
"""
_RUN = "'pg_temp.staged_interactions'::regclass::oid::text"

_WITH_EVENTS = """
select c.relname, pg_get_expr(c.relpartbound, c.oid), bounds::text, sum(e.events)::bigint, 
    array_agg(e.month)
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
_BUILT = "select indexrelid::regclass::text from pg_index where indrelid = %s::regclass"


class MonthTakenError(DatabaseError):
    """Somebody wrote an event of a month that was empty, or changed or dropped the month."""


IN_THE_WAY = (
    MonthTakenError,
    errors.LockNotAvailable,
    errors.DeadlockDetected,
    errors.OutOfMemory,
    psycopg2.IntegrityError,
    psycopg2.InternalError,
    psycopg2.NotSupportedError,
    psycopg2.ProgrammingError,
)
"""What keeps an empty month from being filled apart: readers, writers, an operator's view or constraint, a
table of that name, what the role may not do, too many locks. The plain way raises what is wrong with both."""


@dataclass(frozen=True)
class Month:
    """A partition without a row. `span` is its tstzrange and `bound` the same in the words of its table;
    `starts` are the first moments of the months with events that it holds."""

    table: str
    bound: str
    span: str
    events: int
    starts: list[datetime]

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
        found = [Month(*row) for row in cursor.fetchall()]
        return [month for month in found if _empty(cursor, month)]


class LoadingMonths:
    """Fills empty months while a file is read; nobody reads them, and `drop_loading` undoes it.

    Commits when it has made their tables, so that no lock is held for as long as the file takes.

    Attributes:
        tables: the months that are filled so.
    """

    def __init__(self, conn: Connection, *, while_read: bool) -> None:
        self.tables: dict[str, Month] = {}
        self._conn = conn
        self._known: dict[datetime, bool] = {}
        self._possible = while_read

    def take(self, events: Mapping[datetime, int]) -> Collection[datetime]:
        """Of which months (by their first moments) events go into LOADING: none of a small file.

        Args:
            events: how many there have been of each month.
        """
        new = [month for month in events if month not in self._known]
        if new and self._possible and sum(events.values()) >= LEAST:
            self._make(new)
        return [month for month, apart in self._known.items() if apart]

    def _make(self, new: Sequence[datetime]) -> None:
        found = empty_months(self._conn, dict.fromkeys(new, LEAST))
        with self._conn.cursor() as cursor:
            cursor.execute("savepoint before_loading")
            try:
                make_loading(self._conn, found)
            except IN_THE_WAY as error:
                cursor.execute("rollback to savepoint before_loading")
                logger.warning("no month is filled while the file is read: %s", str(error).strip())
                self._possible, found = False, []
        self.tables |= {month.table: month for month in found}
        apart = {start for month in found for start in month.starts}
        self._known |= {start: start in apart for start in new}
        self._conn.commit()

    def fill(self, months: Sequence[Month]) -> None:
        """Move the events of these months from the temporary table into LOADING, and make it if need be."""
        if not months:
            return
        make_loading(self._conn, months)
        with self._conn.cursor() as cursor:
            cursor.execute(_MOVE, {"spans": [month.span for month in months]})
        self.tables |= {month.table: month for month in months}

    def pour_out(self, kept: Sequence[Month] = ()) -> None:
        """Put the events of all months but these into the temporary table; the caller commits."""
        with self._conn.cursor() as cursor:
            for table in self.tables.keys() - {month.table for month in kept}:
                loading = self.tables.pop(table).loading
                do(cursor, f"insert into staged_interactions ({NAMES}) select {NAMES} from {{}}", loading)


def make_loading(conn: Connection, months: Sequence[Month]) -> None:
    """Make LOADING with a table for each month, without keys and indexes, where they are not there yet.

    Events that come in by its name get their numbers of the sequence of all.
    """
    if not months:
        return
    with conn.cursor() as cursor:
        be_patient(cursor)
        cursor.execute(f"select %s || {_RUN}", (_OURS,))
        (ours,) = cursor.fetchall()[0]
        if _comment(cursor) != ours:
            cursor.execute(
                f"""create table {LOADING} (like {INTERACTIONS.table} including defaults
                    including constraints including generated including storage)
                    partition by range ({INTERACTIONS.moment});
                comment on table {LOADING} is '{ours}'"""
            )
        there = set(texts(cursor, "select relid::regclass::text from pg_partition_tree(%s)", LOADING))
        for month in months:
            if month.loading not in there:
                do(
                    cursor,
                    f"create table {{}} partition of {LOADING} {{}} with (autovacuum_enabled = off)",
                    month.loading,
                    sql.SQL(month.bound),
                )
        cursor.execute("select pg_get_serial_sequence(%s, 'interaction_id')", (INTERACTIONS.table,))
        numbers = sql.Literal(cursor.fetchall()[0][0])
        number = sql.SQL(f"alter table only {LOADING} alter interaction_id set default nextval({{}})")
        cursor.execute(number.format(numbers))


def is_loading(conn: Connection) -> bool:
    """Whether an ingestion fills months, or one that was killed left them."""
    with conn.cursor() as cursor:
        return _comment(cursor).startswith(_OURS)


def drop_loading(conn: Connection) -> None:
    """Drop what is left of LOADING, unless somebody reads it, as a backup does: then the next run will.

    The caller commits.
    """
    with conn.cursor() as cursor:
        if not _comment(cursor).startswith(_OURS):
            return
        cursor.execute("savepoint before_drop")
        try:
            be_patient(cursor)
            cursor.execute(f"drop table {LOADING}")
        except (errors.LockNotAvailable, errors.InsufficientPrivilege) as error:
            cursor.execute("rollback to savepoint before_drop")
            logger.warning("%s is left for the next ingestion to drop: %s", LOADING, str(error).strip())


def _comment(cursor: Cursor) -> str:
    cursor.execute("select coalesce(obj_description(to_regclass(%s), 'pg_class'), '')", (LOADING,))
    return str(cursor.fetchall()[0][0])


def be_patient(cursor: Cursor) -> None:
    """Let this transaction wait for locks no longer than a change of the schema may."""
    cursor.execute("select set_config('lock_timeout', %s, true)", (DDL_TIMEOUT,))


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
    do(cursor, f"alter table {parent} detach partition {{}}", month.table)
    do(cursor, "drop table {}", month.table)
    for name in texts(cursor, _BUILT, month.loading):
        if name.startswith(month.loading):
            do(cursor, "alter index {} rename to {}", name, name.replace(month.loading, month.table, 1))
    do(cursor, "alter table {} rename to {}", month.loading, month.table)
    do(cursor, f"alter table {parent} attach partition {{}} {{}}", month.table, sql.SQL(month.bound))
    do(cursor, f"alter table {{}} drop constraint {SPAN}", month.table)


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


def texts(cursor: Cursor, query: str, table: str) -> list[str]:
    cursor.execute(query, (table,))
    return [text for (text,) in cursor.fetchall()]


def do(cursor: Cursor, statement: str, *parts: str | sql.SQL) -> None:
    """Execute a statement about things of these names; what is no name stands in it as it is."""
    named = (part if isinstance(part, sql.SQL) else sql.Identifier(part) for part in parts)
    cursor.execute(sql.SQL(statement).format(*named))
