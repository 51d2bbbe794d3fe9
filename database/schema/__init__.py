"""The schema as numbered migrations (Alembic); `migrate` brings a database to the newest one.

Others use `errors`.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

import psycopg2
from psycopg2.errors import LockNotAvailable
from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from database.connection import libpq_url
from database.locks import DATABASES, DDL_TIMEOUT, MIGRATIONS

logger = logging.getLogger(__name__)

_PAUSE_SECONDS = 0.5
_BUSY_SECONDS = 60.0
"""How long a migration tries to lock a table that others use, a little at a time."""


def migrate(url: str) -> None:
    """Create the database that `url` names if it is missing, and apply every migration it lacks.

    `url` is a SQLAlchemy URL (`postgresql+psycopg2://…`). Runs that meet wait for each other. A migration
    waits for a table's lock a short time only, since readers would wait behind it, and tries again for a
    minute; then sqlalchemy.exc.OperationalError is raised, and what was applied until then stays.
    """
    from alembic import command
    from alembic.config import Config

    create_database(url)
    engine = create_engine(url, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            connection.execute(text("select pg_advisory_lock(:key)"), {"key": MIGRATIONS})
            connection.execute(
                text("select set_config('lock_timeout', :limit, false)"), {"limit": DDL_TIMEOUT}
            )
            connection.commit()
            config = Config()
            config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
            config.attributes["connection"] = connection
            _patiently(lambda: command.upgrade(config, "head"), connection)
            connection.commit()
            connection.execute(text("select pg_advisory_unlock(:key)"), {"key": MIGRATIONS})
            connection.commit()
    finally:
        engine.dispose()


def _patiently(upgrade: Callable[[], None], connection: Connection) -> None:
    give_up = monotonic() + _BUSY_SECONDS
    while True:
        try:
            return upgrade()
        except OperationalError as error:
            connection.rollback()
            if not isinstance(error.orig, LockNotAvailable) or monotonic() > give_up:
                raise
            logger.warning("a migration waits for a table that others use: %s", error.orig)
            sleep(_PAUSE_SECONDS)


def create_database(url: str) -> None:
    """Create the database that `url` names, unless it exists; its name must be a plain identifier."""
    try:
        psycopg2.connect(libpq_url(url)).close()
    except psycopg2.OperationalError as error:
        if "does not exist" not in str(error):
            raise
        _create(url)


def _create(url: str) -> None:
    name = make_url(url).database or ""
    if not name.isidentifier():
        raise ValueError(f"not a database name: {name!r}")
    # SQLAlchemy would write a space of the socket's folder as "+", which libpq takes for a plus
    body, mark, query = url.partition("?")
    conn = psycopg2.connect(libpq_url(f"{body.rpartition('/')[0]}/postgres{mark}{query}"))
    try:
        conn.autocommit = True
        with conn.cursor() as cursor:
            # held until the connection ends: of two runs that meet, one creates and the other finds it
            cursor.execute("select pg_advisory_lock(%s)", (DATABASES,))
            cursor.execute("select 1 from pg_database where datname = %s", (name,))
            if cursor.fetchone() is None:
                cursor.execute(f'create database "{name}"')
    finally:
        conn.close()
