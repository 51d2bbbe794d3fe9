"""The one COPY path: frames into temporary tables of the session."""

import io
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
from numpy.typing import NDArray
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.ingest.chunk import INTERACTION_COLUMNS, ITEM_COLUMNS, REJECTED_COLUMNS, Chunk

_NUMERIC = {"line", "rating", "rating_count", "price", "original_price", "discount_ratio", "value", "weight"}
_TIMES = {"as_of", "occurred_at"}
_TIME = pa.timestamp("us", tz="UTC")
_TABLES = (
    *("staged_items", "staged_interactions", "staged_rejected", "staged_vectors"),
    *("merged_items", "item_batches", "changed_items"),
)
_CREATE = """
create temporary table staged_items (line bigint, item_id text, kind text, title text, description text,
    category text, sub_category text, tags text, image_url text, link text, rating real,
    rating_count double precision, price double precision, original_price double precision,
    discount_ratio real, hidden boolean, available boolean, as_of timestamptz, attributes text);
create temporary table staged_interactions (line bigint, user_id text, item_id text, event_type text,
    query text, value real, session_id text, occurred_at timestamptz, natural_key text,
    event_name text, weight real, price double precision);
create temporary table staged_rejected (line bigint, reason text, raw text);
create temporary table staged_vectors (text_hash text, vector bytea);
create index on staged_vectors (text_hash);
"""


def create_stage(conn: Connection) -> None:
    """Make the temporary tables, empty."""
    drop_stage(conn)
    with conn.cursor() as cursor:
        cursor.execute(_CREATE)


def drop_stage(conn: Connection) -> None:
    """Drop the temporary tables."""
    with conn.cursor() as cursor:
        cursor.execute("".join(f"drop table if exists pg_temp.{name};" for name in _TABLES))


def analyze_stage(conn: Connection) -> None:
    """Let the planner know how much was staged."""
    with conn.cursor() as cursor:
        cursor.execute("analyze staged_items, staged_interactions")


def stage(conn: Connection, chunk: Chunk) -> None:
    """COPY a chunk's rows into the temporary tables."""
    frames = (
        ("staged_items", chunk.items, ITEM_COLUMNS),
        ("staged_interactions", chunk.interactions, INTERACTION_COLUMNS),
        ("staged_rejected", chunk.rejected, REJECTED_COLUMNS),
    )
    for table, frame, columns in frames:
        if frame is not None and len(frame):
            _copy(conn, table, frame, columns)


def stage_vectors(conn: Connection, hashes: Sequence[str], vectors: NDArray[np.float32]) -> None:
    """COPY vectors, float32[n, dimension], under the hashes of their texts."""
    lines = [
        f"{key}\t\\\\x{vector.tobytes().hex()}\n"
        for key, vector in zip(hashes, np.ascontiguousarray(vectors, dtype="<f4"), strict=True)
    ]
    with conn.cursor() as cursor:
        cursor.copy_expert("copy staged_vectors from stdin", io.StringIO("".join(lines)))


def _copy(conn: Connection, table: str, frame: pd.DataFrame, columns: Sequence[str]) -> None:
    nulls = pd.Series(None, index=frame.index, dtype="float64")
    arrow = pa.table({name: _array(frame.get(name, nulls), name) for name in columns})
    target = io.BytesIO()
    pacsv.write_csv(arrow, target, pacsv.WriteOptions(include_header=False))
    target.seek(0)
    with conn.cursor() as cursor:
        cursor.copy_expert(f"copy {table} ({', '.join(columns)}) from stdin with (format csv)", target)


def _array(column: pd.Series, name: str) -> pa.Array:
    """The column in Arrow, null where pandas has nothing."""
    if name in _TIMES:
        if not isinstance(column.dtype, pd.DatetimeTZDtype):
            return pa.nulls(len(column), _TIME)
        return pa.array(column.dt.tz_convert(None).to_numpy(), pa.timestamp("us")).cast(_TIME)
    return pa.array(column, pa.float64() if name in _NUMERIC else pa.string(), from_pandas=True)
