"""Exports: one moment of the database, every value as it was stored."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.export import (
    EMBEDDINGS,
    INTERACTIONS,
    ITEMS,
    USERS,
    Counts,
    LeftOut,
    count,
    export,
    export_snapshot,
)
from database.interactions import record
from database.items import Embedding, ItemContent, delete_item, insert_item, text_hash
from database.users import insert_user

TITLE = 'A "quoted",\nlong title'


async def fill(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        vector = Embedding("tiny", text_hash(f"{TITLE}. a, b"), np.array([1, 0], np.float32))
        await insert_item(
            conn, "I1", ItemContent(kind="product", title=TITLE, tags=("a", "b"), price=1.5), vector
        )
        await insert_item(conn, "I2", ItemContent(kind="article", title="", description="text"), None)
        await insert_item(conn, "I3", ItemContent(kind="product", title="gone"), None)
        await delete_item(conn, "I3")
        await insert_user(conn, "ann", ["tea"], None)
        when = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
        await record(conn, user_id="ann", event_type="click", item_id="I1", occurred_at=when)
        await record(conn, user_id="bob", event_type="search_query", query='say "tea"')


async def test_values_come_back_as_stored(pool: asyncpg.Pool, connection: Connection, tmp_path: Path) -> None:
    await fill(pool)
    exported = export_snapshot(connection, tmp_path)
    assert exported.rows == {"items": 2, "users": 2, "interactions": 2, "embeddings": 1}
    assert exported.catalogue_seq == 4
    items = pq.read_table(tmp_path / "items.parquet").to_pylist()
    assert [(row["title"], row["tags"], row["price"]) for row in items] == [
        (TITLE, ["a", "b"], 1.5),
        ("", [], None),
    ]
    users = pq.read_table(tmp_path / "users.parquet").to_pylist()
    assert [(row["user_id"], row["interests"]) for row in users] == [("ann", ["tea"]), ("bob", [])]
    click, search = pq.read_table(tmp_path / "interactions.parquet").to_pylist()
    assert click["occurred_at"] == datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    assert (click["query"], search["query"], search["item_id"]) == (None, 'say "tea"', None)
    (vector,) = pq.read_table(tmp_path / "embeddings.parquet").to_pylist()
    assert np.frombuffer(vector["vector"], "<f4").tolist() == [1.0, 0.0]


async def test_interactions_with_unknown_and_deleted_items_are_left_out_and_counted(
    pool: asyncpg.Pool, connection: Connection, tmp_path: Path
) -> None:
    await fill(pool)
    now = datetime(2026, 1, 2, 4, tzinfo=UTC)
    async with pool.acquire() as conn:
        for item, days in (("GHOST", 0), ("GHOST", 30), ("A-GHOST", 1), ("I3", 2), ("I1", 0)):
            await record(
                conn, user_id="ann", event_type="click", item_id=item, occurred_at=now - timedelta(days=days)
            )

    exported = export_snapshot(connection, tmp_path)

    kept = pq.read_table(tmp_path / "interactions.parquet").column("item_id").to_pylist()
    assert kept == ["I1", "I1", None]
    assert exported.rows["interactions"] == 3
    assert exported.left_out == {
        "unknown": LeftOut(3, 2, 0.4, ["GHOST", "A-GHOST"]),
        "deleted": LeftOut(1, 1, 0.2, ["I3"]),
    }


async def test_the_vector_of_an_older_text_and_of_a_deleted_item_is_left_out(
    pool: asyncpg.Pool, connection: Connection, tmp_path: Path
) -> None:
    await fill(pool)
    one = np.array([1, 0], np.float32)
    async with pool.acquire() as conn:
        for item_id in ("I4", "I5"):
            vector = Embedding("tiny", text_hash(item_id), one)
            await insert_item(conn, item_id, ItemContent(kind="product", title=item_id), vector)
        # As a file leaves them: an edit and a deletion by API take the vector away.
        await conn.execute("update items set title = 'a new text' where item_id = 'I4'")
        await conn.execute("update items set deleted_at = now() where item_id = 'I5'")
    exported = export_snapshot(connection, tmp_path)
    vectors = pq.read_table(tmp_path / "embeddings.parquet").to_pylist()
    assert [row["item_id"] for row in vectors] == ["I1"] and exported.rows["embeddings"] == 1


async def test_the_same_data_gives_the_same_bytes(
    pool: asyncpg.Pool, connection: Connection, tmp_path: Path
) -> None:
    await fill(pool)
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        export_snapshot(connection, folder)
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes()


async def test_an_export_does_not_see_what_comes_after(pool: asyncpg.Pool, connection: Connection) -> None:
    await fill(pool)
    with export(connection) as moment:
        async with pool.acquire() as conn:
            await record(conn, user_id="eve", event_type="click", item_id="I1")
        assert pa.Table.from_batches(moment.interactions()).num_rows == 2
    with export(connection) as moment:
        assert pa.Table.from_batches(moment.interactions()).num_rows == 3


def test_an_empty_database_has_empty_tables(connection: Connection, tmp_path: Path) -> None:
    export_snapshot(connection, tmp_path)
    for name, schema in (("items", ITEMS), ("users", USERS), ("interactions", INTERACTIONS)):
        table = pq.read_table(tmp_path / f"{name}.parquet")
        assert (table.schema, table.num_rows) == (schema, 0)
    assert pq.read_table(tmp_path / "embeddings.parquet").num_rows == 0
    assert EMBEDDINGS.names == ["item_id", "model", "text_hash", "vector"]


async def test_many_rows_are_written_in_groups(
    pool: asyncpg.Pool, connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a batch of text ends shows neither in the rows nor in the groups."""
    await fill(pool)
    async with pool.acquire() as conn:
        await conn.execute(
            """insert into interactions (user_id, item_id, event_type, session_id, occurred_at, source)
            select 'u' || n, 'I1', 'click', E'a "session",\nof ' || n,
                now() - make_interval(mins => n), 'shop'
            from generate_series(1, 40) n"""
        )
    monkeypatch.setattr("database.export.GROUP_ROWS", 16)
    monkeypatch.setattr("database.export._CSV_BYTES", 300)

    exported = export_snapshot(connection, tmp_path)

    assert count(connection) == Counts(interactions=42, users=42, items=2)
    file = pq.ParquetFile(tmp_path / "interactions.parquet")
    sizes = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    rows = file.read().to_pylist()
    assert (exported.rows["interactions"], sizes) == (42, [16, 16, 10])
    assert [row["occurred_at"] for row in rows] == sorted(row["occurred_at"] for row in rows)
    assert {row["session_id"] for row in rows} >= {f'a "session",\nof {n}' for n in range(1, 41)}
