"""Our ingestion (checks, duplicates, keys, users, items, partitions) against bare COPY and the same keys.

The reference copies the same file into one table and then builds the keys that `interactions` has. It checks
nothing, finds no duplicates and knows no users, items or months.
"""

import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import median

import click
import numpy as np
import pandas as pd
import psutil
from psycopg2.extensions import connection as Connection  # noqa: N812

from benchmarks.growth import Sides, grow, growth_option, tell_growth
from benchmarks.report import table
from benchmarks.rows import Row, page_option, tell_rows
from benchmarks.speed.reviews import RATINGS, reviews
from benchmarks.temporary_database import temporary_database
from benchmarks.timed import Timed, added_since, joined, reset_peak
from database.ingest import ADAPTERS, ingest_file
from database.ingest.month_keys import ROOM

LEAST = 0.6
"""Of the reference's rows a second."""
_FIRST, _YEAR = 1_700_000_000, 365 * 86_400  # in seconds
_BARE = """create table bare (id bigint generated always as identity, user_id text, item_id text,
    event_type text, occurred_at timestamptz, value real, session_id text,
    recorded_at timestamptz not null default now())"""
_COPY = (
    "copy bare (user_id, item_id, event_type, occurred_at, value) from stdin with (format csv, header true)"
)
_KEYS = """
create unique index on bare (id, occurred_at);
create index on bare ((md5(user_id || item_id)::uuid), occurred_at);
create index on bare (user_id, occurred_at desc);
create index on bare (item_id, occurred_at);
create index on bare (session_id);
create index on bare (recorded_at);
"""


def write_log(path: Path, rows: int, seed: int = 0) -> int:
    """A log of ratings as CSV, with the shape of Amazon's Appliances reviews; how many rows."""
    history = reviews(rows, seed).tocoo()
    seconds = _FIRST + np.random.default_rng(seed).integers(0, _YEAR, history.nnz)
    pd.DataFrame(
        {
            "user_id": pd.Series(history.row).map("A{:09d}".format),
            "item_id": pd.Series(history.col).map("B{:06d}".format),
            "event_type": "rating",
            "timestamp": pd.to_datetime(seconds, unit="s").strftime("%Y-%m-%dT%H:%M:%SZ"),
            "value": history.data.astype(int),
        }
    ).to_csv(path, index=False)
    return int(history.nnz)


@click.command()
@click.option("--rows", default=RATINGS, show_default=True, help="Of the log.")
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1), help="Each side, in turns.")
@growth_option
@page_option
def run(*, rows: int, rounds: int, growth: bool, page: Path | None) -> None:
    """Row 8: load a log both ways into servers of their own.

    Processor seconds are those of this process and of all of the database's server; memory is this process's
    alone, which for the reference hands the file on.
    """
    how = f"{rounds} rounds"
    count, sides = _compare(rows, rounds)
    tell_rows([_row(count, sides)], how, page)
    if growth:
        data = f"ingestion; {count:,} ratings"
        tell_growth(grow(8, data, rows, sides, lambda size: _compare(size, rounds)[1]), how, page)


def _compare(rows: int, rounds: int) -> tuple[int, Sides]:
    """How many rows the log has, and what both sides took; who begins changes each round."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.csv"
        count = write_log(path, rows)
        loads = {"ours": lambda conn: _ingest(conn, path, count), "reference": lambda conn: _copy(conn, path)}
        took: dict[str, list[Timed]] = {name: [] for name in loads}
        for number in range(rounds):
            for name in sorted(loads, reverse=number % 2 == 1):
                # Each into a server of its own: what one has yet to write would keep the other waiting.
                with temporary_database(durable=True) as (_, conn):
                    took[name].append(_timed(conn, loads[name]))
    ours, reference = map(joined, took.values())
    table(
        f"{count:,} ratings as CSV, medians of {rounds} rounds (target: {LEAST:g} of the rows a second)",
        ("", "seconds", "rows/s", "of bare", "processor s", "rows/s of it", "of bare"),
        [
            _line(name, count, side, reference)
            for name, side in (("ours", ours), ("COPY and keys", reference))
        ],
    )
    return count, (ours, reference)


def _line(name: str, count: int, side: Timed, reference: Timed) -> tuple[object, ...]:
    wall, used = side.median, median(side.processor)
    of_bare = reference.median / wall, median(reference.processor) / used
    return name, wall, count / wall, of_bare[0], used, count / used, of_bare[1]


def _row(count: int, sides: Sides) -> Row:
    ours, theirs = (f"{count / side.median:,.0f} rows/s (worst {count / side.worst:,.0f})" for side in sides)
    ratio = sides[1].median / sides[0].median
    what = f"ingestion; bare COPY and the same keys; {count:,} ratings"
    return Row(8, what, ours, theirs, f"{ratio:.3f}", f"≥ {LEAST:g} of its rows/s", ratio >= LEAST)


def _timed(conn: Connection, load: Callable[[Connection], None]) -> Timed:
    server = psutil.Process(conn.get_backend_pid()).parent()
    if server is None:
        raise click.ClickException("the server of the connection has ended")

    def used() -> float:
        seconds = sum(psutil.Process().cpu_times()[:2])
        for child in server.children():
            with suppress(psutil.NoSuchProcess):  # it has ended since, and is among the next ones
                seconds += sum(child.cpu_times()[:2])
        return float(seconds + sum(server.cpu_times()[:4]))

    resident = reset_peak()
    started, before = time.perf_counter(), used()
    load(conn)
    return Timed((time.perf_counter() - started,), (used() - before,), added_since(resident))


def _ingest(conn: Connection, path: Path, rows: int) -> None:
    report = ingest_file(conn, ADAPTERS["interactions"], path)
    if report.rows_loaded != rows:
        raise click.ClickException(f"{report.rows_loaded:,} of {rows:,} rows were loaded")


def _copy(conn: Connection, path: Path) -> None:
    with conn.cursor() as cursor, path.open("rb") as lines:
        cursor.execute(ROOM)  # as ours have it, for its keys
        cursor.execute(_BARE)
        cursor.copy_expert(_COPY, lines)
        cursor.execute(_KEYS)
    conn.commit()
