"""Rows are staged while the next ones are read: two chunks ahead, and whatever fails leaves nothing."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.ingest import ADAPTERS, IngestError, ingest_file
from database.ingest.chunk import Adapter, Chunk
from database.ingest.stage import Stage

Query = Callable[[str], list[tuple[Any, ...]]]
TABLES = ("interactions", "users", "items", "ingest_runs", "rejected_rows")


def clicks(first: int, value: float = 1.0) -> Chunk:
    """Three clicks, of the lines from `first` on."""
    rows = range(first, first + 3)
    frame = pd.DataFrame(
        {
            "line": rows,
            "user_id": [f"u{row}" for row in rows],
            "item_id": "i",
            "event_type": "click",
            "value": value,
            "occurred_at": pd.Timestamp("2026-05-01", tz="UTC"),
            "natural_key": [f"k{row}" for row in rows],
        }
    )
    return Chunk(3, first / 100, interactions=frame)


def giving(chunks: Callable[[], Iterator[Chunk]]) -> Adapter:
    """Reads these chunks, whatever the file."""
    return replace(ADAPTERS["interactions"], check=lambda *_: None, read=lambda *_: chunks())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "log.csv").touch()
    return tmp_path / "log.csv"


def nothing_is_left(query: Query) -> bool:
    left = [query(f"select count(*) from {table}")[0][0] for table in TABLES]
    staged = query("select count(*) from pg_class where relname like 'staged%' and relpersistence = 't'")
    return left == [0] * len(TABLES) and staged == [(0,)]


def test_two_chunks_are_read_ahead_and_no_more(
    connection: Connection, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged: list[int] = []

    real = Stage.add

    def noting(stage: Stage, chunk: Chunk, events: Any) -> None:
        real(stage, chunk, events)
        staged.append(chunk.rows)

    def chunks() -> Iterator[Chunk]:
        for number in range(10):
            assert len(staged) >= number - 2
            yield clicks(3 * number)

    monkeypatch.setattr(Stage, "add", noting)
    report = ingest_file(connection, giving(chunks), path)
    assert (report.rows_read, report.rows_loaded, len(staged)) == (30, 30, 10)


@pytest.mark.parametrize("last", [True, False])
def test_what_the_server_refuses_ends_the_run_and_is_said(
    connection: Connection, query: Query, path: Path, last: bool
) -> None:
    def chunks() -> Iterator[Chunk]:
        yield clicks(0)
        yield clicks(3, value=1e300)  # more than the column holds
        if not last:
            yield clicks(6)
            yield clicks(9)

    with pytest.raises(IngestError, match="a value that can't be stored"):
        ingest_file(connection, giving(chunks), path)
    assert nothing_is_left(query)


@pytest.mark.parametrize("error", [IngestError("damaged"), KeyboardInterrupt()])
def test_a_file_that_breaks_off_while_rows_are_staged_leaves_nothing(
    connection: Connection, query: Query, path: Path, error: BaseException
) -> None:
    def chunks() -> Iterator[Chunk]:
        yield clicks(0)
        yield clicks(3)
        raise error

    with pytest.raises(type(error)):
        ingest_file(connection, giving(chunks), path)
    assert nothing_is_left(query)
    assert ingest_file(connection, giving(lambda: iter([clicks(0)])), path).rows_loaded == 3
