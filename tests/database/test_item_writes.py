"""Whole items: what an item keeps when it is replaced, and what it loses when it is made anew."""

import asyncio
from typing import Any

import asyncpg
import numpy as np
import pytest

from database.item_writes import (
    COLUMNS,
    ItemChangedError,
    delete_as_read,
    replace_item,
    replace_items,
    store_vectors,
)
from database.items import Embedding, ItemRow, delete_item, get_item, insert_item, text_hash, update_item
from tests.database.test_items import LAMP


def whole(item_id: str, title: str, kind: str = "product") -> dict[str, Any]:
    empty = dict.fromkeys(COLUMNS) | {"categories": [], "tags": [], "attributes": {}}
    return empty | {"item_id": item_id, "kind": kind, "title": title}


async def read(conn: asyncpg.Connection, item_id: str) -> ItemRow:
    found = await get_item(conn, item_id)
    assert found is not None
    return found


@pytest.mark.parametrize("one_by_one", [True, False])
async def test_an_item_is_as_old_as_its_present_life(pool: asyncpg.Pool, one_by_one: bool) -> None:
    async def write(conn: asyncpg.Connection, title: str) -> ItemRow:
        if one_by_one:
            return await replace_item(conn, whole("A", title), await get_item(conn, "A"), None)
        await replace_items(conn, [whole("A", title)])
        return await read(conn, "A")

    async with pool.acquire() as conn:
        made = await write(conn, "lamp")
        edited = await write(conn, "red lamp")
        assert edited.created_at == made.created_at and edited.updated_at > made.updated_at
        await delete_item(conn, "A")
        anew = await write(conn, "red lamp")
        assert anew.created_at > edited.updated_at and anew.deleted_at is None


async def test_an_article_keeps_its_number_however_often_it_is_written(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        await replace_items(conn, [whole("news", "One", "article"), whole("other", "Two", "article")])
        numbers = [(await read(conn, each)).article_id for each in ("news", "other")]
        assert sorted(numbers, key=str) == [1, 2]
        await replace_items(conn, [whole("news", "One, mended", "article")])
        await replace_item(conn, whole("other", "Two, mended", "article"), await read(conn, "other"), None)
        await delete_item(conn, "news")
        await replace_items(conn, [whole("news", "One again", "article")])
        assert [(await read(conn, each)).article_id for each in ("news", "other")] == numbers


async def test_whoever_has_not_seen_an_edit_neither_replaces_nor_deletes_the_item(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        await insert_item(conn, "A", LAMP, None)
        before = await read(conn, "A")
        await update_item(conn, "A", {"price": 8.0}, None)
        with pytest.raises(ItemChangedError):
            await delete_as_read(conn, before)
        with pytest.raises(ItemChangedError):
            await replace_item(conn, whole("A", "mine"), before, None)
        with pytest.raises(ItemChangedError):
            await replace_item(conn, whole("A", "mine"), None, None)
        kept = await read(conn, "A")
        assert (kept.title, kept.price, kept.deleted_at) == (LAMP.title, 8.0, None)
        await delete_as_read(conn, kept)
        with pytest.raises(ItemChangedError):
            await delete_as_read(conn, kept)
        assert (await read(conn, "A")).deleted_at is not None


async def test_of_two_who_read_the_same_item_one_deletes_it(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as one, pool.acquire() as other:
        await insert_item(one, "A", LAMP, None)
        found = await read(one, "A")
        done = await asyncio.gather(
            delete_as_read(one, found), delete_as_read(other, found), return_exceptions=True
        )
    assert sorted(type(each).__name__ for each in done) == ["ItemChangedError", "NoneType"]


async def test_a_vector_that_was_made_of_a_text_of_before_never_takes_the_place_of_the_present_one(
    pool: asyncpg.Pool,
) -> None:
    """Of an item that was edited, deleted or neither, while vectors were made for many at once."""

    def vector_of(text: str) -> Embedding:
        return Embedding("tiny", text_hash(text), np.array([len(text), 1.0], np.float32))

    async with pool.acquire() as conn:
        ids = ["edited", "gone", "same"]
        await replace_items(conn, [whole(each, each) for each in ids])
        made = {each: vector_of(each) for each in ids}
        await update_item(conn, "edited", {"title": "edited since"}, vector_of("edited since"))
        await delete_item(conn, "gone")
        assert await store_vectors(conn, made, 2) == 1
        rows = await conn.fetch("select item_id, text_hash from embeddings order by 1")
        assert [tuple(row) for row in rows] == [
            ("edited", text_hash("edited since")),
            ("same", text_hash("same")),
        ]
        assert (await read(conn, "edited")).vector == made["edited"].vector.tobytes().replace(
            np.float32(6).tobytes(), np.float32(12).tobytes()
        )
