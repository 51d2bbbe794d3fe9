"""Keys of filled months are built on two connections: what is stored is the same, whoever builds them."""

import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.ingest import ADAPTERS, empty_months, ingest_file, month_keys, run
from database.ingest.merge_events import merge_users
from database.ingest.month_keys import MonthKeys
from tests.database.ingest.months import CLICK, EVENTS, NOW, REST, SHAPE, Query, empty, load, log, taken

pytestmark = pytest.mark.usefixtures("one_is_enough")

LOADING = "select relname from pg_class where relname like 'loading%'"
OTHERS = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
KILLED = """
import os, signal, sys
from pathlib import Path
import psycopg2
from database.ingest import ADAPTERS, empty_months, ingest_file, run

empty_months.LEAST = 1
setattr(run, sys.argv[3], lambda *_: os.kill(os.getpid(), signal.SIGKILL))
ingest_file(psycopg2.connect(sys.argv[1]), ADAPTERS["interactions"], Path(sys.argv[2]))
"""


def while_keys_are_built(
    monkeypatch: pytest.MonkeyPatch, connection: Connection, act: Callable[[], None]
) -> None:
    """The second connection takes a minute for the first index; meanwhile the first comes to its users."""
    statements = month_keys._statements
    long = f"select pg_sleep(60) where pg_backend_pid() <> {connection.info.backend_pid}"

    def and_long(*arguments: Any) -> list[Any]:
        return [long, *statements(*arguments)]

    def then_act(conn: Connection, *arguments: Any) -> int:
        found = merge_users(conn, *arguments)
        with conn.cursor() as cursor:
            while not cursor.rowcount > 0:
                time.sleep(0.01)
                conn.commit()
                cursor.execute(f"select {OTHERS} and query like '%pg_sleep%'")
        act()
        return found

    monkeypatch.setattr(month_keys, "_statements", and_long)
    monkeypatch.setattr(run, "merge_users", then_act)


def test_a_second_connection_that_is_lost_leaves_its_keys_to_the_first(
    connection: Connection, query: Query, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, shape = log(tmp_path, 5), [query(each) for each in SHAPE]
    load(connection, path)
    found = [query(each) for each in (EVENTS, *REST)]
    empty(query)
    swapped = taken(monkeypatch)

    def end_the_other() -> None:
        query(f"select pg_terminate_backend(pid) {OTHERS}")

    while_keys_are_built(monkeypatch, connection, end_the_other)
    load(connection, path)
    assert len(swapped) == 1
    assert [query(each) for each in (EVENTS, *REST)] == found
    assert [query(each) for each in SHAPE] == shape


def test_where_no_second_connection_is_to_be_had_the_first_builds_all(
    connection: Connection, query: Query, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, shape = log(tmp_path, 5), [query(each) for each in SHAPE]
    swapped = taken(monkeypatch)

    def refuse(*_: Any) -> None:
        raise psycopg2.OperationalError("sorry, too many clients already")

    with monkeypatch.context() as patch:
        patch.setattr(psycopg2, "connect", refuse)
        loaded = load(connection, path).rows_loaded
    assert len(swapped) == 1
    assert query("select count(*) from interactions") == [(loaded,)]
    assert [query(each) for each in SHAPE] == shape


def test_who_is_interrupted_leaves_no_connection_that_builds_on(
    connection: Connection, query: Query, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    while_keys_are_built(monkeypatch, connection, interrupt)
    with pytest.raises(KeyboardInterrupt):
        load(connection, log(tmp_path, 5))
    assert query(f"select query {OTHERS} and state = 'active'") == []
    assert query(LOADING) == []
    assert query("select count(*) from interactions") == [(0,)]


def test_why_a_run_ends_is_said_where_the_server_can_not_be_told_to_stop(
    database: Any, query: Query, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unreachable(Connection):
        def cancel(self) -> None:
            raise psycopg2.OperationalError("PQcancel() -- connect() failed: Connection refused")

    first = psycopg2.connect(database.dsn)
    monkeypatch.setattr(psycopg2, "connect", partial(psycopg2.connect, connection_factory=Unreachable))

    def end_both() -> None:
        query(f"select pg_terminate_backend(pid) {OTHERS}")

    while_keys_are_built(monkeypatch, first, end_both)
    with pytest.raises(psycopg2.OperationalError, match=r"server closed|terminating"):
        load(first, log(tmp_path, 5))


@pytest.mark.parametrize("step", ["merge_users", "_finish_months", "take_place"])
def test_a_process_that_is_killed_leaves_nothing_that_is_served_and_its_file_goes_in_the_next_time(
    database: Any, connection: Connection, query: Query, tmp_path: Path, step: str
) -> None:
    path, shape = log(tmp_path, 5), [query(each) for each in SHAPE]
    killed = subprocess.run([sys.executable, "-c", KILLED, database.dsn, str(path), step], check=False)
    assert killed.returncode == -9
    assert query("select count(*) from interactions") == [(0,)]
    assert query("select count(*) from ingest_runs") == [(0,)]
    assert query(LOADING) != []
    loaded = load(connection, path).rows_loaded
    assert query("select count(*) from interactions") == [(loaded,)]
    assert query(LOADING) == []
    assert [query(each) for each in SHAPE] == shape


def test_a_month_that_gets_an_event_while_its_keys_are_built_keeps_it(
    database: Any, connection: Connection, query: Query, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, swapped = log(tmp_path, 2), taken(monkeypatch)
    load(connection, path)
    found = query(EVENTS)
    empty(query)

    def then_click(*arguments: Any) -> int:
        with psycopg2.connect(database.dsn) as shop, shop.cursor() as cursor:
            cursor.execute(CLICK, (NOW - timedelta(days=1),))
        shop.close()
        return merge_users(*arguments)

    monkeypatch.setattr(run, "merge_users", then_click)
    load(connection, path)
    assert swapped == [swapped[0], swapped[0] - 1]
    assert query("select count(*) from interactions where source = 'service'") == [(1,)]
    assert [row for row in query(EVENTS) if row[0] != "live"] == found


def test_a_log_that_is_moved_to_now_is_stored_the_same_apart(
    connection: Connection, query: Query, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.csv"
    moments = [(NOW - timedelta(days=days)).isoformat() for days in (400, 430, 430, 1400)]
    rows = [f"u{number},i1,click,{moment}\n" for number, moment in enumerate(moments)]
    path.write_text("user_id,item_id,event_type,timestamp\n" + "".join(rows))
    swapped = taken(monkeypatch)
    ingest_file(connection, ADAPTERS["interactions"], path, shift_to_now=True)
    found = query(EVENTS)
    assert len(swapped) == 1 and len(found) == 4
    empty(query)
    monkeypatch.setattr(empty_months, "LEAST", 10**9)
    ingest_file(connection, ADAPTERS["interactions"], path, shift_to_now=True)
    assert len(swapped) == 1 and query(EVENTS) == found


def test_a_key_that_no_file_can_have_twice_ends_in_the_plain_way(
    connection: Connection, query: Query, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if two texts had the same MD5: the events are stored once, as ever."""
    path = log(tmp_path, 6)
    load(connection, path)
    found = query(EVENTS)
    empty(query)
    swapped = taken(monkeypatch)

    def twice(conn: Connection, months: Any) -> MonthKeys:
        with conn.cursor() as cursor:
            cursor.execute(f"insert into {empty_months.LOADING} select * from {empty_months.LOADING}")
        conn.commit()
        return MonthKeys(conn, months)

    monkeypatch.setattr(run, "MonthKeys", twice)
    load(connection, path)
    assert query(EVENTS) == found and not swapped
