"""Partitions: made ahead and dropped while others read and write; a moment without one is no error."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import asyncpg
import psycopg2
import pytest
from alembic import command
from alembic.config import Config
from psycopg2.extensions import connection as Connection  # noqa: N812
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from database import partitions, schema
from database.connection import libpq_url
from database.impressions import ImpressionRow, write_impressions
from database.interactions import record
from database.partitions import (
    IMPRESSIONS,
    INTERACTIONS,
    drop_partitions_before,
    ensure_partitions,
    make_ahead,
)
from database.settings import REPOSITORY
from watch.monitoring import make_partitions

if TYPE_CHECKING:
    from tests.conftest import Database, Postgres

NOW = datetime.now(UTC)
READERS = [
    "select count(*) from interactions; select count(*) from impression_lists",
    "lock table interactions, impression_lists in access share mode",
]
"""What an analyst and pg_dump hold until their transactions end."""
CLICK = """insert into interactions (user_id, event_type, item_id, occurred_at, source)
    values ('a', 'click', 'i', %s, 't')"""


@contextmanager
def session(dsn: str) -> Iterator[Any]:
    """A cursor that gives up after 3 seconds, and whose work ends without a commit."""
    conn = psycopg2.connect(dsn, options="-c statement_timeout=3s")
    try:
        with conn.cursor() as cursor:
            yield cursor
    finally:
        conn.close()


def read_and_write(dsn: str) -> None:
    with session(dsn) as shop:
        shop.execute("select count(*) from interactions")
        shop.execute("select count(*) from impression_lists")
        shop.execute(CLICK, (datetime.now(UTC),))


def tables(conn: Connection, parent: str) -> list[str]:
    with conn.cursor() as cursor:
        cursor.execute(
            "select inhrelid::regclass::text from pg_inherits where inhparent = %s::regclass order by 1",
            (parent,),
        )
        return [name for (name,) in cursor.fetchall()]


@pytest.mark.parametrize("reading", READERS)
def test_an_open_reader_does_not_stop_the_hourly_job_nor_the_job_others(
    database: "Database", connection: Connection, reading: str
) -> None:
    later = NOW + timedelta(days=70)
    with session(database.dsn) as reader:
        reader.execute(reading)
        make_partitions(later)
        read_and_write(database.dsn)
    made = (later + INTERACTIONS.ahead, later + IMPRESSIONS.ahead)
    assert f"interactions_{made[0]:y%Ym%m}" in tables(connection, "interactions")
    assert f"impression_lists_{made[1]:y%Ym%md%d}" in tables(connection, "impression_lists")


def test_a_change_of_the_schema_makes_the_job_fail_soon_and_nobody_else(database: "Database") -> None:
    with session(database.dsn) as other:
        other.execute("lock table interactions in share update exclusive mode")
        with ThreadPoolExecutor(1) as pool:
            job = pool.submit(make_partitions, NOW + timedelta(days=70))
            read_and_write(database.dsn)
            with pytest.raises(psycopg2.errors.LockNotAvailable):
                job.result()
    make_partitions(NOW + timedelta(days=70))


def test_a_week_without_the_job_harms_nobody(connection: Connection) -> None:
    week = timedelta(days=7)
    assert make_ahead(connection, NOW) in (0, 1, 2)  # the migration made them; midnight may have passed
    for table in (INTERACTIONS, IMPRESSIONS):
        assert table.ahead > 3 * week
        assert ensure_partitions(connection, table, NOW, NOW + week) == 0


async def test_clicks_and_impressions_of_any_time_are_kept(
    pool: asyncpg.Pool, connection: Connection
) -> None:
    times = [
        datetime(year, 5, 17, 23, 59, tzinfo=UTC) for year in (1, 1970, 1999, 2026, 2031, 2099, 2100, 9999)
    ]
    async with pool.acquire() as conn:
        for moment in times:
            for key in (None, uuid4()):
                stored = await record(
                    conn, user_id="a", event_type="click", item_id="i", occurred_at=moment, dedup_key=key
                )
                assert stored.occurred_at == moment
            again = await record(
                conn, user_id="a", event_type="click", item_id="i", occurred_at=moment, dedup_key=key
            )
            assert again == stored
        rows = [ImpressionRow("r", "home", "a", ("i",), (1.0,), "b", moment) for moment in times]
        await write_impressions(conn, rows)
        assert await conn.fetchval("select count(*) from interactions") == 2 * len(times)
        assert await conn.fetchval("select count(*) from impression_lists") == len(times)
    assert len(tables(connection, "interactions")) < 60


def test_makers_that_meet_make_each_partition_once(database: "Database") -> None:
    start = NOW + timedelta(days=1000)

    def make(_: int) -> int:
        conn = psycopg2.connect(database.dsn)
        try:
            with conn:
                return ensure_partitions(conn, IMPRESSIONS, start, start + timedelta(days=9))
        finally:
            conn.close()

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(make, range(6))) == 10


def test_ids_go_on_and_keys_hold_in_a_new_partition(connection: Connection) -> None:
    moment = NOW + timedelta(days=800)
    with connection.cursor() as cursor:
        cursor.execute(CLICK + " returning interaction_id", (NOW,))
        (first,) = cursor.fetchone() or (0,)
        ensure_partitions(connection, INTERACTIONS, moment, moment)
        cursor.execute(CLICK + " returning interaction_id", (moment,))
        assert cursor.fetchone() == (first + 1,)
        with pytest.raises(psycopg2.errors.CheckViolation, match="event_type"):
            cursor.execute(CLICK.replace("'click'", "'stare'"), (moment,))


def test_old_partitions_go_and_nothing_else(database: "Database", connection: Connection) -> None:
    ages = (0, 1, 2, 3, 200, 1000)
    with connection, connection.cursor() as cursor:
        for days in ages:
            cursor.execute(
                """insert into impression_lists (request_id, shown, endpoint, item_ids, propensities,
                    bundle_id, shown_at) values (%s, true, 'home', '{}', '{}', 'b', %s)""",
                (str(days), NOW - timedelta(days=days)),
            )
    first_kept = (NOW - timedelta(days=1)).date()
    dropped = drop_partitions_before(database.dsn, IMPRESSIONS, first_kept)
    assert f"impression_lists_{NOW - timedelta(days=2):y%Ym%md%d}" in dropped and len(dropped) >= 5
    with connection, connection.cursor() as cursor:
        cursor.execute("select request_id from impression_lists order by 1")
        assert cursor.fetchall() == [("0",), ("1",)]
    assert drop_partitions_before(database.dsn, IMPRESSIONS, first_kept) == []
    assert drop_partitions_before(database.dsn, INTERACTIONS, date(2000, 1, 1)) == []


def test_the_first_day_that_is_kept_is_kept_from_its_first_moment(
    database: "Database", connection: Connection
) -> None:
    """Of what is as old as the first partition, which reaches back without end and is never dropped."""
    midnight = datetime(2001, 5, 1, tzinfo=UTC)
    moments = [midnight + timedelta(microseconds=each) for each in (-1, 0, 1)]
    with connection, connection.cursor() as cursor:
        for moment in moments:
            cursor.execute(CLICK, (moment,))
    drop_partitions_before(database.dsn, INTERACTIONS, midnight.date())
    with connection, connection.cursor() as cursor:
        cursor.execute("select occurred_at from interactions order by 1")
        assert [moment for (moment,) in cursor.fetchall()] == moments[1:]


def test_a_partition_that_is_read_is_dropped_the_next_time(
    database: "Database", connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "_PATIENCE", "200ms")
    first_kept = (NOW - timedelta(days=4)).date()
    with session(database.dsn) as reader:
        reader.execute(READERS[0])
        assert drop_partitions_before(database.dsn, IMPRESSIONS, first_kept) == []
        read_and_write(database.dsn)
        make_partitions(NOW + timedelta(days=70))
    assert len(drop_partitions_before(database.dsn, IMPRESSIONS, first_kept)) >= 2
    assert drop_partitions_before(database.dsn, IMPRESSIONS, first_kept) == []


def test_a_table_that_an_operator_detached_stays(database: "Database", connection: Connection) -> None:
    name = f"impression_lists_{NOW - timedelta(days=3):y%Ym%md%d}"
    with connection, connection.cursor() as cursor:
        cursor.execute(f"alter table impression_lists detach partition {name}")
    assert name not in drop_partitions_before(database.dsn, IMPRESSIONS, NOW.date())
    with connection.cursor() as cursor:
        cursor.execute("select to_regclass(%s) is not null", (name,))
        assert cursor.fetchone() == (True,)


def test_what_stood_in_the_default_partition_moves_where_it_belongs(postgres: "Postgres") -> None:
    """A database of revision 0002 that was used for a while."""
    url = postgres.url("was_at_0002")
    _upgrade(url, "0002")
    times = [NOW - timedelta(days=days) for days in (3000, 500, 40, 0, -20, -500, -90_000)]
    conn = psycopg2.connect(libpq_url(url))
    with conn, conn.cursor() as cursor:
        cursor.execute("select ensure_interaction_partitions(%s, %s)", (times[1], times[2]))
        for moment in times:
            cursor.execute(CLICK, (moment,))
        cursor.execute("select interaction_id, occurred_at from interactions order by 1")
        before = cursor.fetchall()
    schema.migrate(url)
    with conn, conn.cursor() as cursor:
        cursor.execute("select interaction_id, occurred_at from interactions order by 1")
        assert cursor.fetchall() == before
        cursor.execute(CLICK + " returning interaction_id", (NOW,))
        assert cursor.fetchone() == (len(times) + 1,)
        cursor.execute("select to_regclass('interactions_default')")
        assert cursor.fetchone() == (None,)
    conn.close()


def test_a_migration_waits_for_a_reader_without_holding_up_others(
    postgres: "Postgres", monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres.url("migrated_while_read")
    _upgrade(url, "0002")
    monkeypatch.setattr(schema, "_BUSY_SECONDS", 60.0)
    with ThreadPoolExecutor(1) as pool:
        with session(libpq_url(url)) as reader:
            reader.execute("select count(*) from interactions")
            migration = pool.submit(schema.migrate, url)
            for _ in range(4):
                with session(libpq_url(url)) as other:
                    other.execute("select count(*) from interactions; select pg_sleep(0.5)")
            assert not migration.done()
        migration.result(timeout=30)


def _upgrade(url: str, revision: str) -> None:
    """Make the database and bring it to an older revision."""
    schema.create_database(url)
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        config = Config()
        config.set_main_option("script_location", str(REPOSITORY / "database" / "schema"))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()
    engine.dispose()
