"""Generated tables, written in every form that the platform reads: what is loaded is what was written.

SHORTLIST_CASES=100000 reads as many tables, SHORTLIST_SEED=1 other ones. There are up to 10 rows in one. How
a file is read is found out of each file by itself; then rows of files that are read alike go through the
adapter together, as they do where they stand in one file: most of a small file's time is spent once a call.
"""

import csv
import io
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.ingest import ADAPTERS, ingest_file
from tests.database.ingest.generated import LETTERS, Form, Table, catalogue, log
from tests.database.ingest.reading import read_alike, read_file

Query = Callable[[str], list[tuple[Any, ...]]]
CASES = int(os.environ.get("SHORTLIST_CASES", "10000"))
SEED = int(os.environ.get("SHORTLIST_SEED", "0"))
TOGETHER = 5000
STORED = 200
MAKE = {"items": catalogue, "interactions": log}
RANDOMS = st.randoms(use_true_random=False)
"""Draws that hypothesis makes smaller when they fail."""


def same(found: Any, meant: Any) -> bool:
    """Whether a cell holds what was meant."""
    if meant is None or found is None or pd.isna(found):
        return (found is None or bool(pd.isna(found))) and meant is None
    return bool(abs(found - meant) <= 1e-9 * abs(meant)) if isinstance(meant, float) else bool(found == meant)


def compare(adapter: str, table: Table, rows: Sequence[Mapping[Any, Any]], raws: list[str]) -> None:
    """Every row is as it was written, or refused with what stood in it."""
    meant = [row for row in table.meant if row is not None]
    assert len(rows) == len(meant), table
    for found, row in zip(rows, meant, strict=True):
        assert all(same(found[name], value) for name, value in row.items()), (found, row, table)
    text = "title" if adapter == "items" else "event_type"
    place = list(table.columns).index(text)
    refused = [row for row, means in enumerate(table.meant) if means is None]
    cells = [next(csv.reader(io.StringIO(raw, newline="")))[place].strip() for raw in raws]
    assert cells == [(table.columns[text][row] or "").strip() for row in refused], table


def check(adapter: str, table: Table) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = read_file(adapter, table.write(Path(folder)), table.options)
    assert made.rows == len(table.meant)
    rows = made.items if adapter == "items" else made.interactions
    compare(adapter, table, rows.to_dict("records"), list(made.rejected.get("raw", [])))


@pytest.mark.slow
@pytest.mark.parametrize("adapter", list(MAKE))
@pytest.mark.parametrize("part", range(-(-CASES // (2 * TOGETHER))))
def test_many_tables_are_what_was_written(adapter: str, part: int) -> None:
    random = Random(f"{SEED} {adapter} {part}")
    tables = [MAKE[adapter](random, number) for number in range(TOGETHER)]
    with tempfile.TemporaryDirectory() as folder:
        alike = read_alike(adapter, ((table.write(Path(folder)), table.options) for table in tables))
    for number, table in enumerate(tables):
        assert alike.rows[number] == len(table.meant), table
        compare(adapter, table, alike.kept.get(number, []), alike.refused.get(number, []))


@pytest.mark.slow
@pytest.mark.parametrize("adapter", list(MAKE))
@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(random=RANDOMS)
def test_a_table_is_what_was_written(adapter: str, random: Random) -> None:
    check(adapter, MAKE[adapter](random))


LONG_FORMS = [
    *(
        Form(
            "csv",
            encoding if encoding in LETTERS else "unicode",
            encoding,
            delimiter,
            line_end == "\r",
            line_end,
        )
        for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1252")
        for delimiter, line_end in ((",", "\n"), (";", "\r\n"), ("\t", "\r"), ("|", "\n"))
    ),
    *(Form(kind, "unicode", quote_all=wrapped) for kind in ("jsonl", "json") for wrapped in (False, True)),
    Form("xml", "xml"),
    Form("xlsx", "xml"),
    Form("parquet", "unicode"),
    Form("csv", "unicode", packed="gz"),
    Form("csv", "unicode", quote_all=True),
]


@pytest.mark.parametrize("place", range(len(LONG_FORMS)))
def test_each_row_of_a_long_log_is_what_was_written(place: int) -> None:
    check("interactions", log(Random(place), form=LONG_FORMS[place], size=500))


@settings(max_examples=3, suppress_health_check=list(HealthCheck))
@given(random=RANDOMS)
def test_the_database_holds_what_was_written(connection: Connection, query: Query, random: Random) -> None:
    query("truncate interactions, items, users, rejected_rows, ingest_runs")
    table = log(random)
    with tempfile.TemporaryDirectory() as folder:
        path = table.write(Path(folder))
        reports = [
            ingest_file(connection, ADAPTERS["interactions"], path, options=table.options) for _ in range(2)
        ]
    for report in reports:
        assert report.rows_read == report.rows_loaded + report.rows_duplicate + report.rows_rejected
    assert [report.rows_loaded for report in reports] == [len(table.meant) - table.meant.count(None), 0]
    compare_stored(query, [table])


def test_the_database_holds_what_many_tables_say(
    connection: Connection, query: Query, tmp_path: Path
) -> None:
    random = Random(f"{SEED} stored")
    tables = [log(random, number) for number in range(STORED)]
    alike = read_alike("interactions", ((table.write(tmp_path), table.options) for table in tables))
    together = replace(ADAPTERS["interactions"], check=lambda *_: None, read=lambda *_: iter(alike.chunks))
    (tmp_path / "all.csv").touch()
    for loaded in (sum(len(table.meant) - table.meant.count(None) for table in tables), 0):
        report = ingest_file(connection, together, tmp_path / "all.csv")
        assert (report.rows_read, report.rows_loaded) == (sum(alike.rows.values()), loaded)
        assert report.rows_read == report.rows_loaded + report.rows_duplicate + report.rows_rejected
    compare_stored(query, tables)


def compare_stored(query: Query, tables: list[Table]) -> None:
    """The database holds the events that the tables mean, and their other rows as refused."""
    meant = [row for table in tables for row in table.meant]
    names = ("user_id", "item_id", "event_type", "occurred_at", "value", "session_id")
    stored = query(f"select {', '.join(names)} from interactions")
    value = names.index("value")
    assert Counter(rounded(row, value) for row in stored) == Counter(
        rounded(tuple(row[name] for name in names), value) for row in meant if row is not None
    )
    assert query("select count(*) from rejected_rows") == [(meant.count(None),)]


def rounded(row: tuple[Any, ...], place: int) -> tuple[Any, ...]:
    """The row with the number in that place as the column's type holds it."""
    value = None if row[place] is None else float(f"{row[place]:.5g}")
    return (*row[:place], value, *row[place + 1 :])
