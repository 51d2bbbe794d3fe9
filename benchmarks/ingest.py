"""Our ingestion (checks, duplicates, keys, users, items, partitions) against bare COPY and the same keys.

The reference copies the same file into one table and then builds the keys that `interactions` has. It checks
nothing, finds no duplicates and knows no users, items or months.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import click
import numpy as np
import pandas as pd
import psutil
from psycopg2.extensions import connection as Connection  # noqa: N812

from benchmarks.report import table
from benchmarks.rows import Row, page_option, tell_rows
from benchmarks.speed.reviews import RATINGS, reviews
from benchmarks.temporary_database import temporary_database
from database.ingest import ADAPTERS, ingest_file

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
@page_option
def run(rows: int, rounds: int, page: Path | None) -> None:
    """Load a log both ways into servers of their own, and print seconds, rows a second, ratio.

    Processor seconds are those of this process and of all of the database's server.
    """
    sides: dict[str, list[tuple[float, float]]] = {"ours": [], "COPY and keys": []}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.csv"
        count = write_log(path, rows)
        for _ in range(rounds):
            with temporary_database(durable=True) as (_, conn):
                sides["ours"].append(_timed(conn, lambda: _ingest(conn, path, count)))
                sides["COPY and keys"].append(_timed(conn, lambda: _copy(conn, path)))
    medians = {
        name: [statistics.median(each) for each in zip(*times, strict=True)] for name, times in sides.items()
    }
    theirs = medians["COPY and keys"]
    table(
        f"{count:,} ratings as CSV, medians of {rounds} rounds (target: {LEAST:g} of the rows a second)",
        ("", "seconds", "rows/s", "of bare", "processor s", "rows/s of it", "of bare"),
        [
            (name, wall, count / wall, theirs[0] / wall, used, count / used, theirs[1] / used)
            for name, (wall, used) in medians.items()
        ],
    )
    _tell_row(sides, count, page)


def _tell_row(sides: Mapping[str, Sequence[tuple[float, float]]], count: int, page: Path | None) -> None:
    walls = [[wall for wall, _ in times] for times in sides.values()]
    ours, theirs = (
        f"{count / statistics.median(wall):,.0f} rows/s (worst {count / max(wall):,.0f})" for wall in walls
    )
    ratio = statistics.median(walls[1]) / statistics.median(walls[0])
    what = f"ingestion; bare COPY and the same keys; {count:,} ratings"
    row = Row(8, what, ours, theirs, f"{ratio:.3f}", f"≥ {LEAST:g} of its rows/s", ratio >= LEAST)
    tell_rows([row], f"{len(walls[0])} rounds", page)


def _timed(conn: Connection, load: Callable[[], None]) -> tuple[float, float]:
    """Seconds on the clock, and of the processor."""
    server = psutil.Process(conn.get_backend_pid()).parent()
    if server is None:
        raise click.ClickException("the server of the connection has ended")

    def used() -> float:
        seconds = sum(psutil.Process().cpu_times()[:2])
        for child in server.children():
            with suppress(psutil.NoSuchProcess):  # it has ended since, and is among the next ones
                seconds += sum(child.cpu_times()[:2])
        return float(seconds + sum(server.cpu_times()[:4]))

    started, before = time.perf_counter(), used()
    load()
    return time.perf_counter() - started, used() - before


def _ingest(conn: Connection, path: Path, rows: int) -> None:
    report = ingest_file(conn, ADAPTERS["interactions"], path)
    if report.rows_loaded != rows:
        raise click.ClickException(f"{report.rows_loaded:,} of {rows:,} rows were loaded")


def _copy(conn: Connection, path: Path) -> None:
    with conn.cursor() as cursor, path.open("rb") as lines:
        cursor.execute(_BARE)
        cursor.copy_expert(_COPY, lines)
        cursor.execute(_KEYS)
    conn.commit()
