"""Our ingestion (checks, duplicates, keys, users, items, partitions) against bare COPY of the same file."""

import io
from time import perf_counter

import psycopg2
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from benchmarks.report import table
from benchmarks.temporary_database import temporary_database
from database.ingest.sample import SAMPLE, ingest_sample

_BARE = """create table bare (invoice text, stock_code text, description text, quantity bigint,
    invoice_date timestamp, unit_price double precision, customer_id double precision, country text)"""


def run() -> None:
    """Load the sample both ways into a server of its own, and print seconds, rows a second, ratio."""
    with temporary_database(durable=True) as (_, conn):
        started = perf_counter()
        report = ingest_sample(conn)
        ours = perf_counter() - started
        theirs = _copy(conn)
    rows = report.rows_read
    table(
        f"Online Retail, {rows:,} lines",
        ("", "seconds", "rows/s", "ours / bare"),
        [("ours", ours, rows / ours, ours / theirs), ("COPY", theirs, rows / theirs, 1.0)],
    )


def _copy(conn: psycopg2.extensions.connection) -> float:
    """Seconds to read the file and COPY it into a table without a key."""
    with conn.cursor() as cursor:
        cursor.execute(_BARE)
        started = perf_counter()
        buffer = io.BytesIO()
        lines = pq.read_table(SAMPLE)
        pa.csv.write_csv(lines, buffer, pa.csv.WriteOptions(include_header=False))
        buffer.seek(0)
        cursor.copy_expert("copy bare from stdin with (format csv)", buffer)
        conn.commit()
        return perf_counter() - started
