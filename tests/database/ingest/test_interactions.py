"""Interactions of any shop, as CSV and Parquet."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.ingest import ADAPTERS, WrongFormatError, ingest_file

Query = Callable[[str], list[tuple[Any, ...]]]
INTERACTIONS = ADAPTERS["interactions"]
WHEN = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
CSV = f"""user_id,item_id,event_type,timestamp,value,query
ann,I1,click,2024-05-06T07:08:09Z,,
ann,I2,Rating,{int(WHEN.timestamp())},4.5,
ann,I3,view_time,{int(WHEN.timestamp() * 1000)},12,
ann,,search_query,2024-05-06 09:08:09+02:00,,red lamp
ann,I1,click,2024-05-06 07:08:09,,
,I1,click,2024-05-06,,
ann,,like,2024-05-06,,
ann,,search_query,2024-05-06,,
ann,I1,stare,2024-05-06,,
ann,I1,rating,2024-05-06,,
ann,I1,click,someday,,
ann,I1,click,1970-01-05,,
ann,{"I" * 65},click,2024-05-06,,
ann,I1
"""


def test_csv_in_every_time_format(connection: Connection, query: Query, tmp_path: Path) -> None:
    (tmp_path / "i.csv").write_text(CSV)
    report = ingest_file(connection, INTERACTIONS, tmp_path / "i.csv")
    assert query(
        "select item_id, event_type, value, query, occurred_at from interactions order by event_type"
    ) == [
        ("I1", "click", None, None, WHEN),
        ("I1", "click", None, None, WHEN),
        ("I2", "rating", 4.5, None, WHEN),
        (None, "search_query", None, "red lamp", WHEN),
        ("I3", "view_time", 12.0, None, WHEN),
    ]
    assert (report.rows_read, report.rows_loaded, report.rows_duplicate) == (14, 5, 0)
    assert report.reasons == {
        "no user id": 1,
        "no item id": 1,
        "a search without a query": 1,
        "unknown event type": 1,
        "rating is not within 1..5": 1,
        "no readable timestamp": 1,
        "timestamp is before 1995": 1,
        "item_id is longer than 64": 1,
        "2 fields, not 6": 1,
    }
    assert query("select line, raw from rejected_rows order by line limit 1") == [
        (7, ",I1,click,2024-05-06,,")
    ]


def test_parquet_with_native_types(connection: Connection, query: Query, tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "user_id": [7, 7],
            "item_id": ["I1", None],
            "event_type": ["purchase", "like"],
            "timestamp": pd.to_datetime([WHEN, WHEN]),
            "value": [2.0, None],
            "session_id": ["s1", None],
            "ignored": [1, 2],
        }
    )
    frame.to_parquet(tmp_path / "i.parquet")
    for loaded in (1, 0):
        report = ingest_file(connection, INTERACTIONS, tmp_path / "i.parquet")
        assert (report.rows_loaded, report.reasons) == (loaded, {"no item id": 1})
    assert query("select user_id, value, session_id, occurred_at from interactions") == [
        ("7", 2.0, "s1", WHEN)
    ]


def test_months_get_their_partitions(connection: Connection, query: Query, tmp_path: Path) -> None:
    recent = datetime.now(UTC).replace(day=1, hour=0)
    (tmp_path / "i.csv").write_text(
        f"user_id,item_id,event_type,timestamp\nann,I1,click,{recent:%Y-%m-%d}\nann,I1,click,1999-01-02\n"
    )
    ingest_file(connection, INTERACTIONS, tmp_path / "i.csv")
    assert query("select tableoid::regclass::text from interactions order by occurred_at") == [
        ("interactions_before",),
        (f"interactions_y{recent:%Y}m{recent:%m}",),
    ]


def test_missing_columns_are_named(connection: Connection, tmp_path: Path) -> None:
    (tmp_path / "i.csv").write_text("user_id,item_id\nann,I1\n")
    with pytest.raises(WrongFormatError, match="no column event_type, timestamp"):
        ingest_file(connection, INTERACTIONS, tmp_path / "i.csv")


def test_values_that_the_data_checks_would_refuse_stay_out(
    connection: Connection, query: Query, tmp_path: Path
) -> None:
    (tmp_path / "i.csv").write_text(
        "user_id,item_id,event_type,timestamp,value\n"
        "ann,I1,feedback,2024-05-06,-1\n"
        "ann,I1,view_time,2024-05-06,1.5e1\n"
        "ann,I1,feedback,2024-05-06,7\n"
        "ann,I2,feedback,2024-05-06,\n"
        "ann,I1,purchase,2024-05-06,-4\n"
        f"ann,I1,click,2024-05-06,{'9' * 60}\n"
        "ann,I1,click,1992-05-06,\n"
    )
    report = ingest_file(connection, INTERACTIONS, tmp_path / "i.csv")
    assert query("select event_type, value from interactions order by 1") == [
        ("feedback", -1.0),
        ("view_time", 15.0),
    ]
    assert report.reasons == {
        "feedback is not -1, 0 or 1": 2,
        "value is negative": 1,
        "value is out of range": 1,
        "timestamp is before 1995": 1,
    }


def test_whole_numbered_ids_beside_nulls_stay_whole(
    connection: Connection, query: Query, tmp_path: Path
) -> None:
    frame = pd.DataFrame(
        {
            "user_id": pd.array([2**60 + 1, None], dtype="Int64"),
            "item_id": [10.0, None],
            "event_type": ["click", "click"],
            "timestamp": [1_715_000_000, 1_715_000_000],
            "value": [float("inf"), None],
        }
    )
    frame.to_parquet(tmp_path / "i.parquet")
    report = ingest_file(connection, INTERACTIONS, tmp_path / "i.parquet")
    assert query("select user_id, item_id, value from interactions") == [(str(2**60 + 1), "10", None)]
    assert (report.reasons, report.nulled) == ({"no user id": 1}, {"value is not a number": 1})


def test_a_column_that_stands_twice_is_refused(connection: Connection, tmp_path: Path) -> None:
    (tmp_path / "i.csv").write_text("user_id,item_id,event_type,timestamp,value,value\nann,I1,click,1,2,3\n")
    with pytest.raises(WrongFormatError, match="more than one column is called value"):
        ingest_file(connection, INTERACTIONS, tmp_path / "i.csv")


def test_a_row_that_stands_three_times_happened_three_times(
    connection: Connection, query: Query, tmp_path: Path
) -> None:
    header = "user_id,item_id,event_type,timestamp,value\n"
    purchase, rating = "u1,i1,purchase,2024-05-01,\n", "u1,i1,rating,2024-05-01,4\n"
    (tmp_path / "a.csv").write_text(header + 3 * purchase + 2 * rating)
    for loaded, duplicate in ((4, 1), (0, 5)):
        report = ingest_file(connection, INTERACTIONS, tmp_path / "a.csv")
        assert (report.rows_loaded, report.rows_duplicate) == (loaded, duplicate)
    (tmp_path / "b.csv").write_text(header + 4 * purchase)
    assert ingest_file(connection, INTERACTIONS, tmp_path / "b.csv").rows_loaded == 1
    assert query("select event_type, count(*) from interactions group by 1 order by 1") == [
        ("purchase", 4),
        ("rating", 1),
    ]
