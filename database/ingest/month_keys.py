"""Keys and indexes of the months that an ingestion fills, built on two connections.

While the first writes items and users, a second one builds; then both do. Each index is a piece of work of
its own, committed once it is built, so it does not matter who builds it: what the second connection can't do,
as none is to be had or it is lost, the first does.
"""

import logging
import os
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from types import TracebackType
from typing import Self

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import make_dsn

from database.ingest.empty_months import LOADING, SPAN, Month, be_patient, do, texts

logger = logging.getLogger(__name__)

ROOM = """select set_config('maintenance_work_mem', greatest(pg_size_bytes('256MB'),
    pg_size_bytes(current_setting('maintenance_work_mem'))) / 1024 || 'kB', true)"""
"""For a transaction: so much at least an index may take while it is built, to be sorted in memory."""
_LATER = "set local synchronous_commit = off"
"""The commit of an index does not wait for the disk. The ingestion's last one does, and with it all that was
logged before; should the server crash earlier, the ingestion fails, and the next one drops these tables."""
_ALONE = "set max_parallel_maintenance_workers = 0"
_CORES = 2
"""With no more of them, helpers of the second connection take the processor from the first, for a tenth more
work in all."""
_KEYS = {"p": "primary key", "u": "unique"}
_INDEXES = """
select c.relname, x.indisunique, substring(pg_get_indexdef(c.oid) from ' USING .*'), k.contype
from pg_index x join pg_class c on c.oid = x.indexrelid
    left join pg_constraint k on k.conindid = c.oid and k.conrelid = x.indrelid and k.contype in ('p', 'u')
where x.indrelid = %s::regclass order by c.oid
"""


class MonthKeys:
    """The indexes of some months that are filled; use as a context manager, at whose end nobody builds."""

    def __init__(self, conn: Connection, months: Sequence[Month]) -> None:
        self._conn = conn
        self._other: Connection | None = None
        self._left = deque(statement for month in months for statement in _statements(conn, month))
        self._threads = ThreadPoolExecutor(1, "keys")
        self._beside: Future[None] | None = None

    def __enter__(self) -> Self:
        if self._left:
            info = self._conn.info
            dsn = make_dsn(password=info.password, **info.dsn_parameters)
            self._beside = self._threads.submit(self._build_beside, dsn)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.clear()
        if self._other is not None:
            with suppress(psycopg2.Error):  # it is closed, or the server is gone
                self._other.cancel()
        self._threads.shutdown()

    def finish(self) -> None:
        """Build what is left to build; commits.

        Raises psycopg2.errors.UniqueViolation for a key that stands twice, LockNotAvailable where somebody
        keeps a table from being changed.
        """
        self._build(self._conn)
        if self._beside is not None:
            self._beside.result()
        self._build(self._conn)  # what was given back

    def _build_beside(self, dsn: str) -> None:
        try:
            with closing(psycopg2.connect(dsn)) as self._other:
                if (os.cpu_count() or 1) <= _CORES:
                    with self._other.cursor() as cursor:
                        cursor.execute(_ALONE)
                self._build(self._other)
        except psycopg2.Error as error:
            logger.warning("keys are built on one connection alone: %s", str(error).strip())

    def _build(self, conn: Connection) -> None:
        while self._left:
            try:
                statement = self._left.popleft()
            except IndexError:  # the other connection was faster
                return
            try:
                with conn.cursor() as cursor:
                    be_patient(cursor)
                    cursor.execute(ROOM)
                    cursor.execute(_LATER)
                    cursor.execute(statement)
                conn.commit()
            except BaseException:
                self._left.appendleft(statement)
                raise


def _statements(conn: Connection, month: Month) -> list[sql.Composed]:
    """What builds the indexes that the month's partition has, on the table in which it is filled."""
    create = sql.SQL("create {} {} on {} {}").format
    return [
        create(
            sql.SQL("unique index" if unique else "index"),
            sql.Identifier(name),
            sql.Identifier(month.loading),
            sql.SQL(definition),
        )
        for name, unique, definition, _ in _indexes(conn, month)
    ]


def end_filling(conn: Connection, months: Sequence[Month]) -> None:
    """Make each month a table of its own, with keys and with what shows that no row is of another month."""
    if not months:
        return  # whoever writes events the plain way waits for locks as long as it takes
    with conn.cursor() as cursor:
        be_patient(cursor)
        for month in months:
            (span,) = texts(cursor, "select pg_get_partition_constraintdef(%s::regclass)", month.loading)
            do(cursor, f"alter table {LOADING} detach partition {{}}", month.loading)
            do(cursor, f"alter table {{}} add constraint {SPAN} check ({{}})", month.loading, sql.SQL(span))
            do(cursor, "alter table {} reset (autovacuum_enabled)", month.loading)
            for name, _, _, kind in _indexes(conn, month):
                if kind is not None:
                    key = f"alter table {{}} add constraint {{}} {_KEYS[kind]} using index {{}}"
                    do(cursor, key, month.loading, name, name)
        cursor.execute(f"drop table {LOADING}")


def _indexes(conn: Connection, month: Month) -> list[tuple[str, bool, str, str | None]]:
    """Name (of the table that is filled), whether unique, definition, and which kind of key each is."""
    with conn.cursor() as cursor:
        cursor.execute(_INDEXES, (month.table,))
        return [
            (f"{month.loading}{name.removeprefix(month.table)}", *rest) for name, *rest in cursor.fetchall()
        ]
