"""The schema as numbered migrations (Alembic); `migrate` brings a database to the newest one."""

from pathlib import Path

import psycopg2
from psycopg2 import errors
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from database.connection import libpq_url

_LOCK = 7_302_601_001  # advisory lock of migrations


def migrate(url: str) -> None:
    """Create the database that `url` names if it is missing, and apply every migration it lacks.

    `url` is a SQLAlchemy URL (`postgresql+psycopg2://…`). Runs that meet wait for each other.
    """
    from alembic import command
    from alembic.config import Config

    create_database(url)
    engine = create_engine(url, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            connection.execute(text("select pg_advisory_lock(:key)"), {"key": _LOCK})
            connection.commit()
            config = Config()
            config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
            connection.execute(text("select pg_advisory_unlock(:key)"), {"key": _LOCK})
            connection.commit()
    finally:
        engine.dispose()


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
        conn.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)
        with conn.cursor() as cursor:
            cursor.execute(f'create database "{name}"')
    except errors.DuplicateDatabase:
        pass  # another run made it between the two statements, which is what was wanted
    finally:
        conn.close()
