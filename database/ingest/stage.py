"""The one COPY path: what is read, into temporary tables of the session.

Events whose month (partition) is empty go straight into the tables in which it is filled (`LoadingMonths`).
"""

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import IO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from numpy.typing import NDArray
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.ingest.chunk import ITEM_COLUMNS, REJECTED_COLUMNS, Adapter, Chunk
from database.ingest.empty_months import LOADING, LoadingMonths, drop_loading
from database.ingest.event_keys import EventKeys, digests
from database.ingest.event_rows import NAMES, copy_of, event_rows, text_array, text_rows

_NUMERIC = {"line", "rating", "rating_count", "price", "original_price", "discount_ratio"}
_TIMES = {"as_of"}
_TIME = pa.timestamp("us", tz="UTC")
_TABLES = (
    *("staged_items", "staged_interactions", "staged_rejected", "staged_vectors"),
    *("staged_users", "staged_item_ids", "merged_items", "item_batches", "changed_items"),
)
_CREATE = """
create temporary table staged_items (line bigint, item_id text, kind text, title text, description text,
    category text, sub_category text, tags text, image_url text, link text, rating real,
    rating_count double precision, price double precision, original_price double precision,
    discount_ratio real, hidden boolean, available boolean, as_of timestamptz, attributes text);
create temporary table staged_interactions (user_id text, item_id text, event_type text, event_name text,
    query text, session_id text, weight real, value real, price double precision, occurred_at timestamptz,
    source text, dedup_key uuid);
create temporary table staged_users (user_id text);
create temporary table staged_item_ids (item_id text);
create temporary table staged_rejected (line bigint, reason text, raw text);
create temporary table staged_vectors (text_hash text, vector bytea);
create index on staged_vectors (text_hash);
"""
_STATES = ("like", "rating", "feedback")  # said twice, they say nothing new
_PIECE = 1 << 20
"""Bytes that COPY is given at a time. psycopg2's own are 8 KB, and for each it waits for Python's lock."""
MANY_IDS = 1 << 28
"""Bytes of ids from which they all wait in a temporary table."""


def create_stage(conn: Connection) -> None:
    """Make the temporary tables, empty."""
    drop_stage(conn)
    with conn.cursor() as cursor:
        cursor.execute(_CREATE)


def drop_stage(conn: Connection) -> None:
    """Drop the temporary tables, and the months that this run or one that was killed has not put in place."""
    with conn.cursor() as cursor:
        cursor.execute("".join(f"drop table if exists pg_temp.{name};" for name in _TABLES))
    drop_loading(conn)


@dataclass(frozen=True)
class Events:
    """What is to be written of a chunk's events: rows of COPY and their moments, datetime64[us] in UTC; whom
    and what they name, those that are left out too."""

    rows: pa.LargeBinaryArray
    moments: NDArray[np.datetime64]
    users: pa.LargeStringArray
    items: pa.LargeStringArray


class Stage:
    """Stages the rows of one file.

    Attributes:
        events: how many are staged; what a row says again that is not to be counted twice is left out.
        months: how many are of the month that begins then.
        last: when the last of them happened.
        users: whom they name.
        loading: the months that are filled apart.
    """

    def __init__(self, conn: Connection, adapter: Adapter, *, apart: bool) -> None:
        self.events = 0
        self.months: Counter[datetime] = Counter()
        self.last: datetime | None = None
        self.loading = LoadingMonths(conn, while_read=apart)
        self._conn, self._adapter = conn, adapter
        self._keys = EventKeys()
        self.users, self._items = Ids(conn, "staged_users"), Ids(conn, "staged_item_ids")

    def events_of(self, chunk: Chunk) -> Events | None:
        """What is to be written of a chunk's events; chunks come in their order. Asks no database."""
        frame = chunk.interactions
        if frame is None or not len(frame):
            return None
        kept, keys = self._keyed(frame)
        rows = event_rows(frame, self._adapter.name, keys)
        moments = frame["occurred_at"].dt.tz_convert(None).to_numpy().astype("datetime64[us]")
        if not kept.all():
            rows, moments = rows.filter(pa.array(kept)), moments[kept]
        users, items = (pc.unique(text_array(frame[name])).drop_null() for name in ("user_id", "item_id"))
        return Events(rows, moments, users, items)

    def add(self, chunk: Chunk, events: Events | None) -> None:
        """COPY a chunk's rows."""
        for table, frame, columns in (
            ("staged_items", chunk.items, ITEM_COLUMNS),
            ("staged_rejected", chunk.rejected, REJECTED_COLUMNS),
        ):
            if frame is not None and len(frame):
                _copy(self._conn, table, frame, columns)
        if events is not None:
            self.users.add(events.users)
            self._items.add(events.items)
            if len(events.rows):
                self._add_events(events)

    def end(self) -> None:
        """Put the items' ids into their table, and let the planner know how much was staged."""
        self.users.end()
        self._items.end()
        self._items.copy_into("staged_item_ids")
        with self._conn.cursor() as cursor:
            cursor.execute("analyze staged_items, staged_interactions, staged_item_ids")

    def move(self, by: timedelta) -> None:
        """Move the events, none of which is in LOADING, forward."""
        with self._conn.cursor() as cursor:
            cursor.execute("update staged_interactions set occurred_at = occurred_at + %s", (by,))
            cursor.execute(
                "select date_trunc('month', occurred_at, 'UTC'), count(*) from staged_interactions group by 1"
            )
            self.months = Counter(dict(cursor.fetchall()))

    def _add_events(self, events: Events) -> None:
        rows, moments = events.rows, events.moments
        self.events += len(rows)
        last = moments.max().item().replace(tzinfo=UTC)
        self.last = last if self.last is None else max(self.last, last)
        months, of_row, counts = np.unique(
            moments.astype("datetime64[M]"), return_inverse=True, return_counts=True
        )
        starts = [month.astype("datetime64[us]").item().replace(tzinfo=UTC) for month in months]
        self.months.update(dict(zip(starts, counts.tolist(), strict=True)))
        apart = self.loading.take(self.months)
        there = np.array([start in apart for start in starts])[of_row]
        for table, chosen in ((LOADING, there), ("staged_interactions", ~there)):
            if chosen.any():
                some = rows if chosen.all() else rows.filter(pa.array(chosen))
                _copy_in(self._conn, f"{table} ({NAMES}) from stdin (format binary)", copy_of(some))

    def _keyed(self, frame: pd.DataFrame) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
        """Which events are kept, and the key of each."""
        texts = pa.array(frame["natural_key"], pa.large_string()).cast(pa.large_binary()).to_pylist()
        keys = digests(texts)
        before = self._keys.seen_before(keys)
        again = np.flatnonzero(before)
        if not len(again):
            return np.ones(len(keys), dtype=np.bool_), keys
        anew = np.full(len(keys), self._adapter.repeats) & ~frame["event_type"].isin(_STATES).to_numpy(bool)
        other = again[anew[again]]
        keys = keys.copy()
        keys[other] = digests([b"%b#%d" % (texts[row], before[row] + 1) for row in other])
        return anew | (before == 0), keys


class Ids:
    """The different ids of a column, over many chunks: of very many, all wait in the temporary table.

    Attributes:
        held: all of them, sorted, once they are complete; None where the temporary table has them.
    """

    def __init__(self, conn: Connection, table: str) -> None:
        self.held: pa.LargeStringArray | None = None
        self._conn, self._table = conn, table
        self._parts: list[pa.Array] = []
        self._bytes = 0
        self._spilt = False

    def add(self, part: pa.LargeStringArray) -> None:
        """Take up those of a chunk."""
        self._parts.append(part)
        self._bytes += part.nbytes
        if self._bytes > MANY_IDS:
            self._parts = [_different(self._parts)]
            self._bytes = self._parts[0].nbytes
            if self._bytes > MANY_IDS // 2:
                self._spill()

    def end(self) -> None:
        """There are no more."""
        if self._spilt:
            self._spill()
        else:
            ids = _different(self._parts)
            self.held = ids.take(pc.sort_indices(ids))  # as the index wants them that gets them

    def copy_into(self, table: str) -> int:
        """COPY those held into a table and column; returns how many."""
        if self.held is None or not len(self.held):
            return 0
        _copy_in(self._conn, f"{table} from stdin (format binary)", copy_of(text_rows(self.held)))
        return len(self.held)

    def _spill(self) -> None:
        self.held, self._spilt = _different(self._parts), True
        self.copy_into(self._table)
        self.held, self._parts, self._bytes = None, [], 0


def _different(parts: Sequence[pa.Array]) -> pa.LargeStringArray:
    return pc.unique(pa.chunked_array(parts, pa.large_string()))


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
    _copy_in(conn, f"{table} ({', '.join(columns)}) from stdin with (format csv)", target)


def _copy_in(conn: Connection, what: str, rows: IO[bytes]) -> None:
    with conn.cursor() as cursor:
        cursor.copy_expert(f"copy {what}", rows, _PIECE)


def _array(column: pd.Series, name: str) -> pa.Array:
    """The column in Arrow, null where pandas has nothing."""
    if name in _TIMES:
        if not isinstance(column.dtype, pd.DatetimeTZDtype):
            return pa.nulls(len(column), _TIME)
        return pa.array(column.dt.tz_convert(None).to_numpy(), pa.timestamp("us")).cast(_TIME)
    return pa.array(column, pa.float64() if name in _NUMERIC else pa.string(), from_pandas=True)
