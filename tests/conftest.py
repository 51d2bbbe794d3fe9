"""Fixtures on a real PostgreSQL: one embedded server a test session, one fresh database a test."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.connection import embedded_url, libpq_url
from database.embedded import EmbeddedServer
from database.schema import migrate
from database.settings import get_settings

_TEMPLATE = "template_shortlist"
_numbers = count(1)


@dataclass(frozen=True)
class Database:
    """One database: `url` for SQLAlchemy, `dsn` for psycopg2 and asyncpg."""

    url: str
    dsn: str


@dataclass(frozen=True)
class Postgres:
    """A running server whose template database is migrated."""

    directory: Path

    def url(self, name: str) -> str:
        """SQLAlchemy URL of one of its databases."""
        return embedded_url(self.directory, name)

    def execute(self, statement: str) -> None:
        """Run one statement outside any transaction."""
        conn = psycopg2.connect(libpq_url(self.url("postgres")))
        try:
            conn.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)
            with conn.cursor() as cursor:
                cursor.execute(statement)
        finally:
            conn.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """An embedded server for the whole session, without fsync: its data need not outlive a crash."""
    with tempfile.TemporaryDirectory(prefix="shortlist-") as folder:
        directory = Path(folder) / "postgres"
        with EmbeddedServer(directory, {"fsync": "off", "shared_buffers": "64MB"}):
            server = Postgres(directory)
            migrate(server.url(_TEMPLATE))
            yield server


@pytest.fixture
def database(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A fresh migrated database, which `get_settings()` names for the length of the test."""
    name = f"test_{next(_numbers)}"
    postgres.execute(f"create database {name} template {_TEMPLATE}")
    url = postgres.url(name)
    monkeypatch.setenv("DATABASE_URL", url)
    get_settings.cache_clear()
    yield Database(url, libpq_url(url))
    get_settings.cache_clear()
    postgres.execute(f"drop database {name} with (force)")


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    """A psycopg2 connection to the test's database; nothing is committed unless the test does."""
    conn = psycopg2.connect(database.dsn)
    yield conn
    conn.close()
