"""Where the database is, and connections to it: psycopg2 for batch work, asyncpg for the service."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import asyncpg
import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.data_directory import socket_directory
from database.settings import Settings, get_settings

SHORTLIST = "shortlist"
"""Database of the platform itself; Airflow and MLflow have `airflow` and `mlflow` beside it."""

_DRIVER = "postgresql+psycopg2"
_CONNECT_SECONDS = 5
_STATEMENT_SECONDS = 10
"""How long one statement of the service may take; those of requests have limits of their own."""
REPORT_SECONDS = 20.0
"""How long a statement may take that a request to the service waits for in a thread: reports, experiments."""


def database_url(settings: Settings, name: str = SHORTLIST) -> str:
    """SQLAlchemy URL (`postgresql+psycopg2://…`) of the database `name`.

    With `DATABASE_URL` set, `shortlist` is the database which that URL names, and any other name is
    a database on the same server; without it, all of them are in the embedded server.
    """
    if settings.database_url is None:
        return embedded_url(settings.postgres_dir, name)
    body, mark, query = settings.database_url.split("://", 1)[1].partition("?")
    server, _, named = body.partition("/")
    return f"{_DRIVER}://{server}/{named if name == SHORTLIST else name}{mark}{query}"


def embedded_url(directory: Path, name: str) -> str:
    """SQLAlchemy URL of the database `name` of the embedded server that keeps its data in `directory`."""
    return f"{_DRIVER}://postgres@/{name}?host={quote(str(socket_directory(directory)), safe='/')}"


def libpq_url(url: str) -> str:
    """The same URL in the form that psycopg2 and asyncpg read (`postgresql://…`)."""
    return f"postgresql://{url.split('://', 1)[1]}"


def dsn(settings: Settings) -> str:
    """libpq URL of the platform's database, for psycopg2 and asyncpg."""
    return libpq_url(database_url(settings))


@contextmanager
def connect(settings: Settings | None = None, statement_seconds: float = 0) -> Iterator[Connection]:
    """Open a psycopg2 connection; commit when the block succeeds, roll back when it raises, close either way.

    Raises psycopg2.OperationalError when the server does not answer within 5 seconds, and when one statement
    takes longer than `statement_seconds` (0: no limit), waits for locks included.
    """
    conn = psycopg2.connect(dsn(settings or get_settings()), connect_timeout=_CONNECT_SECONDS)
    try:
        conn.set_session(isolation_level="READ COMMITTED")
        with conn:
            if statement_seconds:
                with conn.cursor() as cursor:
                    cursor.execute(f"set statement_timeout = {int(1000 * statement_seconds)}")
            yield conn
    finally:
        conn.close()


async def create_pool(minimum: int, maximum: int, settings: Settings | None = None) -> asyncpg.Pool:
    """Open a pool of asyncpg connections to the platform's database; close it with `await pool.close()`.

    A returned connection is reset only if it was left inside a transaction: asyncpg's own reset
    costs one more round trip a request, and no code here changes session state.
    """
    return await asyncpg.create_pool(
        dsn(settings or get_settings()),
        min_size=minimum,
        max_size=maximum,
        timeout=_CONNECT_SECONDS,
        command_timeout=_STATEMENT_SECONDS,
        server_settings={"jit": "off", "lock_timeout": "3s"},
        reset=_reset,
    )


async def _reset(conn: asyncpg.Connection) -> None:
    if conn.is_in_transaction():
        await conn.reset()
