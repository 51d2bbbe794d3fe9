"""The inbox, and the command line as a user meets it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from click.testing import CliRunner
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.ingest import ingest_inbox
from database.ingest.__main__ import main
from database.ingest.chunk import INTERACTION_COLUMNS, Adapter, Chunk
from database.settings import get_settings

if TYPE_CHECKING:
    from tests.conftest import Postgres

Query = Callable[[str], list[tuple[Any, ...]]]
CSV = "user_id,item_id,event_type,timestamp\nann,I1,click,2024-05-06\nann,I1,stare,2024-05-06\n"


def test_files_are_sorted_into_done_and_failed(connection: Connection, query: Query, tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text(CSV)
    (tmp_path / "a.txt").write_text("a letter\n")
    (tmp_path / "c.csv.part").write_text(CSV)
    deliveries = ingest_inbox(connection, tmp_path, settle_seconds=0)
    assert [delivery.moved_to for delivery in deliveries] == [
        tmp_path / "failed/a.txt",
        tmp_path / "done/b.csv",
    ]
    report = json.loads((tmp_path / "done/b.csv.report.json").read_text())
    assert (report["rows_loaded"], report["reasons"]) == (1, {"unknown event type": 1})
    assert "unknown file format" in json.loads((tmp_path / "failed/a.txt.report.json").read_text())["error"]
    assert query("select count(*) from interactions") == [(1,)]
    (tmp_path / "b.csv").write_text(CSV)
    again = ingest_inbox(connection, tmp_path, settle_seconds=0)
    assert [delivery.moved_to.name for delivery in again] == ["2-b.csv"]
    assert again[0].report is not None and again[0].report.rows_loaded == 0


def test_a_value_that_can_not_be_stored_fails_its_file_only(
    connection: Connection, query: Query, tmp_path: Path
) -> None:
    def out_of_range(path: Path, weeks: int) -> Iterator[Chunk]:
        row = dict.fromkeys(INTERACTION_COLUMNS) | {"line": 1, "event_type": "click", "value": 1e60}
        yield Chunk(1, 1.0, interactions=pd.DataFrame([row]))

    adapter = Adapter("broken", "broken", "interactions", lambda path: None, out_of_range)
    (tmp_path / "a.csv").write_text(CSV)
    (delivery,) = ingest_inbox(connection, tmp_path, adapters=[adapter], settle_seconds=0)
    assert delivery.moved_to == tmp_path / "failed/a.csv"
    assert "a value that can't be stored" in str(delivery.error)
    assert query("select count(*) from interactions") == [(0,)]


def test_a_file_still_arriving_is_left_alone(connection: Connection, tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text(CSV)
    assert ingest_inbox(connection, tmp_path) == []
    assert ingest_inbox(connection, tmp_path / "nowhere") == []


def test_the_command_ends_with_counts_by_reason(connection: Connection, tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text(CSV)
    result = CliRunner().invoke(main, ["interactions", str(tmp_path / "b.csv")])
    assert result.exit_code == 0
    assert "1  unknown event type" in result.output


def test_a_foreign_file_gives_one_line_and_exit_code_2(connection: Connection, tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text(CSV)
    result = CliRunner().invoke(main, ["products", str(tmp_path / "b.csv")])
    assert result.exit_code == 2
    (line,) = result.output.splitlines()
    assert "not Amazon products: no column" in line


def test_the_failing_inbox_has_exit_code_1(
    connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text("a letter\n")
    monkeypatch.setattr("database.ingest.inbox._is_ready", lambda path, seconds: path.is_file())
    result = CliRunner().invoke(main, ["inbox", str(tmp_path)])
    assert result.exit_code == 1
    assert "unknown file format" in result.output


def test_a_database_without_a_schema_says_what_to_run(
    postgres: "Postgres", monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "b.csv").write_text(CSV)
    for url, told in (
        (postgres.url("postgres"), "run: python -m database.schema"),
        ("postgresql://nobody@127.0.0.1:1/x", "the database is unavailable"),
    ):
        monkeypatch.setenv("DATABASE_URL", url)
        get_settings.cache_clear()
        result = CliRunner().invoke(main, ["interactions", str(tmp_path / "b.csv")])
        assert (result.exit_code, told in result.output) == (1, True)
    get_settings.cache_clear()


def test_the_sample_loads_and_says_by_how_much_it_was_moved(connection: Connection, query: Query) -> None:
    result = CliRunner().invoke(main, ["sample"])
    assert result.exit_code == 0, result.output
    assert "weeks after the original ones" in result.output
    assert query("select rows_read, rows_loaded, rows_duplicate, rows_rejected from ingest_runs") == [
        (541_909, 522_566, 5_223, 14_120)
    ]
    assert query("select now() - max(occurred_at) between '0' and '7 days' from interactions") == [(True,)]
