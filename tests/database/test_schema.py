"""The schema: migrations apply once, and the database's own rules hold."""

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.connection import connect, database_url, libpq_url
from database.schema import create_database, migrate
from database.schema.errors import NewerSchemaError
from database.settings import Settings, get_settings

if TYPE_CHECKING:
    from tests.conftest import Database, Postgres


def test_migrate_twice_changes_nothing(database: "Database", connection: Connection) -> None:
    migrate(database.url)
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from change_state")
        assert cursor.fetchone() == (1,)


def test_migrate_creates_the_database(postgres: "Postgres") -> None:
    url = postgres.url("made_by_migrate")
    migrate(url)
    conn = psycopg2.connect(libpq_url(url))
    with conn, conn.cursor() as cursor:
        cursor.execute("select catalogue_seq, deployment_id from change_state")
        assert cursor.fetchone() == (0, None)
    conn.close()


def test_a_database_that_many_ask_for_at_once_is_made_once(postgres: "Postgres") -> None:
    url = postgres.url("asked_for_at_once")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: create_database(url), range(8)))
    psycopg2.connect(libpq_url(url)).close()


def test_a_database_that_a_newer_version_migrated_is_refused_and_left_alone(
    database: "Database", connection: Connection
) -> None:
    with connection, connection.cursor() as cursor:
        cursor.execute("update alembic_version set version_num = '9999'")
    with pytest.raises(NewerSchemaError, match="newer version of Shortlist migrated the database to 9999"):
        migrate(database.url)
    with connection, connection.cursor() as cursor:
        cursor.execute("select version_num from alembic_version")
        assert cursor.fetchone() == ("9999",)


def test_settings_name_the_test_database(database: "Database") -> None:
    assert database_url(get_settings()) == database.url
    with connect() as conn, conn.cursor() as cursor:
        cursor.execute("select current_database()")
        assert cursor.fetchone() == (database.url.split("@/")[1].split("?")[0],)


@pytest.mark.parametrize(
    ("given", "name", "expected"),
    [
        ("postgresql://u:p@db:5432/shop", "shortlist", "postgresql+psycopg2://u:p@db:5432/shop"),
        (
            "postgres://u:p@db/shop?sslmode=require",
            "mlflow",
            "postgresql+psycopg2://u:p@db/mlflow?sslmode=require",
        ),
        ("postgresql+asyncpg:///shop?host=/run/pg", "shortlist", "postgresql+psycopg2:///shop?host=/run/pg"),
    ],
)
def test_external_url(given: str, name: str, expected: str) -> None:
    assert database_url(Settings(database_url=given), name) == expected


def test_item_ids_are_not_empty(connection: Connection) -> None:
    with connection.cursor() as cursor, pytest.raises(psycopg2.errors.CheckViolation):
        cursor.execute("insert into items (item_id, change_seq) values ('', 1)")
