"""Rows of the binary COPY: the database has what one insert a row puts there."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.ingest.event_rows import COLUMNS, copy_of, event_rows, text_array, text_rows
from database.ingest.stage import create_stage

TEXT = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9)
REAL = st.none() | st.floats(width=32, allow_nan=False, allow_subnormal=False)
NAMES = ("user_id", "item_id", "event_type", "event_name", "query", "session_id")
ROW = st.fixed_dictionaries(
    dict.fromkeys(NAMES, TEXT)
    | {"weight": REAL, "value": REAL, "price": st.none() | st.floats(allow_nan=False)}
    | {"occurred_at": st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))}
)


def stored(connection: Connection) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(f"select {', '.join(COLUMNS)} from staged_interactions order by dedup_key")
        return cursor.fetchall()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(
    rows=st.lists(ROW, min_size=1, max_size=6), absent=st.sets(st.sampled_from([*NAMES, "value", "price"]))
)
def test_the_database_has_what_single_inserts_put_there(
    connection: Connection, rows: list[dict[str, Any]], absent: set[str]
) -> None:
    told = [{name: None if name in absent else value for name, value in row.items()} for row in rows]
    frame = pd.DataFrame(told).drop(columns=sorted(absent))
    frame["occurred_at"] = pd.DatetimeIndex([row["occurred_at"] for row in told]).as_unit("us")
    keys = np.arange(16 * len(rows), dtype=np.uint8).reshape(-1, 16)
    with connection.cursor() as cursor:
        create_stage(connection)
        cursor.copy_expert(
            f"copy staged_interactions ({', '.join(COLUMNS)}) from stdin (format binary)",
            copy_of(event_rows(frame, "interactions", keys)),
        )
        found = stored(connection)
        cursor.execute("truncate staged_interactions")
        for row, key in zip(told, keys, strict=True):
            values = row | {"source": "interactions", "dedup_key": key.tobytes().hex()}
            marks = ", ".join(f"%({name})s" for name in COLUMNS)
            cursor.execute(f"insert into staged_interactions ({', '.join(COLUMNS)}) values ({marks})", values)
    assert found == stored(connection)
    connection.rollback()


def test_some_of_the_rows_can_be_copied(connection: Connection) -> None:
    rows = text_rows(text_array(pd.Series(["a", "andré", "", "d"])))
    create_stage(connection)
    with connection.cursor() as cursor:
        cursor.copy_expert("copy staged_users from stdin (format binary)", copy_of(rows[1:3]))
        cursor.execute("select user_id from staged_users order by user_id")
        assert cursor.fetchall() == [("",), ("andré",)]
    connection.rollback()


@pytest.mark.parametrize("value", [1e39, -1e39, 1e-60])
def test_a_number_that_the_column_can_not_hold_is_refused(value: float) -> None:
    moment = pd.to_datetime(["2026-05-01"] * 2, utc=True)
    frame = pd.DataFrame({"value": [1.0, value], "occurred_at": moment})
    with pytest.raises(psycopg2.DataError, match="out of range"):
        event_rows(frame, "interactions", np.zeros((2, 16), dtype=np.uint8))
