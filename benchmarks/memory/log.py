"""A generated history of any size, as the files of an export; written in batches."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from database import columns
from database.export import EMBEDDINGS, INTERACTIONS, ITEMS, USERS
from training.data.workspace import Workspace
from training.models.core.types import IntArray, LongArray

START = datetime(2025, 1, 1, tzinfo=UTC)
DAYS = 365
DIMENSION = 384
WORDS = 5000
BATCH = 1 << 18
LINES = 5
"""Mean interactions of a session; ids of sessions are as long as a UUID."""


@dataclass(frozen=True)
class Size:
    """How much there is of a shop whose users have 15 interactions and whose items 100, on average."""

    rows: int

    @property
    def users(self) -> int:
        """One for 15 interactions."""
        return self.rows // 15

    @property
    def items(self) -> int:
        """One for 100 interactions."""
        return self.rows // 100


def write_history(workspace: Workspace, size: Size, model: str, seed: int = 0) -> None:
    """Write `data/snapshot`, and a pointer as DVC's, into the workspace."""
    folder = workspace.snapshot
    folder.mkdir(parents=True)
    generator = np.random.default_rng(seed)
    for name, schema, batches in (
        ("items", ITEMS, _items(size, generator)),
        ("users", USERS, _users(size)),
        ("interactions", INTERACTIONS, _interactions(size, generator)),
        ("embeddings", EMBEDDINGS, _vectors(size, model, generator)),
    ):
        with pq.ParquetWriter(folder / f"{name}.parquet", schema, compression="zstd") as writer:
            for batch in batches:
                writer.write_table(_filled(batch, schema))
    as_of = (START + timedelta(days=DAYS)).isoformat()
    rows = {"items": size.items, "users": size.users, "interactions": size.rows, "embeddings": size.items}
    described = {
        "catalogue_seq": 1,
        "interaction_id": size.rows,
        "as_of": as_of,
        "rows": rows,
        "left_out": {},
    }
    (folder / "snapshot.json").write_text(json.dumps(described))
    content = hashlib.md5(json.dumps(described).encode(), usedforsecurity=False).hexdigest()
    pointer = {"outs": [{"md5": f"{content}.dir", "path": folder.name}]}
    workspace.snapshot_pointer.write_text(yaml.safe_dump(pointer))


def _spans(total: int) -> Iterator[tuple[int, int]]:
    for start in range(0, total, BATCH):
        yield start, min(BATCH, total - start)


def _ids(prefix: str, numbers: IntArray | LongArray, width: int) -> pa.Array:
    digits = pc.utf8_lpad(pc.cast(pa.array(numbers), pa.string()), width, "0")
    return pc.binary_join_element_wise(prefix, digits, "")


def _items(size: Size, generator: np.random.Generator) -> Iterator[pa.Table]:
    for start, count in _spans(size.items):
        numbers = np.arange(start, start + count)
        words = [
            pc.binary_join_element_wise(
                "word", pc.cast(pa.array(_popular(count, WORDS, generator)), pa.string()), ""
            )
            for _ in range(5)
        ]
        kind = _ids("kind", numbers % 100, 2)
        yield pa.table(
            {
                columns.ITEM_ID: _ids("ITEM", numbers, 8),
                "kind": pa.repeat("product", count),
                columns.TITLE: pc.binary_join_element_wise(*words, " "),
                columns.CATEGORY: kind,
                columns.TEXT_HASH: _ids("hash", numbers, 8),
                columns.PRICE: pa.array(1.0 + numbers % 100),
            }
        )


def _users(size: Size) -> Iterator[pa.Table]:
    for start, count in _spans(size.users):
        made = pa.repeat(pa.scalar(START, pa.timestamp("us", "UTC")), count)
        yield pa.table(
            {columns.USER_ID: _ids("user", np.arange(start, start + count), 8), "created_at": made}
        )


def _interactions(size: Size, generator: np.random.Generator) -> Iterator[pa.Table]:
    """In order of time: sessions of one user, whose lines are a minute apart."""
    done = 0
    step = timedelta(days=DAYS) / max(size.rows, 1)
    for start, count in _spans(size.rows):
        lengths = generator.geometric(1 / LINES, size=count)
        session = np.repeat(np.arange(count), lengths)[:count] + start
        user = _popular(count, size.users, generator)[session - start]
        item = _popular(count, size.items, generator)
        micros = (np.arange(start, start + count) * step.total_seconds() * 1e6).astype(np.int64)
        kinds = np.array(["click", "purchase", "like"])[generator.choice(3, size=count, p=(0.8, 0.15, 0.05))]
        done += count
        yield pa.table(
            {
                columns.INTERACTION_ID: pa.array(np.arange(start + 1, start + count + 1)),
                columns.USER_ID: _ids("user", user, 8),
                columns.ITEM_ID: _ids("ITEM", item, 8),
                columns.EVENT_TYPE: pa.array(kinds),
                columns.SESSION_ID: _ids("00000000-0000-4000-8000-", session, 12),
                columns.OCCURRED_AT: pa.array(micros + int(START.timestamp() * 1e6)).cast(
                    pa.timestamp("us", "UTC")
                ),
                "source": pa.repeat("shop", count),
            }
        )


def _popular(count: int, among: int, generator: np.random.Generator) -> LongArray:
    """Draws of 0 to `among` - 1, of which the first ones are drawn often and each now and then."""
    drawn: LongArray = (generator.random(count) ** 2 * among).astype(np.int64)
    return drawn


def _vectors(size: Size, model: str, generator: np.random.Generator) -> Iterator[pa.Table]:
    for start in range(0, size.items, BATCH // 16):
        count = min(BATCH // 16, size.items - start)
        numbers = np.arange(start, start + count)
        vectors = generator.normal(size=(count, DIMENSION)).astype("<f4")
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        yield pa.table(
            {
                columns.ITEM_ID: _ids("ITEM", numbers, 8),
                columns.MODEL: pa.repeat(model, count),
                columns.TEXT_HASH: _ids("hash", numbers, 8),
                columns.VECTOR: pa.array([vector.tobytes() for vector in vectors], pa.binary()),
            }
        )


def _filled(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table in the columns of the schema; null where it has none."""
    arrays = [
        table[field.name].cast(field.type)
        if field.name in table.column_names
        else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.table(arrays, schema=schema)
