"""Months without a row are filled apart: what is stored is what the plain way stores, whoever is beside."""

import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd
import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from database.ingest import (
    ADAPTERS,
    Report,
    empty_months,
    event_keys,
    files,
    ingest_file,
    merge_events,
    run,
    stage,
)
from database.ingest.chunk import Chunk
from database.ingest.inbox import ingest_inbox
from database.ingest.stage import Stage

Query = Callable[[str], list[tuple[Any, ...]]]
NOW = datetime.now(UTC)
DAYS = (1, 40, 41, 100, 800, 4000)
"""Ages of events: of months of their own, and of the partition that holds all that is old."""
EVENTS = """select user_id, item_id, event_type, event_name, weight, query, value, price, session_id,
    occurred_at, source, dedup_key, anonymous_id from interactions order by occurred_at, dedup_key"""
REST = (
    "select user_id from users order by 1",
    "select item_id, title from items order by 1",
    "select line, reason, raw from rejected_rows order by 1, 2, 3",
    "select rows_read, rows_loaded, rows_duplicate, rows_rejected, reasons::text from ingest_runs order by 1",
)
SHAPE = (
    """select inhrelid::regclass::text, pg_get_expr(c.relpartbound, c.oid), c.relacl
        from pg_inherits join pg_class c on c.oid = inhrelid
        where inhparent = 'interactions'::regclass order by 1""",
    """select tablename, indexname, indexdef from pg_indexes where tablename like 'interactions%'
        order by 1, 2""",
    """select conrelid::regclass::text, conname, pg_get_constraintdef(oid), conislocal, coninhcount,
        convalidated from pg_constraint where conrelid::regclass::text like 'interactions%' order by 1, 2""",
    """select p.relname, c.relname from pg_inherits i join pg_class p on p.oid = i.inhparent
        join pg_class c on c.oid = i.inhrelid where p.relkind = 'I' order by 1, 2""",
    """select attrelid::regclass::text, attname, attnotnull, attidentity, atthasdef, attstorage
        from pg_attribute where attrelid::regclass::text like 'interactions_y%' and attnum > 0
        order by 1, 2""",
)
CLICK = """insert into interactions (user_id, event_type, item_id, occurred_at, source)
    values ('live', 'click', 'i', %s, 'service') returning interaction_id"""

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


@pytest.fixture(autouse=True)
def _one_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(empty_months, "LEAST", 1)
    monkeypatch.setattr(empty_months, "_TRIES", 2)
    monkeypatch.setattr(empty_months, "_PATIENCE", "50ms")
    monkeypatch.setattr(empty_months, "_PAUSE", 0.01)


def log(folder: Path, seed: int, rows: int = 60) -> Path:
    """Few users, items and times, so that events repeat; some rows lack what they need."""
    draw = Random(seed)
    day = NOW.replace(hour=12, minute=0, second=0, microsecond=0)
    lines = ["user_id,item_id,event_type,timestamp,value,query,session_id,unit_price"]
    for _ in range(rows):
        kind = draw.choice(["click", "click", "purchase", "rating", "like", "search_query", "dance"])
        value = {"purchase": draw.choice(["1", "-1"]), "rating": draw.choice(["3", "5", "9"])}.get(kind, "")
        moment = (day - timedelta(days=draw.choice(DAYS))).isoformat()
        row = (
            draw.choice(["u1", "u2", "andré", "andrè", ""]),
            draw.choice(["i1", "i2"]),
            kind,
            draw.choice([moment] * 9 + ["never", "1990-01-01", "2200-01-01"]),
            value,
            '"a ""lamp"""' if kind == "search_query" else "",
            draw.choice(["", "s1"]),
            draw.choice(["", "2.5"]),
        )
        lines.append(",".join(row))
    path = folder / "log.csv"
    path.write_text("\n".join([*lines, ""]))
    return path


def load(conn: Connection, path: Path) -> Report:
    return ingest_file(conn, ADAPTERS["interactions"], path)


def meanwhile(monkeypatch: pytest.MonkeyPatch, database: Any, act: Callable[[Cursor], None]) -> None:
    """Another connection commits this after the months were found empty, and before they are locked."""
    real = run._record

    def with_it(*arguments: Any) -> None:
        real(*arguments)
        other = psycopg2.connect(database.dsn, options="-c statement_timeout=3s")
        with other, other.cursor() as cursor:
            act(cursor)
        other.close()

    monkeypatch.setattr(run, "_record", with_it)


def taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many months take a place, each time that some do so."""
    counts: list[int] = []
    real = empty_months.take_place

    def counting(conn: Connection, months: Any) -> None:
        real(conn, months)
        if months:
            counts.append(len(months))

    monkeypatch.setattr(run, "take_place", counting)
    return counts


def empty(query: Query) -> None:
    query("truncate interactions, users, items, rejected_rows, ingest_runs restart identity cascade")
    query("update change_state set catalogue_seq = 0")


def write_row_by_row(conn: Connection, path: Path) -> None:
    """What a file's events come to: one after another, each with the key that its count in the file gives."""
    stood = Counter[str]()
    with conn, conn.cursor() as cursor:
        for chunk in ADAPTERS["interactions"].read(path, 0):
            rows = [] if chunk.interactions is None else chunk.interactions.to_dict("records")
            for row in rows:
                told: dict[str, Any] = {
                    str(name): None if pd.isna(value) else value for name, value in row.items()
                }
                key = told["natural_key"]
                stood[key] += 1
                if stood[key] > 1:
                    if told["event_type"] in {"like", "rating", "feedback"}:
                        continue
                    key = f"{key}#{stood[key]}"
                cursor.execute(
                    """insert into interactions (user_id, item_id, event_type, event_name, weight, query,
                        value, price, session_id, occurred_at, source, dedup_key)
                    values (%(user_id)s, %(item_id)s, %(event_type)s, %(event_name)s, %(weight)s, %(query)s,
                        %(value)s, %(price)s, %(session_id)s, %(occurred_at)s, 'interactions',
                        md5(%(key)s)::uuid) on conflict (dedup_key, occurred_at) do nothing""",
                    {"price": None} | told | {"key": key},
                )
                cursor.execute(
                    """insert into users (user_id) select %(user_id)s::text where %(user_id)s is not null
                    on conflict do nothing""",
                    told,
                )
                cursor.execute(
                    """insert into items (item_id, change_seq) select %(item_id)s::text, 1
                    where %(item_id)s is not null on conflict do nothing""",
                    told,
                )


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seeds=st.lists(st.integers(0, 10**6), min_size=1, max_size=2),
    batch=st.sampled_from([3, 25, 1000]),
    full=st.sampled_from([4, 1 << 22]),
    ids=st.sampled_from([0, 1 << 28]),
    least=st.sampled_from([1, 15, 10**9]),
)
def test_files_end_in_what_writing_one_row_after_another_ends_in(
    connection: Connection,
    query: Query,
    tmp_path: Path,
    seeds: list[int],
    batch: int,
    full: int,
    ids: int,
    least: int,
) -> None:
    """Files that overlap, into an empty database and what is there then; in chunks of any size."""
    paths = []
    for number, seed in enumerate(seeds):
        (tmp_path / str(number)).mkdir(exist_ok=True)
        paths.append(log(tmp_path / str(number), seed, rows=30))
    tables = (EVENTS, *REST[:2])
    empty(query)
    for path in paths:
        write_row_by_row(connection, path)
    expected = [query(each) for each in tables]
    empty(query)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "BATCH", batch)
        patch.setattr(event_keys, "FULL", full)
        patch.setattr(stage, "MANY_IDS", ids)
        patch.setattr(empty_months, "LEAST", least)
        reports = [load(connection, path) for path in paths]
    assert [query(each) for each in tables] == expected
    assert sum(report.rows_loaded for report in reports) == len(expected[0])
    assert sum(report.users_new for report in reports) == len(expected[1])
    assert query("select relname from pg_class where relname like 'loading%'") == []


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


def test_many_events_that_stand_twice_are_not_compared_each_with_each(
    database: Any, query: Query, tmp_path: Path
) -> None:
    """With little memory, as it is with 100,000 such keys in the usual one. Each with each takes minutes."""
    path = tmp_path / "log.csv"
    moment = (NOW - timedelta(days=1)).isoformat()
    rows = [f"u{n},i{n % 9},click,{moment}\n" for n in range(30_000)]
    path.write_text("user_id,item_id,event_type,timestamp\n" + "".join(rows * 2))
    conn = psycopg2.connect(database.dsn, options="-c work_mem=64kB -c statement_timeout=15s")
    assert load(conn, path).rows_loaded == 60_000
    conn.close()
    assert query("select count(*) from interactions") == [(60_000,)]


@pytest.mark.parametrize("step", ["take_place", "_record"])
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


@pytest.mark.parametrize("where", ["take_place", "_make_months"])
def test_what_a_lost_connection_leaves_is_gone_after_the_next_run(
    database: Any,
    connection: Connection,
    query: Query,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    path = log(tmp_path, 5)

    def lose(conn: Connection, *_: Any) -> None:
        conn.close()
        raise KeyboardInterrupt

    lost = psycopg2.connect(database.dsn)
    with monkeypatch.context() as killed:
        killed.setattr(run, where, lose)
        with pytest.raises(KeyboardInterrupt):
            load(lost, path)
    tables = "select relname from pg_class where relname like 'loading%' and relkind in ('r', 'p')"
    assert query("select count(*) from interactions") == [(0,)]
    assert query(tables) != []
    loaded = load(connection, path).rows_loaded
    assert query(tables) == []
    assert query("select count(*) from interactions") == [(loaded,)]


def be_killed(database: Any, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Load a log on a connection that is lost when all of it has been read."""
    lost = psycopg2.connect(database.dsn)

    def lose(*_: Any) -> None:
        lost.close()
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(run, "_make_months", lose)
        with pytest.raises(KeyboardInterrupt):
            load(lost, path)


def test_what_a_killed_run_left_goes_with_the_next_look_into_an_empty_inbox(
    database: Any, connection: Connection, query: Query, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its events may be of users who have been deleted since."""
    be_killed(database, log(tmp_path, 5), monkeypatch)
    tables = "select relname from pg_class where relname like 'loading%'"
    assert query(tables) != []
    assert ingest_inbox(connection, tmp_path / "none") == []
    assert query(tables) == []


def test_nothing_is_lost_where_one_month_is_taken_early_and_another_late(
    database: Any, connection: Connection, query: Query, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = log(tmp_path, 2)
    real = run._make_months

    def then_click(*arguments: Any) -> None:
        real(*arguments)
        with psycopg2.connect(database.dsn) as shop, shop.cursor() as cursor:
            cursor.execute(CLICK, (NOW - timedelta(days=1),))
        shop.close()

    with monkeypatch.context() as patch:
        patch.setattr(run, "_make_months", then_click)
        meanwhile(patch, database, lambda cursor: cursor.execute(CLICK, (NOW - timedelta(days=800),)))
        loaded = load(connection, path).rows_loaded
    assert query("select count(*) from interactions where source = 'interactions'") == [(loaded,)]
    found = query(EVENTS)
    empty(query)
    load(connection, path)
    assert [row for row in found if row[0] != "live"] == query(EVENTS)


def test_events_are_not_locked_while_a_file_is_read(
    database: Any, connection: Connection, query: Query, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real, read = log(tmp_path, 2), Stage.add, list[int]()

    def lock(stage: Stage, chunk: Chunk) -> None:
        real(stage, chunk)
        with psycopg2.connect(database.dsn, options="-c lock_timeout=1s") as other, other.cursor() as cursor:
            cursor.execute("lock table interactions in access exclusive mode")
            read.append(chunk.rows)
        other.close()

    with monkeypatch.context() as patch:
        patch.setattr(Stage, "add", lock)
        load(connection, path)
    assert sum(read) == 60


def test_what_a_killed_run_left_is_never_filled_on(
    database: Any, connection: Connection, query: Query, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup keeps it from being dropped before the next run."""
    monkeypatch.setattr(empty_months, "DDL_TIMEOUT", "50ms")
    backup = psycopg2.connect(database.dsn)
    be_killed(database, log(tmp_path, 5), monkeypatch)
    with backup.cursor() as cursor:
        cursor.execute("select count(*) > 0 from loading_interactions")
        assert cursor.fetchall() == [(True,)]
    loaded = load(connection, log(tmp_path, 6)).rows_loaded
    assert query("select count(*) from interactions") == [(loaded,)]
    backup.close()
    assert load(connection, log(tmp_path, 6)).rows_loaded == 0
    assert query("select relname from pg_class where relname like 'loading%'") == []


def test_who_reads_the_months_that_are_being_filled_is_waited_for_a_while_only(
    database: Any, connection: Connection, query: Query, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup, which locks every table that it finds against changes, for as long as it takes."""
    path = log(tmp_path, 5)
    monkeypatch.setattr(empty_months, "DDL_TIMEOUT", "50ms")
    backup, real = psycopg2.connect(database.dsn), run._make_months

    def begin(*arguments: Any) -> None:
        real(*arguments)
        with backup.cursor() as cursor:
            cursor.execute("select count(*) from loading_interactions")

    with monkeypatch.context() as patch:
        patch.setattr(run, "_make_months", begin)
        loaded = load(connection, path).rows_loaded
    assert query("select count(*) from interactions") == [(loaded,)]
    assert load(connection, path).rows_loaded == 0
    backup.close()
    assert load(connection, path).rows_loaded == 0
    assert query("select relname from pg_class where relname like 'loading%'") == []


def test_a_key_that_no_file_can_have_twice_ends_in_the_plain_way(
    connection: Connection, query: Query, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if two texts had the same MD5: the events are stored once, as ever."""
    path = log(tmp_path, 6)
    load(connection, path)
    found = query(EVENTS)
    empty(query)
    real = empty_months.build_keys

    def twice(conn: Connection, months: Any) -> None:
        with conn.cursor() as cursor:
            cursor.execute(f"insert into {empty_months.LOADING} select * from {empty_months.LOADING}")
        real(conn, months)

    monkeypatch.setattr(merge_events, "build_keys", twice)
    load(connection, path)
    assert query(EVENTS) == found


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
