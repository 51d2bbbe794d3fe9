"""Events go straight into the tables of empty months while a file is read, whatever ends that."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.ingest import (
    empty_months,
    event_keys,
    files,
    run,
    stage,
)
from database.ingest.chunk import Chunk
from database.ingest.inbox import ingest_inbox
from database.ingest.stage import Stage
from tests.database.ingest.months import (
    CLICK,
    EVENTS,
    NOW,
    REST,
    Query,
    be_killed,
    empty,
    load,
    log,
    meanwhile,
    write_row_by_row,
)

pytestmark = pytest.mark.usefixtures("one_is_enough")


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


@pytest.mark.parametrize("where", ["_make_months", "merge_users", "_finish_months", "take_place"])
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

    def lock(stage: Stage, chunk: Chunk, events: Any) -> None:
        real(stage, chunk, events)
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
