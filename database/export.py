"""Reading the whole database at one moment, as Arrow: what a snapshot is made of."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from psycopg2.extensions import connection as Connection  # noqa: N812

from database import columns

_TIME = pa.timestamp("us", tz="UTC")
_SEPARATOR = "\x1f"
_BATCH = 5000
_CSV_BYTES = 1 << 24
"""Bytes of text that are read at a time; one row may not be longer."""
GROUP_ROWS = 1 << 18
"""Rows of a row group in the files: so many are in memory at a time."""

RECENT_DAYS = 7
"""Days before the last interaction in which shares of left-out rows are taken: of a long history, a break of
today is a small share."""
EXAMPLES = 5

ITEMS = pa.schema(
    [
        *(
            pa.field(name, pa.string())
            for name in (columns.ITEM_ID, "kind", columns.TITLE, columns.DESCRIPTION, columns.CATEGORY)
        ),
        *(pa.field(name, pa.string()) for name in (columns.SUB_CATEGORY, columns.TEXT_HASH)),
        pa.field(columns.TAGS, pa.list_(pa.string())),
        pa.field("rating", pa.float32()),
        pa.field("rating_count", pa.int32()),
        *(pa.field(name, pa.float64()) for name in (columns.PRICE, "original_price")),
        pa.field("discount_ratio", pa.float32()),
        *(pa.field(name, _TIME) for name in ("created_at", "updated_at")),
        pa.field("change_seq", pa.int64()),
    ]
)
"""Items that are not deleted, bare ones (no title) among them, ordered by id."""

USERS = pa.schema(
    [
        pa.field(columns.USER_ID, pa.string()),
        pa.field("interests", pa.list_(pa.string())),
        pa.field("skill_level", pa.string()),
        pa.field("created_at", _TIME),
    ]
)
"""Users, ordered by id."""

INTERACTIONS = pa.schema(
    [
        pa.field(columns.INTERACTION_ID, pa.int64()),
        *(
            pa.field(name, pa.string())
            for name in (columns.USER_ID, columns.ITEM_ID, columns.EVENT_TYPE, "query")
        ),
        pa.field(columns.VALUE, pa.float32()),
        pa.field(columns.WEIGHT, pa.float32()),
        pa.field(columns.SESSION_ID, pa.string()),
        pa.field(columns.OCCURRED_AT, _TIME),
        pa.field("source", pa.string()),
    ]
)
"""Interactions, ordered by time and id; `user_id` null is an anonymous purchase. Those with an item that is
unknown or deleted are left out."""

_WITH_ITEMS = """interactions
    left join (select item_id, deleted_at is null as present from items) known using (item_id)"""

LEARNABLE = f"{_WITH_ITEMS} where (interactions.item_id is null or known.present) and occurred_at <= now()"
"""SQL of the interactions that an export holds, for behind `from`."""

EMBEDDINGS = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in (columns.ITEM_ID, columns.MODEL, columns.TEXT_HASH)),
        pa.field(columns.VECTOR, pa.binary()),
    ]
)
"""Vectors of present texts, float32 little-endian, ordered by item id."""


@dataclass(frozen=True)
class Watermark:
    """The moment that an export shows: every catalogue change up to `catalogue_seq` is in it.

    Interaction ids are given out before their transactions commit, so one below `interaction_id` may be
    missing that was still being written. `as_of` is when the newest row was written (UTC).
    """

    catalogue_seq: int
    interaction_id: int
    as_of: datetime


@dataclass(frozen=True)
class LeftOut:
    """Interactions that an export leaves out for one reason."""

    rows: int
    recent_rows: int
    """Of them, in the last RECENT_DAYS days."""
    recent_share: float
    """Of all interactions with an item in those days; 0 if there are none."""
    examples: list[str]
    """The items with the most of them, at most EXAMPLES."""


@dataclass(frozen=True)
class Exported:
    """What `export_snapshot` wrote: its watermark, `as_of` in ISO 8601, and the rows of each table."""

    catalogue_seq: int
    interaction_id: int
    as_of: str
    rows: dict[str, int]
    left_out: dict[str, LeftOut]
    """Interactions that are not in the files, by reason: `unknown` item, or `deleted` item."""


@dataclass(frozen=True)
class Export:
    """The database at its watermark; every read sees the same moment."""

    conn: Connection
    watermark: Watermark
    scratch: Path | None
    """Folder for a nameless file of a table's size while it is read; None: the system's."""

    def items(self) -> Iterator[pa.RecordBatch]:
        """The catalogue in batches, in the columns of ITEMS."""
        return self._read(ITEMS, "items where deleted_at is null order by item_id")

    def users(self) -> Iterator[pa.RecordBatch]:
        """The users in batches, in the columns of USERS."""
        return self._read(USERS, "users order by user_id")

    def interactions(self) -> Iterator[pa.RecordBatch]:
        """The interactions in batches, in the columns of INTERACTIONS."""
        return self._read(INTERACTIONS, f"{LEARNABLE} order by occurred_at, interaction_id")

    def left_out(self) -> dict[str, LeftOut]:
        """What `interactions` leaves out, by reason."""
        return {
            "unknown": self._left_out("known.present is null"),
            "deleted": self._left_out("not known.present"),
        }

    def embeddings(self) -> Iterator[pa.RecordBatch]:
        """The vectors in batches, in the columns of EMBEDDINGS; stale ones are left out."""
        with self.conn.cursor("embeddings_of_export") as cursor:
            cursor.itersize = _BATCH
            cursor.execute(
                """select e.item_id, e.model, e.text_hash, e.vector from embeddings e
                join items i on i.item_id = e.item_id and i.text_hash = e.text_hash
                where i.deleted_at is null order by e.item_id"""
            )
            while rows := cursor.fetchmany(_BATCH):
                columns = list(zip(*rows, strict=True))
                columns[3] = tuple(bytes(vector) for vector in columns[3])
                yield pa.record_batch([pa.array(list(column)) for column in columns], schema=EMBEDDINGS)

    def _left_out(self, reason: str) -> LeftOut:
        recent = f"""occurred_at > (select max(occurred_at) from interactions
            where item_id is not null and occurred_at <= now())
            - interval '{RECENT_DAYS} days'"""
        with self.conn.cursor() as cursor:
            cursor.execute(
                f"""select count(*) filter (where {reason}), count(*) filter (where {reason} and {recent}),
                    count(*) filter (where {recent}) from {_WITH_ITEMS} where item_id is not null"""
            )
            [(rows, recent_rows, all_recent)] = cursor.fetchall()
            cursor.execute(
                f"""select item_id from {_WITH_ITEMS} where item_id is not null and {reason}
                group by item_id order by count(*) desc, item_id collate "C" limit {EXAMPLES}"""
            )
            examples = [item for (item,) in cursor.fetchall()]
        return LeftOut(rows, recent_rows, recent_rows / all_recent if all_recent else 0.0, examples)

    def _read(self, schema: pa.Schema, source: str) -> Iterator[pa.RecordBatch]:
        selected = ", ".join(_selected(field) for field in schema)
        with tempfile.TemporaryFile(dir=self.scratch) as stream:
            with self.conn.cursor() as cursor:
                cursor.copy_expert(f"copy (select {selected} from {source}) to stdout (format csv)", stream)
            stream.seek(0)
            yield from _batches(stream, schema)


@dataclass(frozen=True)
class Counts:
    """How much an export would hold."""

    interactions: int
    users: int
    """With at least one of them."""
    items: int


def count(conn: Connection) -> Counts:
    """Count what an export would hold; one pass over the interactions."""
    with conn.cursor() as cursor:
        cursor.execute(
            f"""select coalesce(sum(events), 0)::bigint, count(user_id),
                (select count(*) from items where deleted_at is null)
            from (select user_id, count(*) as events from {LEARNABLE} group by user_id) of_users"""
        )
        return Counts(*cursor.fetchall()[0])


@contextmanager
def export(conn: Connection, scratch: Path | None = None) -> Iterator[Export]:
    """Hold one moment of the database for the block (REPEATABLE READ).

    Args:
        conn: must have no transaction.
        scratch: folder for a nameless file while a table is read; None: the system's, which may be memory.
    """
    with conn.cursor() as cursor:
        cursor.execute("set transaction isolation level repeatable read read only")
        cursor.execute(
            """select catalogue_seq, coalesce((select max(interaction_id) from interactions), 0),
                coalesce(greatest((select max(recorded_at) from interactions),
                    (select max(updated_at) from items), (select max(updated_at) from users)), 'epoch')
            from change_state"""
        )
        watermark = Watermark(*cursor.fetchall()[0])
    try:
        yield Export(conn, watermark, scratch)
    finally:
        conn.rollback()


def export_snapshot(conn: Connection, folder: Path) -> Exported:
    """Write items, users, interactions and embeddings as Parquet files of these names into `folder`.

    The same data gives the same bytes. `conn` must have no transaction under way.
    """
    rows = {}
    with export(conn, folder) as moment:
        for name, schema, batches in (
            ("items", ITEMS, moment.items()),
            ("users", USERS, moment.users()),
            ("interactions", INTERACTIONS, moment.interactions()),
        ):
            rows[name] = _write(batches, schema, folder / f"{name}.parquet")
        left_out = moment.left_out()
        rows["embeddings"] = 0
        with pq.ParquetWriter(folder / "embeddings.parquet", EMBEDDINGS, compression="none") as writer:
            for batch in moment.embeddings():
                writer.write_batch(batch)
                rows["embeddings"] += batch.num_rows
    mark, as_of = moment.watermark, moment.watermark.as_of.astimezone(UTC).isoformat()
    return Exported(mark.catalogue_seq, mark.interaction_id, as_of, rows, left_out)


def _selected(field: pa.Field) -> str:
    """A column as CSV text that Arrow reads back: times as microseconds, lists joined."""
    if field.type == _TIME:
        return f"(extract(epoch from {field.name}) * 1000000)::bigint as {field.name}"
    if pa.types.is_list(field.type):
        return f"array_to_string({field.name}, E'\\x1f') as {field.name}"
    return str(field.name)


def _write(batches: Iterator[pa.RecordBatch], schema: pa.Schema, path: Path) -> int:
    """Write batches in row groups of GROUP_ROWS rows, wherever the batches end; the number of rows."""
    rows = 0
    waiting = schema.empty_table()
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in batches:
            rows += batch.num_rows
            waiting = pa.concat_tables([waiting, pa.Table.from_batches([batch])])
            while waiting.num_rows >= GROUP_ROWS:
                writer.write_table(waiting.slice(0, GROUP_ROWS))
                waiting = waiting.slice(GROUP_ROWS)
        if waiting.num_rows:
            writer.write_table(waiting)
    return rows


def _batches(stream: IO[bytes], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    plain = {
        field.name: pa.int64()
        if field.type == _TIME
        else pa.string()
        if pa.types.is_list(field.type)
        else field.type
        for field in schema
    }
    if not stream.read(1):
        return
    stream.seek(0)
    reader = pacsv.open_csv(
        stream,
        pacsv.ReadOptions(column_names=schema.names, block_size=_CSV_BYTES),
        pacsv.ParseOptions(newlines_in_values=True),
        pacsv.ConvertOptions(
            column_types=plain, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
        ),
    )
    for batch in reader:
        yield pa.record_batch([_column(batch[field.name], field.type) for field in schema], schema=schema)


def _column(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if not pa.types.is_list(kind):
        return column.cast(kind)
    parts = pc.split_pattern(column, _SEPARATOR)
    return pc.if_else(pc.equal(column, ""), pa.scalar([], kind), parts)
