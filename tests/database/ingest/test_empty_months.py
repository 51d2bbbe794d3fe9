"""Months without a row are filled apart: what is stored is what the plain way stores, whoever is beside."""

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from database.ingest import (
    empty_months,
    run,
)
from tests.database.ingest.months import (
    CLICK,
    EVENTS,
    NOW,
    REST,
    SHAPE,
    Query,
    empty,
    load,
    log,
    meanwhile,
    taken,
)

pytestmark = pytest.mark.usefixtures("one_is_enough")

OPERATORS = (
    ("create index by_source on interactions_before (source)", "drop index by_source"),
    (
        "alter table interactions_before set (fillfactor = 90)",
        "alter table interactions_before reset (fillfactor)",
    ),
    (
        "alter table interactions_before enable row level security",
        "alter table interactions_before disable row level security",
    ),
    ("create publication events for table interactions", "drop publication events"),
    ("create table loading_interactions ()", "drop table loading_interactions"),
    ("create table loading_before ()", "drop table loading_before"),
)
"""What an operator may have done, and what undoes it."""


@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6))
def test_empty_months_get_what_the_plain_way_stores(
    connection: Connection, query: Query, tmp_path: Path, seed: int
) -> None:
    path = log(tmp_path, seed)
    with pytest.MonkeyPatch.context() as patch:
        swapped = taken(patch)
        shape = [query(each) for each in SHAPE]
        empty(query)
        fast = load(connection, path)
        found = [query(each) for each in (EVENTS, *REST)]
        assert len(swapped) == 1 and swapped[0] >= 2
        assert [query(each) for each in SHAPE] == shape
        again = load(connection, path)
        assert (again.rows_loaded, again.users_new) == (0, 0)
        assert query(EVENTS) == found[0]
        empty(query)
        patch.setattr(empty_months, "LEAST", 10**9)
        plain = load(connection, path)
        assert len(swapped) == 1
    assert [query(each) for each in (EVENTS, *REST)] == found
    assert fast.as_dict() | {"seconds": 0} == plain.as_dict() | {"seconds": 0}


def test_months_with_rows_keep_them_and_the_others_are_filled_apart(
    connection: Connection, query: Query, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = log(tmp_path, 1)
    load(connection, path)
    found = query(EVENTS)
    empty(query)
    swapped = taken(monkeypatch)
    with connection, connection.cursor() as cursor:
        cursor.execute(CLICK, (NOW - timedelta(days=40),))
        (stored,) = cursor.fetchone() or (0,)
    load(connection, path)
    assert swapped
    assert [row for row in query(EVENTS) if row[0] != "live"] == found
    assert query(f"select count(*), min(interaction_id) from interactions where interaction_id <= {stored}")[
        0
    ] == (1, stored)
    assert query("select count(*) = count(distinct interaction_id) from interactions") == [(True,)]
    with connection, connection.cursor() as cursor:
        cursor.execute(CLICK, (NOW,))
        (later,) = cursor.fetchone() or (0,)
    assert query("select max(interaction_id) from interactions") == [(later,)]


def test_a_shop_reads_and_writes_while_months_are_filled_and_loses_nothing(
    database: Any, connection: Connection, query: Query, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A click of a month that is being filled, by a user of the file: its month is not taken."""
    path = log(tmp_path, 2)
    expected = load(connection, path).rows_loaded
    empty(query)
    real, clicked = run._record, list[Any]()

    def with_a_click(*arguments: Any) -> None:
        real(*arguments)
        if not clicked:
            with psycopg2.connect(database.dsn, options="-c statement_timeout=3s") as shop:
                clicked.append(shop)
                with shop.cursor() as cursor:
                    cursor.execute("select count(*) from interactions")
                    assert cursor.fetchall() == [(0,)]
                    cursor.execute("insert into users (user_id) values ('u1') on conflict do nothing")
                    cursor.execute(CLICK, (NOW - timedelta(days=1),))
            shop.close()

    monkeypatch.setattr(run, "_record", with_a_click)
    swapped = taken(monkeypatch)
    assert load(connection, path).rows_loaded == expected
    assert not swapped
    assert query("select count(*) from interactions where source = 'service'") == [(1,)]
    assert query("select count(*) from interactions") == [(expected + 1,)]
    assert query("select count(*) from ingest_runs") == [(1,)]


def test_an_open_reader_makes_the_events_go_the_plain_way(
    database: Any, connection: Connection, query: Query, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swapped = taken(monkeypatch)
    with psycopg2.connect(database.dsn) as reader, reader.cursor() as cursor:
        cursor.execute("select count(*) from interactions")
        loaded = load(connection, log(tmp_path, 3)).rows_loaded
        cursor.execute("select count(*) from interactions")
        assert cursor.fetchall() == [(loaded,)]
    reader.close()
    assert not swapped
    assert query("select count(*) from interactions") == [(loaded,)]


def test_a_view_of_a_month_keeps_the_month(
    connection: Connection, query: Query, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    query("create view old_events as select * from interactions_before")
    swapped = taken(monkeypatch)
    loaded = load(connection, log(tmp_path, 4)).rows_loaded
    assert not swapped
    assert query("select count(*) from interactions") == [(loaded,)]
    assert query("select count(*) > 0 from old_events") == [(True,)]


def test_what_is_set_on_a_month_stays_on_it(
    connection: Connection, query: Query, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, month = log(tmp_path, 4), "select 'interactions_before'::regclass::oid"
    swapped = taken(monkeypatch)
    for done, undone in OPERATORS:
        query("truncate interactions, users, items, rejected_rows, ingest_runs cascade")
        query(done)
        before = query(month)
        loaded = load(connection, path).rows_loaded
        assert query("select count(*) from interactions") == [(loaded,)], done
        assert query(month) == before, done
        query(undone)
    query("truncate interactions, users, items, rejected_rows, ingest_runs cascade")
    before, kept = query(month), len(swapped)
    load(connection, path)
    assert query(month) != before and len(swapped) == kept + 1


def test_a_trigger_sees_each_event(connection: Connection, query: Query, tmp_path: Path) -> None:
    query("create table seen (event_type text)")
    query(
        """create function see() returns trigger language plpgsql as
        'begin insert into seen values (new.event_type); return new; end'"""
    )
    query("create trigger see after insert on interactions for each row execute function see()")
    loaded = load(connection, log(tmp_path, 4)).rows_loaded
    assert query("select count(*) from seen") == [(loaded,)]


def test_a_role_that_owns_no_table_loads_into_the_months_that_are_there(
    connection: Connection, query: Query, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swapped = taken(monkeypatch)
    query("create role loader")
    try:
        query(
            """do $$ declare name regclass; begin for name in select oid from pg_class
                where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition
            loop execute format('grant all on %s to loader', name); end loop; end $$"""
        )
        query("grant create on schema public to loader")
        with connection.cursor() as cursor:
            cursor.execute("set role loader")
        connection.commit()
        loaded = load(connection, log(tmp_path, 4)).rows_loaded
    finally:
        connection.rollback()
        with connection.cursor() as cursor:
            cursor.execute("reset role")
        connection.commit()
        query("drop owned by loader")
        query("drop role loader")
    assert not swapped
    assert query("select count(*) from interactions") == [(loaded,)]


def test_a_click_is_not_lost_where_transactions_keep_their_first_snapshot(
    database: Any, connection: Connection, query: Query, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, database, lambda cursor: cursor.execute(CLICK, (NOW - timedelta(days=1),)))
    connection.set_session(isolation_level="REPEATABLE READ")
    loaded = load(connection, log(tmp_path, 2)).rows_loaded
    assert query("select count(*) from interactions where source = 'service'") == [(1,)]
    assert query("select count(*) from interactions") == [(loaded + 1,)]


@pytest.mark.parametrize("step", ["_fill_months", "merge_users", "take_place", "_record"])
def test_what_is_killed_leaves_nothing_and_goes_in_the_next_time(
    connection: Connection, query: Query, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = log(tmp_path, 5)
    shape = [query(each) for each in SHAPE]

    def end(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(run, step, end)
        with pytest.raises(KeyboardInterrupt):
            load(connection, path)
    assert query("select count(*) from interactions") == [(0,)]
    assert query("select count(*) from ingest_runs") == [(0,)]
    assert query("select relname from pg_class where relname like 'loading%'") == []
    assert [query(each) for each in SHAPE] == shape
    assert load(connection, path).rows_loaded == query("select count(*) from interactions")[0][0] > 0


def test_a_user_who_is_deleted_meanwhile_is_there_if_their_events_are(
    database: Any, connection: Connection, query: Query, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def delete(cursor: Cursor) -> None:
        cursor.execute("delete from users where user_id = 'u1'")
        cursor.execute("update change_state set forgotten_id = forgotten_id + 1 returning forgotten_id")
        cursor.execute("insert into forgotten_users values (%s, 'u1')", cursor.fetchone())

    meanwhile(monkeypatch, database, delete)
    load(connection, log(tmp_path, 7))
    assert query("select count(*) > 0 from interactions where user_id = 'u1'") == [(True,)]
    assert query("select count(*) from users where user_id = 'u1'") == [(1,)]


def test_two_files_at_once_are_loaded_one_after_the_other(
    database: Any, connection: Connection, query: Query, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = log(tmp_path, 8)
    swapped = taken(monkeypatch)
    other = psycopg2.connect(database.dsn)
    beside = threading.Thread(target=load, args=(other, path))
    beside.start()
    load(connection, path)
    beside.join()
    other.close()
    runs = query("select rows_loaded from ingest_runs order by rows_loaded")
    assert len(swapped) == 1 and runs[0] == (0,)
    assert query("select count(*) from interactions") == [runs[1]]
