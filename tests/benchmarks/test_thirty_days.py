"""The month: every line arrives once and on its day, nights pass, and what is wrong is seen."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pyarrow.parquet as pq
import pytest

from benchmarks.thirty_days.alerts import listen
from benchmarks.thirty_days.clock import pass_time
from benchmarks.thirty_days.days import Day, failures
from benchmarks.thirty_days.deliveries import cut, drop, drop_broken, new_assortment
from benchmarks.thirty_days.faults import PLAN, Fault
from benchmarks.thirty_days.nights import Ended
from benchmarks.thirty_days.shoppers import Tally
from benchmarks.thirty_days.story import row, story
from benchmarks.thirty_days.whole import Answers
from database.ingest import ADAPTERS, Options, WrongFormatError

TODAY = pd.Timestamp("2026-11-21 09:30", tz="UTC")


def test_the_month_is_cut_by_day_and_customer() -> None:
    retail = cut(30, 0.05, TODAY)

    assert next(iter(retail.days)) == date(2011, 11, 10)
    assert len(retail.days) == 30
    saturdays = [day for day in retail.days if day.weekday() == 5]
    assert all(retail.days[day].empty for day in saturdays)
    assert all(set(frame["InvoiceDate"].dt.date) <= {day} for day, frame in retail.days.items())
    assert retail.before["InvoiceDate"].dt.date.max() < date(2011, 11, 10)
    moved = min(retail.days) + timedelta(weeks=retail.weeks) - retail.ahead
    assert moved == date(2026, 11, 20)
    assert 0 < len(retail.customers) < 500


def test_a_broken_file_is_refused_and_the_whole_one_is_not(tmp_path: Path) -> None:
    lines = pd.DataFrame(
        {
            "InvoiceNo": ["1", "2"],
            "StockCode": ["85123A", "71053"],
            "Description": ["HEART", "LANTERN"],
            "Quantity": [6, 6],
            "InvoiceDate": pd.to_datetime(["2011-12-01", "2011-12-02"]),
            "UnitPrice": [2.5, 3.4],
            "CustomerID": [17850.0, 17850.0],
        }
    )
    ADAPTERS["retail"].check(drop(lines, tmp_path / "whole.parquet", timedelta(days=1)), Options())
    times = pq.read_table(tmp_path / "whole.parquet")["InvoiceDate"].to_pylist()
    assert times == [datetime(2011, 11, 30), datetime(2011, 12, 1)]
    with pytest.raises(WrongFormatError):
        ADAPTERS["retail"].check(drop_broken(lines, tmp_path / "half.parquet"), Options())


def test_the_new_assortment_is_a_catalogue(tmp_path: Path) -> None:
    path = new_assortment(tmp_path / "parts.csv", 50)

    ADAPTERS["products"].check(path, Options())
    [chunk] = ADAPTERS["products"].read(path, 0)
    assert chunk.items is not None
    assert len(chunk.items) == 50


def test_every_fault_is_planted_on_a_day_with_sales() -> None:
    retail = cut(30, 0.05, TODAY)
    days = list(retail.days.values())

    assert sorted(PLAN.values()) == sorted(Fault)
    assert all(len(days[number - 1]) for number in PLAN)


def test_when_a_night_passes_everything_remembered_is_a_day_older(connection: Any) -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    with connection.cursor() as cursor:
        cursor.execute("insert into users (user_id) values ('ann')")
        cursor.execute(
            """insert into interactions (user_id, event_type, query, occurred_at, source)
            values ('ann', 'search_query', 'lamp', %s, 'test'), ('ann', 'search_query', 'tea', %s, 'test')""",
            (noon, noon + timedelta(days=1)),
        )
        cursor.execute(
            """insert into deployments (bundle_id, bundle_tag, manifest, reason, deployed_at)
            values ('b', 'shortlist:b', '{}', 'test', %s)""",
            (noon,),
        )
        pass_time(connection, timedelta(days=1))
        cursor.execute("select query, occurred_at from interactions order by occurred_at")
        assert cursor.fetchall() == [("lamp", noon - timedelta(days=1)), ("tea", noon)]
        cursor.execute("select deployed_at from deployments")
        assert cursor.fetchone() == (noon - timedelta(days=1),)


def test_an_answer_of_another_bundle_is_seen() -> None:
    known = {"b1": {"tea": 0.9, "pot": 0.5}, "b2": {"tea": 0.7, "pot": 0.6}}
    answers = Answers(lambda bundle_id: lambda item: known[bundle_id])

    assert answers.compare("b1", "cup", {"tea": 0.9, "pot": 0.5}) == (True, False)
    assert answers.compare("b2", "cup", {"tea": 0.7, "pot": 0.6}) == (True, True)
    assert answers.compare("b2", "cup", {"tea": 0.7, "pot": 0.5}) == (False, True)
    assert answers.compare("b2", "cup", {"tea": 0.9, "pot": 0.5}) == (False, False)


def test_the_webhook_remembers_who_failed() -> None:
    event = {"dag_id": "daily_training", "task_id": "gate", "run_id": "day-13-03h", "error": "no"}
    with listen() as alerts:
        assert httpx.post(alerts.address, json=event).status_code == 204
    assert alerts.told == ["daily_training.gate of day-13-03h"]


def test_a_run_is_told_in_words() -> None:
    skipped = {
        "ingest": {"state": "success", "try_number": 2, "pid": 7},
        "validate": {"state": "skipped", "try_number": 0, "pid": None},
        "snapshot": {"state": "skipped", "try_number": 1, "pid": 8},
        "deploy": {"state": "skipped", "try_number": 0, "pid": None},
    }
    run = Ended("daily_training", "day-03-03h", "success", 4.2, skipped, {})

    assert run.in_words() == "`daily_training` skipped at `snapshot`, 4 s"
    assert run.tried_again() == {"ingest": 2}
    refused = Ended("daily_training", "day-13-03h", "failed", 20.0, skipped, {"gate": "worse"})
    assert refused.in_words() == "`daily_training` failed at `gate`, 20 s"


def test_the_story_names_failures_by_day_and_keeps_to_its_table() -> None:
    failed = Day(3, date(2026, 11, 1), "5 lines", tally=Tally(asked=2, failures=["/status: 500"]))
    failed.outcome = ["refused:\n a | b", "x" * 1000]

    assert failures([Day(1, date(2026, 10, 30)), failed]) == ["day 3: /status: 500"]
    line = row(failed)
    assert line.startswith("| 3 | Sun 2026-11-01 | 5 lines |")
    assert line.endswith("|  | 1 / 1 |")
    assert line.count("|") == 8 and len(line) < 600
    assert line in story([failed], ["It is over."], {"2026": "B1"}, 0.1)
