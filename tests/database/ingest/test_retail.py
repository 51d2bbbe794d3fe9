"""Online Retail: both years' columns, what is a sale, ids, titles, the sample's shift."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.ingest import ADAPTERS, WrongFormatError, ingest_file, ingest_sample

Query = Callable[[str], list[tuple[Any, ...]]]
RETAIL = ADAPTERS["retail"]
LATER = (
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
)
EARLIER = (
    "Invoice",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "Price",
    "Customer ID",
    "Country",
)
Line = tuple[str, str, str | None, int, str, float, float | None]

SALES: list[Line] = [
    ("536365", "85123A", "WHITE  HEART HOLDER ", 6, "2010-12-01 08:26:00", 2.55, 17850.0),
    ("536366", "85123a", "WHITE HEART HOLDER", 1, "2010-12-01 08:30:00", 2.95, None),
    ("536367", "85123A", "wrongly coded", 1, "2010-12-01 08:31:00", 2.55, 12345.0),
    ("536367", "71053", "METAL LANTERN", 2, "2010-12-01 08:31:00", 3.39, 12345.0),
]
REFUSED: list[tuple[Line, str]] = [
    (("C536379", "85123A", "WHITE HEART HOLDER", -1, "2010-12-01 09:41:00", 2.55, 17850.0), "cancellation"),
    (("536370", "POST", "POSTAGE", 3, "2010-12-01 08:45:00", 18.0, 12583.0), "stock code is not a product"),
    (
        ("536370", "BANK CHARGES", "Bank Charges", 1, "2010-12-01 08:45:00", 15.0, None),
        "stock code is not a product",
    ),
    (
        ("536371", "DCGS-0003-XYZ", "TOO LONG", 1, "2010-12-01 08:45:00", 1.0, None),
        "stock code longer than 10",
    ),
    (("536372", "71053", "damages", -5, "2010-12-01 08:45:00", 0.0, None), "quantity is not positive"),
    (("536373", "71053", "found", 5, "2010-12-01 08:45:00", 0.0, None), "price is not positive"),
    (("536374", "", "NOTHING", 5, "2010-12-01 08:45:00", 1.0, None), "no invoice, stock code"),
]


def write(path: Path, lines: list[Line], names: tuple[str, ...] = LATER) -> Path:
    frame = pd.DataFrame([(*line, "United Kingdom") for line in lines], columns=list(names))
    if names is LATER:
        frame["InvoiceDate"] = pd.to_datetime(frame["InvoiceDate"])
    frame.to_parquet(path)
    return path


def test_sales_become_purchases_and_items(connection: Connection, query: Query, tmp_path: Path) -> None:
    report = ingest_file(connection, RETAIL, write(tmp_path / "a.parquet", SALES))
    assert (report.rows_read, report.rows_loaded, report.rows_rejected) == (4, 4, 0)
    assert query("select item_id, title, price, category from items order by 1") == [
        ("0000071053", "METAL LANTERN", 3.39, None),
        ("000085123A", "WHITE HEART HOLDER", 2.55, None),
    ]
    rows = query("select user_id, item_id, event_type, value, session_id from interactions order by 1, 2")
    assert rows[0] == ("12345", "0000071053", "purchase", 2.0, "536367")
    assert rows[-1] == (None, "000085123A", "purchase", 1.0, "536366")
    assert query("select user_id from users order by 1") == [("12345",), ("17850",)]


def test_lines_that_are_no_sales_are_kept_with_their_reason(
    connection: Connection, query: Query, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.parquet", SALES + [line for line, _ in REFUSED])
    report = ingest_file(connection, RETAIL, path)
    assert report.rows_rejected == len(REFUSED) == sum(report.reasons.values())
    rows = query("select source, line, reason, raw from rejected_rows order by line")
    for (line, reason), (source, number, told, raw) in zip(REFUSED, rows, strict=True):
        assert (source, told.startswith(reason)) == ("a.parquet", True)
        assert number == 5 + [refused for refused, _ in REFUSED].index(line)
        assert f'"InvoiceNo":"{line[0]}"' in raw


def test_the_same_file_twice_changes_nothing(connection: Connection, query: Query, tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [*SALES, SALES[0], REFUSED[0][0]])
    tables = "select count(*) from interactions union all select count(*) from rejected_rows"
    first = ingest_file(connection, RETAIL, path)
    before = query(f"{tables} union all select catalogue_seq from change_state")
    second = ingest_file(connection, RETAIL, path)
    assert (first.rows_loaded, first.rows_duplicate) == (4, 1)
    assert (second.rows_loaded, second.rows_duplicate, second.rows_rejected) == (0, 5, 1)
    assert query(f"{tables} union all select catalogue_seq from change_state") == before


def test_the_other_years_file_overlaps(connection: Connection, query: Query, tmp_path: Path) -> None:
    later = write(tmp_path / "later.parquet", SALES)
    older: Line = ("489434", "71053", "OLD NAME", 1, "2009-12-01 07:45:00", 9.99, 13085.0)
    earlier = write(tmp_path / "earlier.parquet", [older, *SALES[:3]], EARLIER)
    now = datetime(2026, 3, 4, tzinfo=UTC)
    assert ingest_sample(connection, later, now=now).rows_loaded == 4
    report = ingest_file(connection, RETAIL, earlier)
    assert (report.rows_loaded, report.rows_duplicate) == (1, 3)
    assert report.shift_weeks > 0
    assert query("select title, price from items where item_id = '0000071053'") == [("METAL LANTERN", 3.39)]
    assert query("select catalogue_seq from change_state") == [(1,)]


@pytest.mark.parametrize(("minutes", "price"), [(-1, 2.55), (0, 3.15), (1, 3.15)])
def test_of_two_files_the_one_with_the_later_sales_describes_an_item_and_of_equals_the_later_file(
    connection: Connection, query: Query, tmp_path: Path, minutes: int, price: float
) -> None:
    """A file that was put right ends with the same sale as the one before it."""
    invoice, *sold, _, _, customer = SALES[0]
    last = datetime(2010, 12, 1, 8, 26) + timedelta(minutes=minutes)
    again: Line = (invoice, *sold, str(last), 3.15, customer)  # type: ignore[assignment]
    ingest_file(connection, RETAIL, write(tmp_path / "a.parquet", SALES[:1]))
    ingest_file(connection, RETAIL, write(tmp_path / "b.parquet", [again]))
    assert query("select price from items") == [(price,)]


def test_the_sample_ends_within_the_past_week(connection: Connection, query: Query, tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", SALES)
    now = datetime(2026, 3, 4, tzinfo=UTC)
    report = ingest_sample(connection, path, now=now)
    ((last,),) = query("select max(occurred_at) from interactions")
    assert 0 <= (now - last).total_seconds() < 7 * 86400
    assert last.weekday() == datetime(2010, 12, 1, tzinfo=UTC).weekday()
    assert query("select shift_weeks from ingest_runs") == [(report.shift_weeks,)]
    again = ingest_sample(connection, path, now=datetime(2027, 3, 4, tzinfo=UTC))
    assert (again.rows_loaded, again.shift_weeks) == (0, report.shift_weeks)


def test_a_file_without_lines_is_no_error_but_no_sample(connection: Connection, tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [])
    with pytest.raises(WrongFormatError, match="no invoice line"):
        ingest_sample(connection, path)
    assert ingest_file(connection, RETAIL, path).rows_read == 0
    only_refused = write(tmp_path / "b.parquet", [line for line, _ in REFUSED])
    assert ingest_file(connection, RETAIL, only_refused).rows_rejected == len(REFUSED)


@pytest.mark.parametrize("content", [b"PAR1 no", b"a,b\n1,2\n", b""])
def test_a_foreign_file_is_refused_before_anything_is_written(
    connection: Connection, query: Query, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(WrongFormatError):
        ingest_file(connection, RETAIL, tmp_path / "x")
    assert query("select count(*) from ingest_runs") == [(0,)]


def test_lines_out_of_time_and_foreign_customers_are_refused(
    connection: Connection, query: Query, tmp_path: Path
) -> None:
    frame = pd.DataFrame(
        {
            "InvoiceNo": ["1", "2", "3", "4", "5"],
            "StockCode": ["71053"] * 5,
            "Description": ["LAMP"] * 5,
            "Quantity": [1] * 5,
            "InvoiceDate": pd.to_datetime(["2011-01-01"] * 3 + ["1900-01-01", "2026-01-01"]),
            "UnitPrice": [1.0] * 5,
            "CustomerID": ["17850.0", "17850.5", "A17", "1", "1"],
        }
    ).assign(InvoiceDate=lambda lines: lines["InvoiceDate"].dt.tz_localize("UTC"))
    frame.to_parquet(tmp_path / "r.parquet")
    report = ingest_file(connection, RETAIL, tmp_path / "r.parquet", shift_weeks=700)
    assert query("select user_id, occurred_at from interactions") == [
        ("17850", datetime(2011, 1, 1, tzinfo=UTC) + timedelta(weeks=700))
    ]
    assert report.reasons == {
        "customer is not a whole number": 2,
        "time before 1995 or in the future": 2,
    }
