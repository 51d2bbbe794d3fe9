"""The month's deliveries: every line arrives once, on its day, or broken when it is meant to be."""

from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from benchmarks.thirty_days.days import PLAN, Day, Fault, failures
from benchmarks.thirty_days.deliveries import cut, drop, drop_broken, new_assortment
from benchmarks.thirty_days.shoppers import Tally
from database.ingest import ADAPTERS, WrongFormat

TODAY = pd.Timestamp("2026-11-21", tz="UTC")


def test_the_month_is_cut_by_day_and_customer() -> None:
    retail = cut(30, 0.05, TODAY)

    assert next(iter(retail.days)) == date(2011, 11, 10)
    assert len(retail.days) == 30
    saturdays = [day for day in retail.days if day.weekday() == 5]
    assert all(retail.days[day].empty for day in saturdays)
    assert all(set(frame["InvoiceDate"].dt.date) <= {day} for day, frame in retail.days.items())
    assert retail.before["InvoiceDate"].dt.date.max() < date(2011, 11, 10)
    moved = max(retail.days) + timedelta(weeks=retail.weeks)
    assert timedelta(0) <= TODAY.date() - moved <= timedelta(days=7)
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
    ADAPTERS["retail"].check(drop(lines, tmp_path / "whole.parquet"))
    assert pq.read_table(tmp_path / "whole.parquet").num_rows == 2
    with pytest.raises(WrongFormat):
        ADAPTERS["retail"].check(drop_broken(lines, tmp_path / "half.parquet"))


def test_the_new_assortment_is_a_catalogue(tmp_path: Path) -> None:
    path = new_assortment(tmp_path / "parts.csv", 50)

    ADAPTERS["products"].check(path)
    [chunk] = ADAPTERS["products"].read(path, 0)
    assert chunk.items is not None
    assert len(chunk.items) == 50


def test_every_fault_is_planted_on_a_day_with_sales() -> None:
    retail = cut(30, 0.05, TODAY)
    days = list(retail.days.values())

    assert sorted(PLAN.values()) == sorted(Fault)
    assert all(len(days[number - 1]) for number in PLAN)


def test_failures_name_their_day() -> None:
    failed = Day(3, date(2026, 11, 1), "", tally=Tally(asked=2, failures=["/status: 500"]))

    assert failures([Day(1, date(2026, 10, 30), ""), failed]) == ["day 3: /status: 500"]
