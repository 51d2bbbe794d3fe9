"""The inbox, and the command line as a user meets it."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from click.testing import CliRunner
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.ingest import ADAPTERS, ingest_file, ingest_inbox
from database.ingest.__main__ import main
from database.ingest.chunk import DEFAULT, INTERACTION_COLUMNS, Adapter, Chunk, Options
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
    def out_of_range(path: Path, weeks: int, options: Options = DEFAULT) -> Iterator[Chunk]:
        told = {"line": 1, "event_type": "click", "value": 1e60, "natural_key": "1"}
        row = (
            dict.fromkeys(INTERACTION_COLUMNS) | told | {"occurred_at": pd.Timestamp("2026-05-01", tz="UTC")}
        )
        yield Chunk(1, 1.0, interactions=pd.DataFrame([row]))

    adapter = Adapter("broken", "broken", "interactions", lambda path, options: None, out_of_range)
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
    assert '1  unknown event type: "stare" 1 ×' in result.output


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


def test_a_file_of_which_nothing_can_be_used_is_a_failure(
    connection: Connection, query: Query, tmp_path: Path
) -> None:
    text = "user_id,item_id,event_type,timestamp\nann,I1,stare,2024-05-06\nbob,I1,stare,2024-05-06\n"
    (tmp_path / "b.csv").write_text(text)
    told = 'b.csv: none of 2 rows could be loaded: unknown event type: "stare" 2 ×'
    result = CliRunner().invoke(main, ["interactions", str(tmp_path / "b.csv")])
    assert (result.exit_code, told in result.output) == (1, True)
    (delivery,) = ingest_inbox(connection, tmp_path, settle_seconds=0)
    assert delivery.moved_to == tmp_path / "failed/b.csv"
    report = json.loads((tmp_path / "failed/b.csv.report.json").read_text())
    assert (report["error"], report["rows_rejected"]) == (told, 2)
    assert query("select count(*) from rejected_rows") == [(2,)]


def test_a_file_that_says_nothing_new_is_done(connection: Connection, tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(CSV)
    deliveries = ingest_inbox(connection, tmp_path, settle_seconds=0)
    assert [(delivery.moved_to.parent.name, delivery.error) for delivery in deliveries] == [
        ("done", None)
    ] * 2


def test_a_file_without_rows_is_a_failure(connection: Connection, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text(CSV.splitlines()[0])
    told = "c.csv: there are no rows in it but its header: nothing was loaded"
    result = CliRunner().invoke(main, ["interactions", str(tmp_path / "c.csv")])
    assert (result.exit_code, told in result.output) == (1, True)
    (delivery,) = ingest_inbox(connection, tmp_path, settle_seconds=0)
    assert (delivery.moved_to, delivery.error) == (tmp_path / "failed/c.csv", told)


def test_the_inboxs_command_names_the_file_where_it_lies_then(connection: Connection, tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("Kundennr;movieId;rating;Zeit\n1;2;3;2024-05-01\n")
    (delivery,) = ingest_inbox(connection, tmp_path, settle_seconds=0)
    assert delivery.error is not None
    assert f"python -m database.ingest interactions {tmp_path / 'failed/b.csv'} --map" in delivery.error


def test_a_dry_run_writes_nothing(connection: Connection, query: Query, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("Visitor ID,SKU,event,time\nann,A1,view,2024-05-06\nbob,A1,stare,1\n")
    result = CliRunner().invoke(main, ["load", str(tmp_path), "--dry-run"])
    assert result.exit_code == 0, result.output
    for told in (
        "log.csv, as interactions:",
        "user_id is read from Visitor ID",
        "2 rows read: 1 usable, 1 rejected",
        "line 3: bob,A1,stare,1",
        "Nothing was written.",
    ):
        assert told in result.output
    assert query("select count(*) from ingest_runs") == [(0,)]


def test_a_word_for_an_event_can_be_said(connection: Connection, query: Query, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user_id,item_id,event_type,timestamp\nann,I1,Gekauft,2024-05-06\n")
    run = CliRunner().invoke
    path = str(tmp_path / "log.csv")
    assert run(main, ["load", path, "--event", "gekauft=purchase", "--event", "x=nothing"]).exit_code == 0
    assert query("select event_type, event_name from interactions") == [("purchase", "gekauft")]
    assert run(main, ["load", path, "--event", "gekauft=sold"]).exit_code == 2


def test_the_rows_of_a_query_are_loaded(connection: Connection, query: Query, postgres: Any) -> None:
    query("create table orders (customer text, sku text, at timestamptz, qty integer)")
    query("insert into orders values ('é', 'I1', '2024-05-06T10:00:00Z', 3), ('b', null, '2024-05-06', null)")
    source = ["--from", postgres.url(connection.info.dbname), "--event-type", "purchase"]
    statement = "select customer, sku, at as created_at, qty from orders order by 1 desc;"
    run = CliRunner().invoke
    result = run(main, ["interactions", *source, "--query", statement])
    assert result.exit_code == 0, result.output
    assert query("select user_id, item_id, event_type, value from interactions") == [
        ("é", "I1", "purchase", 3.0)
    ]
    for wrong, told in (
        ("select 1 from nowhere", '"nowhere" does not exist'),
        ("drop table orders", "syntax error"),
    ):
        result = run(main, ["interactions", *source, "--query", wrong])
        assert (result.exit_code, told in result.output) == (1, True), result.output
    assert run(main, ["interactions", *source]).exit_code == 2
    assert run(main, ["interactions"]).exit_code == 2


def test_a_log_of_the_past_can_be_moved_to_now(connection: Connection, query: Query, tmp_path: Path) -> None:
    rows = ["ann,I1,click,2019-03-04T10:00:00Z", "ann,I2,click,2019-03-11T11:00:00Z"]
    header = "user_id,item_id,event_type,timestamp\n"
    (tmp_path / "old.csv").write_text(header + "\n".join(rows))
    (tmp_path / "later.csv").write_text(header + rows[1] + "\nann,I3,click,2019-03-12T12:00:00Z\n")
    run = CliRunner().invoke
    assert run(main, ["load", str(tmp_path / "old.csv"), "--shift-to-now"]).exit_code == 0
    assert query("select now() - max(occurred_at) between '0' and '7 days' from interactions") == [(True,)]
    assert run(main, ["load", str(tmp_path / "later.csv")]).exit_code == 0
    assert query(
        "select item_id, extract(isodow from occurred_at at time zone 'UTC')::int, "
        "extract(hour from occurred_at at time zone 'UTC')::int from interactions order by 1"
    ) == [("I1", 1, 10), ("I2", 1, 11), ("I3", 2, 12)]


def test_a_log_that_ends_in_the_future_is_not_moved_back(
    connection: Connection, query: Query, tmp_path: Path
) -> None:
    """A shop's clock or zone may be ahead: the last event is then of up to a day from now."""
    ahead = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=20)
    moments = [ahead - timedelta(days=30), ahead]
    rows = [f"ann,I{place},click,{moment:%Y-%m-%dT%H:%M:%SZ}" for place, moment in enumerate(moments)]
    (tmp_path / "log.csv").write_text("\n".join(["user_id,item_id,event_type,timestamp", *rows]))
    assert CliRunner().invoke(main, ["load", str(tmp_path / "log.csv"), "--shift-to-now"]).exit_code == 0
    assert query("select occurred_at from interactions order by 1") == [(moment,) for moment in moments]
    assert query("select shift_weeks from ingest_runs") == [(0,)]


def test_a_log_of_the_past_says_so(connection: Connection, query: Query, tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_text("user_id,item_id,event_type,timestamp\nann,I1,click,2019-03-04\n")
    run = CliRunner().invoke
    assert "the last event is of 2019-03-04" in run(main, ["load", str(tmp_path / "old.csv")]).output
    again = run(main, ["load", str(tmp_path / "old.csv"), "--shift-to-now"])
    assert (again.exit_code, "loaded with their own times" in again.output) == (1, True)
    assert query("select count(*) from interactions") == [(1,)]


def test_a_dry_run_says_so_before_it_is_too_late(connection: Connection, tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_text("user_id,item_id,event_type,timestamp\nann,I1,click,2019-03-04\n")
    told = CliRunner().invoke(main, ["load", str(tmp_path / "old.csv"), "--dry-run"]).output
    assert "the last event is of 2019-03-04" in told and "--shift-to-now" in told
    assert "nothing `personalized` for who was away for over blend.stale_days" in told


def test_a_dry_run_shows_tags_apart(connection: Connection, tmp_path: Path) -> None:
    (tmp_path / "goods.csv").write_text("item_id,title,tags\nI1,Cup,red|small\n")
    assert "red, small" in CliRunner().invoke(main, ["load", str(tmp_path), "--dry-run"]).output


def test_an_empty_file_is_called_so(connection: Connection, tmp_path: Path) -> None:
    (tmp_path / "none.csv").write_text("")
    result = CliRunner().invoke(main, ["load", str(tmp_path)])
    assert (result.exit_code, "unknown file format: the file is empty;" in result.output) == (2, True)


def test_a_long_rejected_row_is_shown_in_part_and_exported_whole(
    connection: Connection, tmp_path: Path
) -> None:
    row = f"ann,{'x' * 5000},click,2024-05-06"
    (tmp_path / "b.csv").write_text(f"user_id,item_id,event_type,timestamp\n{row}\n{CSV.splitlines()[1]}\n")
    run = CliRunner().invoke
    run(main, ["interactions", str(tmp_path / "b.csv")])
    shown = run(main, ["rejected"]).output.splitlines()[-1]
    assert shown.endswith("xxx...") and len(shown) < 400
    run(main, ["rejected", "--export", str(tmp_path / "out.csv")])
    assert row in (tmp_path / "out.csv").read_text()


def test_words_that_were_defined_by_api_hold_in_files(
    connection: Connection, query: Query, tmp_path: Path
) -> None:
    query("insert into event_types values ('stare', 'click', 2.5), ('read>=3', 'like', null)")
    rows = "ann,I1,stare,2024-05-06,\nann,I2,read,2024-05-06,4\nann,I3,read,2024-05-06,2\n"
    (tmp_path / "log.csv").write_text("user_id,item_id,event_type,timestamp,value\n" + rows)
    ingest_file(connection, ADAPTERS["interactions"], tmp_path / "log.csv")
    assert query("select item_id, event_type, event_name, weight from interactions order by 1") == [
        ("I1", "click", "stare", 2.5),
        ("I2", "like", "read", None),
        ("I3", "click", "read", None),
    ]


def test_rejected_rows_are_listed_and_exported(connection: Connection, tmp_path: Path) -> None:
    run = CliRunner().invoke
    assert run(main, ["rejected"]).output == "No rows were rejected.\n"
    (tmp_path / "b.csv").write_text(CSV)
    run(main, ["interactions", str(tmp_path / "b.csv")])
    for words in ([], ["b.csv"], [str(tmp_path / "b.csv")]):
        assert run(main, ["rejected", *words]).output.splitlines() == [
            "            1  unknown event type",
            "b.csv:3: unknown event type: ann,I1,stare,2024-05-06",
        ]
    assert run(main, ["rejected", "c.csv"]).output == "No rows of c.csv were rejected.\n"
    run(main, ["rejected", "--export", str(tmp_path / "out.csv")])
    assert (tmp_path / "out.csv").read_text().splitlines() == [
        "source,line,reason,raw",
        'b.csv,3,unknown event type,"ann,I1,stare,2024-05-06"',
    ]


def test_the_columns_that_are_there_are_named(connection: Connection, tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("Kunde;movieId;rating;Zeit\n1;2;3;2024-05-01\n")
    result = CliRunner().invoke(main, ["interactions", str(tmp_path / "b.csv")])
    told = (
        "no column user_id, timestamp; its columns are Kunde, movieId, rating, Zeit; it looks like text "
        "separated by semicolons; try: python -m database.ingest interactions "
        f"{tmp_path / 'b.csv'} --map user_id=Kunde --map timestamp=Zeit"
    )
    assert (result.exit_code, told in result.output) == (2, True)
