"""Whole items of /v1: one of them if nobody has changed it since it was read, or thousands at once."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
import numpy as np

from database.attributes import AttributeConflictError, read_types, settle, store_types
from database.errors import DatabaseError
from database.items import WRITTEN, Embedding, ItemRow, delete_item, finish

COLUMNS = (*WRITTEN, "categories", "stock", "dated_at", "attributes")
"""What a whole item says."""

_SEQ = "update change_state set catalogue_seq = catalogue_seq + 1 returning catalogue_seq"
# What the platform noted in `attributes` for itself, `as_of`, outlives a whole new item.
_SETS = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name != "attributes")
_UPSERT = f"""
    with given as (
        select * from jsonb_to_recordset($1::jsonb) as g (
            item_id text, kind text, title text, description text, category text, sub_category text,
            categories text[], tags text[], image_url text, link text, rating real, rating_count integer,
            price float8, original_price float8, discount_ratio real, hidden boolean, available boolean,
            stock integer, publish_at timestamptz, expire_at timestamptz, dated_at timestamptz,
            attributes jsonb)
    ), known as (
        select item_id, article_id from items join given using (item_id) where deleted_at is null
    )
    insert into items (item_id, article_id, change_seq, {", ".join(COLUMNS)})
    select g.item_id, case when g.kind = 'article' then nextval('article_id_seq') end, $2,
        {", ".join(f"g.{name}" for name in COLUMNS)}
    from given g order by g.item_id
    on conflict (item_id) do update set {_SETS}, change_seq = excluded.change_seq,
        attributes = excluded.attributes || case when items.attributes ? 'as_of'
            then jsonb_build_object('as_of', items.attributes -> 'as_of') else '{{}}' end,
        article_id = coalesce(items.article_id, excluded.article_id),
        created_at = case when items.deleted_at is null then items.created_at else now() end,
        deleted_at = null, updated_at = now()
    returning item_id, item_id not in (select item_id from known) as created
"""


class ItemChangedError(DatabaseError):
    """The item is no longer as it was read: read it again."""


async def replace_item(
    conn: asyncpg.Connection, values: Mapping[str, Any], read: ItemRow | None, embedding: Embedding | None
) -> ItemRow:
    """Store a whole item, `values` as `replace_items` takes them, with its vector, in one transaction.

    `embedding` None keeps the stored vector, right when the text is unchanged. `read` is the item as it
    was read before, deleted ones included. Raises ItemChangedError when it is not that any more,
    AttributeConflictError.
    """
    item_id = values["item_id"]
    async with conn.transaction():
        seq = await conn.fetchval(_SEQ)
        now_seq = await conn.fetchval("select change_seq from items where item_id = $1", item_id)
        if now_seq != (None if read is None else read.change_seq):
            raise ItemChangedError(item_id)
        await _settle_types(conn, [values])
        await conn.execute(_UPSERT, json.dumps([dict(values)]), seq)
        return await finish(conn, item_id, embedding)


async def replace_items(
    conn: asyncpg.Connection, rows: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, bool], dict[int, AttributeConflictError]]:
    """Store whole items in one transaction, without vectors; of an id that comes twice the last one.

    Each row has `item_id` and COLUMNS, as JSON has them (times as ISO 8601). Returns whether each stored
    id is new, and by index the rows that are left out for an attribute of another type.
    """
    async with conn.transaction():
        seq = await conn.fetchval(_SEQ)
        conflicts = await _settle_types(conn, rows, refuse=False)
        last = {row["item_id"]: dict(row) for index, row in enumerate(rows) if index not in conflicts}
        stored = await conn.fetch(_UPSERT, json.dumps(list(last.values())), seq)
        return {row["item_id"]: row["created"] for row in stored}, conflicts


async def _settle_types(
    conn: asyncpg.Connection, rows: Sequence[Mapping[str, Any]], *, refuse: bool = True
) -> dict[int, AttributeConflictError]:
    """Hold the rows' attributes to their types and store those of new names; the conflicts by row."""
    if not any(row["attributes"] for row in rows):
        return {}
    known = await read_types(conn)
    before = dict(known)
    conflicts: dict[int, AttributeConflictError] = {}
    for index, row in enumerate(rows):
        try:
            settle(known, row["attributes"])
        except AttributeConflictError as conflict:
            if refuse:
                raise
            conflicts[index] = conflict
    await store_types(conn, {name: kind for name, kind in known.items() if name not in before})
    return conflicts


async def store_vectors(conn: asyncpg.Connection, vectors: Mapping[str, Embedding], dimension: int) -> int:
    """Store vectors of items' present texts and announce them in the change feed, in one transaction.

    Returns how many were stored: an item whose text has changed meanwhile is left out.
    """
    async with conn.transaction():
        seq = await conn.fetchval(_SEQ)
        stored = await conn.fetch(
            """insert into embeddings (item_id, model, dimension, text_hash, vector)
            select v.item_id, v.model, $5, v.text_hash, v.vector
            from unnest($1::text[], $2::text[], $3::text[], $4::bytea[]) v (item_id, model, text_hash, vector)
            join items i on i.item_id = v.item_id and i.text_hash = v.text_hash and i.deleted_at is null
            on conflict (item_id) do update set model = excluded.model, dimension = excluded.dimension,
                text_hash = excluded.text_hash, vector = excluded.vector, updated_at = now()
            returning item_id""",
            list(vectors),
            [each.model for each in vectors.values()],
            [each.text_hash for each in vectors.values()],
            [np.ascontiguousarray(each.vector, dtype="<f4").tobytes() for each in vectors.values()],
            dimension,
        )
        ids = [row["item_id"] for row in stored]
        await conn.execute("update items set change_seq = $1 where item_id = any($2)", seq, ids)
        return len(ids)


async def delete_as_read(conn: asyncpg.Connection, read: ItemRow) -> None:
    """Mark an item deleted, in one transaction. Raises ItemChangedError when it is not as it was read."""
    async with conn.transaction():
        await conn.fetchval(_SEQ)  # its lock before any item's, as everybody takes them
        seq = await conn.fetchval("select change_seq from items where item_id = $1", read.item_id)
        if seq != read.change_seq or await delete_item(conn, read.item_id) is None:
            raise ItemChangedError(read.item_id)
