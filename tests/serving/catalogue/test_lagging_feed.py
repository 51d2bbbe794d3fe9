"""A worker that is behind, because very many items changed at once: waited for once, not by each request."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from database import items
from database.items import Embedding, ItemContent, text_hash
from serving.catalogue import feed
from serving.catalogue.drafts import ItemDraft
from serving.catalogue.index import LiveIndex
from serving.errors import DatabaseUnavailableError, ItemNotFoundError
from serving.plane import LivePlane
from serving.request_context import Request, current_request
from serving.text.synonyms import Synonyms
from tests.serving.words import BagOfWords
from training.params import Params

PATIENCE = 0.5
REQUESTS = 40
"""Far more than can each wait for PATIENCE within the limit of a test."""


class Gate:
    """Changes that arrive slowly: each pass over them waits until the test lets it through."""

    def __init__(self) -> None:
        self.passes = asyncio.Semaphore(0)
        self.begun = 0

    async def changes(self, *arguments: Any) -> AsyncIterator[Any]:
        self.begun += 1
        await self.passes.acquire()
        async for rows in _changes(*arguments):
            yield rows


_changes = items.changes


@pytest.fixture
def gate(plane: LivePlane, monkeypatch: pytest.MonkeyPatch) -> Gate:
    """Holds up the feed of the worker that is open."""
    gate = Gate()
    monkeypatch.setattr(items, "changes", gate.changes)
    monkeypatch.setattr(feed, "_PATIENCE_SECONDS", PATIENCE)
    return gate


async def ingest(pool: asyncpg.Pool, *ids: str) -> None:
    """With their vectors: else these would follow, as a change of their own."""
    vector = Embedding(BagOfWords.name, text_hash("a lamp"), BagOfWords().encode(["a lamp"])[0])
    async with pool.acquire() as conn:
        for item_id in ids:
            await items.insert_item(conn, item_id, ItemContent(kind="product", title="a lamp"), vector)


async def stale_read(plane: LivePlane) -> bool:
    request = Request("r")
    current_request.set(request)
    await plane.lists.home("ann", 5)
    return request.stale


async def until_current(plane: LivePlane) -> None:
    async with asyncio.timeout(20):
        while await stale_read(plane):
            await asyncio.sleep(0.02)


async def test_after_one_wait_reads_are_answered_from_what_is_there(
    plane: LivePlane, pool: asyncpg.Pool, gate: Gate
) -> None:
    await ingest(pool, "LAMP000000")
    async with asyncio.timeout(20 * PATIENCE):
        assert all(await asyncio.gather(*(stale_read(plane) for _ in range(5))))
    async with asyncio.timeout(REQUESTS * PATIENCE / 2):
        assert all([await stale_read(plane) for _ in range(REQUESTS)])
    # More comes in while the first pass is made: whoever asks next does not wait anew.
    await ingest(pool, "LAMP000001")
    await stale_read(plane)
    gate.passes.release()
    async with asyncio.timeout(REQUESTS * PATIENCE / 2):
        while gate.begun < 2:
            await stale_read(plane)
        assert all([await stale_read(plane) for _ in range(REQUESTS)])
    gate.passes.release()
    await until_current(plane)
    assert await plane.get_item("LAMP000001") is not None


async def test_what_was_just_stored_can_be_read_changed_and_deleted(
    plane: LivePlane, pool: asyncpg.Pool, gate: Gate
) -> None:
    await ingest(pool, "LAMP000000")
    await stale_read(plane)
    async with asyncio.timeout(REQUESTS * PATIENCE / 2):
        for number in range(REQUESTS // 4):
            draft = ItemDraft(kind="article", title=f"lace {number}", description="knots")
            article_id = (await plane.create_item(draft)).article_id
            assert article_id is not None
            found = await plane.get_article(article_id)
            assert found is not None and found.title == f"lace {number}"
            changed = await plane.update_item(found.item_id, {"title": "bobbins"})
            assert changed.title == "bobbins"
            again = await plane.get_item(found.item_id)
            assert again is not None and again.title == "bobbins"
            await plane.delete_item(found.item_id)
            assert await plane.get_item(found.item_id) is None
            assert await plane.get_article(article_id) is None
            with pytest.raises(ItemNotFoundError):
                await plane.delete_item(found.item_id)
    for _ in range(50):
        gate.passes.release()
    await until_current(plane)
    assert await plane.get_article(article_id or 0) is None


async def test_a_read_that_waits_while_the_feed_is_closed_is_answered_as_stale(
    plane: LivePlane, pool: asyncpg.Pool, gate: Gate
) -> None:
    await ingest(pool, "LAMP000000")
    reading = asyncio.create_task(stale_read(plane))
    while not gate.begun:
        await asyncio.sleep(0.01)
    await plane._components.feed.close()
    assert await reading


async def test_changes_that_were_read_halfway_are_read_again(
    plane: LivePlane, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaking(*arguments: Any) -> AsyncIterator[Any]:
        async for rows in _changes(*arguments):
            yield rows[:1]
            raise DatabaseUnavailableError("reading the changes")

    await ingest(pool, "LAMP000000", "LAMP000001")
    catalogue = plane._components.index.catalogue
    with monkeypatch.context() as broken:
        broken.setattr(items, "changes", breaking)
        await plane.catch_up()
    assert catalogue.get("LAMP000000") is not None and catalogue.get("LAMP000001") is None
    await plane.catch_up()
    assert catalogue.get("LAMP000001") is not None


@pytest.mark.parametrize(("model", "short"), [(BagOfWords.name, True), ("another", False)])
async def test_a_vector_of_another_length_or_model_is_left_out_and_its_item_is_not(
    pool: asyncpg.Pool, small_params: Params, tmp_path: Path, model: str, short: bool
) -> None:
    vector = BagOfWords().encode(["a lamp"])[0]
    stored = Embedding(model, text_hash("a lamp"), vector[:-1] if short else vector)
    async with pool.acquire() as conn:
        row = await items.insert_item(conn, "LAMP000000", ItemContent(kind="product", title="a lamp"), stored)
    assert row is not None and row.vector is not None
    index = LiveIndex(BagOfWords.name, len(vector), Synonyms(tmp_path / "none"), small_params.search)
    index.apply([row])
    assert index.catalogue.get("LAMP000000") is not None
    assert index.without_vector().tolist() == [True]


async def test_an_older_change_does_not_undo_a_newer_one(plane: LivePlane, pool: asyncpg.Pool) -> None:
    """An item was read on its own; the changes before its last one come after it."""
    async with pool.acquire() as conn:
        older = await items.get_item(conn, "TEA0000000")
    assert older is not None and older.title == "teapot"
    await plane.update_item("TEA0000000", {"title": "samovar"})
    plane._components.index.apply([older])
    item = await plane.get_item("TEA0000000")
    assert item is not None and item.title == "samovar"
    assert (await plane.lists.search("samovar", 1)).results[0].item.item_id == "TEA0000000"
    await plane.delete_item("TEA0000000")
    plane._components.index.apply([older])
    assert await plane.get_item("TEA0000000") is None
