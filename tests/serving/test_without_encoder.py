"""A worker whose embedding model is still loading, or has died: lists go by words, new texts wait."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
import pytest
from numpy.typing import NDArray

from database import interactions
from database.item_writes import COLUMNS
from serving.catalogue import background_vectors
from serving.catalogue.drafts import ItemDraft
from serving.errors import EncoderUnavailableError
from serving.lists import recommender
from serving.plane import LivePlane
from serving.request_context import Request, current_request
from serving.vectors import encoder_thread
from tests.serving.words import BagOfWords
from tests.serving.worker import Deployer
from training.params import Params


class Loading(BagOfWords):
    """A model that is there from the moment a test says so."""

    there = False

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if not self.there:
            raise EncoderUnavailableError("it is being loaded")
        return super().encode(texts)


@pytest.fixture
def model() -> Loading:
    return Loading()


@pytest.fixture
async def plane(
    shop: list[str],
    deploy: Deployer,
    pool: asyncpg.Pool,
    small_params: Params,
    tmp_path: Path,
    model: Loading,
) -> AsyncIterator[LivePlane]:
    """A worker that starts before the model is there."""
    deploy()
    opened = await LivePlane.open(
        pool, small_params, encoder=model, locate=lambda tag: tmp_path / tag.rpartition(":")[2]
    )
    yield opened
    await opened.close()


def whole_product(item_id: str, title: str) -> dict[str, Any]:
    """As /v1 stores it."""
    empty = dict.fromkeys(COLUMNS) | {"categories": [], "tags": [], "attributes": {}, "rating_count": 0}
    return empty | {"item_id": item_id, "kind": "product", "title": title, "hidden": False, "available": True}


async def become_ready(plane: LivePlane, model: Loading) -> None:
    model.there = True
    async with asyncio.timeout(60):
        while not plane.ready:
            await asyncio.sleep(0.02)


async def test_lists_go_by_words_until_the_model_is_there(plane: LivePlane, model: Loading) -> None:
    request = Request("test")
    current_request.set(request)
    assert not plane.ready and (await plane.status())["similarity_search"]["encoder"] == "unavailable"
    home = await plane.lists.home("ann", 6)
    assert home.trending or home.personalized
    assert not request.words_only, "this list needed no model"
    found = await plane.lists.search("garden gnome", 5)
    assert found.results[0].item.title == "garden gnome" and found.fallback_reason is None
    assert request.words_only
    nothing = await plane.lists.search("xyzzy", 5)
    assert nothing.fallback_reason is not None

    await become_ready(plane, model)
    assert (await plane.status())["similarity_search"]["encoder"] == "ready"
    request = Request("test")
    current_request.set(request)
    by_both = await plane.lists.search("garden gnome", 5)
    assert by_both.results[0].item.title == "garden gnome" and not request.words_only


async def test_past_searches_count_by_their_words(plane: LivePlane, pool: asyncpg.Pool) -> None:
    request = Request("test")
    current_request.set(request)
    async with pool.acquire() as conn:
        await interactions.record(conn, user_id="ann", event_type="search_query", query="paper stapler")
    home = await plane.lists.home("ann", 6)
    assert request.words_only
    assert any(each.item.title == "paper stapler" for each in home.personalized)


async def test_a_search_by_meaning_waits_for_it(
    plane: LivePlane, model: Loading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recommender, "_MEANING_SECONDS", 0.05)
    with pytest.raises(EncoderUnavailableError):
        await plane.lists.semantic_search("garden gnome", 3)
    monkeypatch.setattr(recommender, "_MEANING_SECONDS", 60)
    waiting = asyncio.create_task(plane.lists.semantic_search("garden gnome", 3))
    await become_ready(plane, model)
    assert (await waiting)[0].item.title == "garden gnome"


async def test_a_new_text_waits_for_it(plane: LivePlane, model: Loading) -> None:
    draft = ItemDraft(item_id="NEW0000001", kind="product", title="garden swing")
    waiting = asyncio.create_task(plane.create_item(draft))
    await become_ready(plane, model)
    assert (await waiting).title == "garden swing"
    assert await plane.embedding("NEW0000001") is not None
    edited = await plane.update_item("NEW0000001", {"title": "garden swing seat"})
    assert edited.title == "garden swing seat"


async def test_an_edit_without_a_new_text_needs_no_model(plane: LivePlane) -> None:
    edited = await plane.update_item("TEA0000000", {"price": 3.5})
    assert edited.price == 3.5


async def test_vectors_of_a_batch_follow_when_the_model_is_there(
    plane: LivePlane, model: Loading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background_vectors, "_RETRY_SECONDS", 0.02)
    monkeypatch.setattr(encoder_thread.LiveEncoder.encode, "__defaults__", (0.05,))
    stored, conflicts = await plane.replace_items([whole_product("NEW0000002", "garden bench")])
    assert stored == {"NEW0000002": True} and not conflicts
    await asyncio.sleep(0.2)
    assert await plane.embedding("NEW0000002") is None
    await become_ready(plane, model)
    async with asyncio.timeout(60):
        while await plane.embedding("NEW0000002") is None:
            await asyncio.sleep(0.02)
