"""An ingestion beside others who write: they get their turn, and a killed one is completed by the next."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psycopg2
import pytest
from numpy.typing import NDArray
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.ingest import ADAPTERS, Report, empty_months, ingest_file, merge, run
from database.ingest.merge_events import merge_users
from database.ingest.stage import Ids

Query = Callable[[str], list[tuple[Any, ...]]]
ITEMS = 60


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge, "BATCH", 10)


def items_file(tmp_path: Path, word: str = "lamp") -> Path:
    path = tmp_path / f"{word}.csv"
    rows = [f"I{number:03},{word} {number}" for number in range(ITEMS)]
    path.write_text("\n".join(["item_id,title", *rows, ""]))
    return path


def interactions_file(tmp_path: Path) -> Path:
    path = tmp_path / "i.csv"
    rows = [f"u{number},N{number:03},click,2026-05-01" for number in range(ITEMS)]
    path.write_text("\n".join(["user_id,item_id,event_type,timestamp", *rows, ""]))
    return path


class Taking:
    """Takes the catalogue's number whenever the ingestion has done a batch, as an item's save does."""

    name = "none"

    def __init__(self, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.taken = 0
        self._waiting: list[threading.Thread] = []
        real = merge.merge_catalogue

        def then_take(*arguments: Any) -> merge.Merged:
            self.join()  # the batch before is committed: whoever waited for it has had their turn
            found = real(*arguments)
            waiting = threading.Thread(target=self._take, args=(dsn,))
            waiting.start()
            self._waiting.append(waiting)
            return found

        monkeypatch.setattr(run, "merge_catalogue", then_take)

    def _take(self, dsn: str) -> None:
        conn = psycopg2.connect(dsn, options="-c lock_timeout=5s")
        with conn, conn.cursor() as cursor:
            cursor.execute(
                "update change_state set catalogue_seq = catalogue_seq + 1 returning catalogue_seq"
            )
            cursor.execute("select count(*) from items")
            self.taken += cursor.fetchall()[0][0] < ITEMS
        conn.close()

    def join(self) -> None:
        for waiting in self._waiting:
            waiting.join()


@pytest.mark.parametrize("make", [items_file, interactions_file])
def test_others_write_items_while_a_file_comes_in(
    database: Any,
    connection: Connection,
    query: Query,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Any,
) -> None:
    others = Taking(database.dsn, monkeypatch)
    adapter = ADAPTERS["items" if make is items_file else "interactions"]
    report = ingest_file(connection, adapter, make(tmp_path))
    others.join()
    assert others.taken >= 3, "others wrote before the file was wholly in"
    assert report.items_new + report.items_bare == ITEMS
    numbers = query("select change_seq, count(*) from items group by 1 order by 1")
    assert len(numbers) == 6 and {count for _, count in numbers} == {10}


def test_items_that_others_write_meanwhile_stay_as_they_are(
    database: Any, connection: Connection, query: Query, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were not there when the file's ids were put in batches."""
    real = merge.merge_catalogue

    def after_others(*arguments: Any) -> merge.Merged:
        others = psycopg2.connect(database.dsn)
        with others, others.cursor() as cursor:
            cursor.execute(
                """insert into items (item_id, title, deleted_at, change_seq) values
                ('N000', 'Lamp', null, 0), ('N007', null, null, 0), ('N031', 'Gone', now(), 0)
                on conflict (item_id) do nothing"""
            )
        others.close()
        return real(*arguments)

    monkeypatch.setattr(run, "merge_catalogue", after_others)
    report = ingest_file(connection, ADAPTERS["interactions"], interactions_file(tmp_path))
    assert (report.items_bare, report.rows_loaded) == (ITEMS - 3, ITEMS)
    assert query("select item_id, title, deleted_at is null from items where change_seq = 0 order by 1") == [
        ("N000", "Lamp", True),
        ("N007", None, True),
        ("N031", "Gone", False),
    ]
    assert query("select count(*), count(distinct change_seq) from items") == [(ITEMS, 7)]


def test_what_a_killed_run_left_is_completed(
    connection: Connection, query: Query, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = merge.merge_catalogue
    done: list[Any] = []

    def fail_late(*arguments: Any) -> merge.Merged:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(arguments)
        return real(*arguments)

    path = items_file(tmp_path)
    with monkeypatch.context() as killed:
        killed.setattr(run, "merge_catalogue", fail_late)
        with pytest.raises(KeyboardInterrupt):
            ingest_file(connection, ADAPTERS["items"], path)
    assert query("select count(*) from items") == [(30,)]
    assert query("select count(*) from ingest_runs") == [(0,)]
    report = ingest_file(connection, ADAPTERS["items"], path)
    assert (report.items_new, report.rows_loaded, report.rows_duplicate) == (30, 30, 30)
    assert query("select count(*), count(distinct title) from items") == [(ITEMS, ITEMS)]


def test_a_file_without_news_takes_no_number(connection: Connection, query: Query, tmp_path: Path) -> None:
    path = items_file(tmp_path)
    ingest_file(connection, ADAPTERS["items"], path)
    before = query("select catalogue_seq from change_state")
    cursor = connection.cursor()
    with psycopg2.connect(connection.dsn) as other, other.cursor() as holding:
        holding.execute("select * from change_state for update")
        cursor.execute("set lock_timeout = '1s'")
        connection.commit()
        assert ingest_file(connection, ADAPTERS["items"], path).rows_loaded == 0
    other.close()
    assert query("select catalogue_seq from change_state") == before


def wait_for_a_lock(dsn: str, loading: threading.Thread) -> None:
    """Until somebody waits for a lock, or the loading has ended."""
    with psycopg2.connect(dsn) as third, third.cursor() as watching:
        third.autocommit = True
        waits = 0
        while not waits and loading.is_alive():
            watching.execute("select count(*) from pg_locks where not granted")
            waits = watching.fetchall()[0][0]
    third.close()


def test_a_file_never_takes_the_number_of_a_writer_before_it(
    database: Any, connection: Connection, query: Query, tmp_path: Path
) -> None:
    """Who has applied that number would not see the file's items."""
    with psycopg2.connect(database.dsn) as other, other.cursor() as holding:
        holding.execute("update change_state set catalogue_seq = catalogue_seq + 1")
        path = items_file(tmp_path)
        loading = threading.Thread(target=ingest_file, args=(connection, ADAPTERS["items"], path))
        loading.start()
        wait_for_a_lock(database.dsn, loading)
        other.commit()
        loading.join()
    other.close()
    assert query("select min(change_seq), max(change_seq) from items") == [(2, 1 + ITEMS // 10)]
    assert query("select catalogue_seq from change_state") == [(1 + ITEMS // 10,)]


@pytest.mark.parametrize("kept", [True, False])
def test_a_user_whom_somebody_else_makes_meanwhile_is_there_once(
    database: Any, connection: Connection, query: Query, tmp_path: Path, kept: bool
) -> None:
    query("insert into users (user_id) values ('u1')")
    reports: list[Report] = []

    def load() -> None:
        reports.append(ingest_file(connection, ADAPTERS["interactions"], interactions_file(tmp_path)))

    with psycopg2.connect(database.dsn) as other, other.cursor() as making:
        making.execute("insert into users (user_id, labels) values ('u7', array['kept'])")
        loading = threading.Thread(target=load)
        loading.start()
        wait_for_a_lock(database.dsn, loading)
        if kept:
            other.commit()
        else:
            other.rollback()
        loading.join()
    other.close()
    assert [report.users_new for report in reports] == [ITEMS - 1 - kept]
    assert query("select count(*), count(*) filter (where labels = '{kept}') from users") == [(ITEMS, kept)]


def test_events_wait_for_whoever_locks_their_table(
    database: Any, connection: Connection, query: Query, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an index that is built does, longer than a change of the schema may wait."""
    monkeypatch.setattr(empty_months, "DDL_TIMEOUT", "50ms")
    other = psycopg2.connect(database.dsn)
    let_go = threading.Timer(0.5, other.rollback)

    def then_lock(conn: Connection, users: Ids) -> int:
        with other.cursor() as cursor:
            cursor.execute("lock table interactions in share mode")
        let_go.start()
        return merge_users(conn, users)

    monkeypatch.setattr(run, "merge_users", then_lock)
    assert ingest_file(connection, ADAPTERS["interactions"], interactions_file(tmp_path)).rows_loaded == ITEMS
    let_go.join()
    other.close()
    assert query("select count(*) from interactions") == [(ITEMS,)]


class Encoder:
    """Vectors of the length of each text."""

    name = "lengths"

    def encode(self, texts: list[str]) -> NDArray[np.float32]:
        return np.array([[len(text), 1] for text in texts], dtype=np.float32)


def test_every_item_has_its_vector_at_once(connection: Connection, query: Query, tmp_path: Path) -> None:
    report = ingest_file(connection, ADAPTERS["items"], items_file(tmp_path), encoder=Encoder())
    assert report.vectors == ITEMS
    again = ingest_file(
        connection, ADAPTERS["items"], items_file(tmp_path, "a longer name"), encoder=Encoder()
    )
    assert (again.items_changed, again.vectors) == (ITEMS, ITEMS)
    rows = "from items join embeddings using (item_id, text_hash)"
    assert query(f"select count(*) {rows}") == [(ITEMS,)]
