"""A worker that runs follows what happens: clicks of users in its bundle, deletions, trending scores."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from database import items
from serving.catalogue.drafts import InteractionDraft
from serving.plane import LivePlane
from serving.types import HomeLists, Ranked

OpenPlane = Callable[[], Awaitable[LivePlane]]


def ids(ranked: list[Ranked]) -> list[str]:
    return [each.item.item_id for each in ranked]


async def does(plane: LivePlane, user_id: str, event_type: str, *item_ids: str) -> None:
    for item_id in item_ids:
        await plane.record_interaction(
            InteractionDraft(user_id=user_id, event_type=event_type, item_id=item_id)
        )


@pytest.fixture
async def worker(shop: list[str], open_plane: OpenPlane, deploy: Any) -> LivePlane:
    deploy()
    return await open_plane()


async def test_the_first_click_of_a_user_whom_the_bundle_knows_counts_at_once(worker: LivePlane) -> None:
    """Before it the trained factors speak, by which this user buys for tea; then the history as it is now."""
    before = await worker.lists.for_user_als("u00", 4, filter_already_liked=False)
    assert {each.item.category for each in before} == {"tea"} and {each.model for each in before} == {"als"}
    await does(worker, "u00", "purchase", "GAR0000000", "GAR0000001")
    after = await worker.lists.for_user_als("u00", 4, filter_already_liked=False)
    assert {each.item.category for each in after} == {"garden"}
    home = await worker.lists.home("u00", 4)
    assert {each.item.category for each in home.personalized} == {"garden"}


async def set_trending(pool: asyncpg.Pool, scores: dict[str, float]) -> None:
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("delete from trending_scores")
        await conn.executemany(
            "insert into trending_scores (item_id, score, events, computed_at) values ($1, $2, 3, now())",
            list(scores.items()),
        )
        await conn.execute("update change_state set trending_version = trending_version + 1")


async def test_new_trending_scores_are_in_the_next_lists(worker: LivePlane, pool: asyncpg.Pool) -> None:
    await set_trending(pool, {"TEA0000005": 9.0, "OFF0000001": 5.0})
    first = await worker.lists.home("ann", 2)
    assert ids(first.trending) == ["TEA0000005", "OFF0000001"]
    assert list(first.top_categories)[:2] == ["tea", "office"]
    await set_trending(pool, {"OFF0000001": 5.0, "GAR0000003": 7.0})
    second = await worker.lists.home("ann", 2)
    assert ids(second.trending) == ["GAR0000003", "OFF0000001"]
    assert list(second.top_categories)[:2] == ["garden", "office"]


def everything(home: HomeLists) -> set[str]:
    lists = [home.personalized, home.trending, home.best_value, home.diverse_picks]
    return {each for ranked in [*lists, *home.top_categories.values()] for each in ids(ranked)}


async def test_what_is_deleted_after_the_lists_were_made_is_in_none_of_the_next(worker: LivePlane) -> None:
    """Lists that are the same for everybody are remembered, and bundles hold the item on."""
    await does(worker, "ann", "like", "TEA0000000", "TEA0000002", "GAR0000000", "OFF0000000", "OFF0000001")
    gone = "TEA0000001"

    async def lists() -> list[set[str]]:
        return [
            everything(await worker.lists.home("ann", 18)),
            set(ids(await worker.lists.for_user_als("ann", 18))),
            set(ids(await worker.lists.hybrid("ann", 18))),
            set(ids(await worker.lists.similar_products("TEA0000000", 17))),
            set(ids(await worker.lists.similar_by_als("TEA0000000", 17))),
            set(ids(await worker.lists.similar_by_vector("TEA0000000", 17))),
            set(ids((await worker.lists.for_cart(["TEA0000000"], 17))[0])),
            set(ids((await worker.lists.search("tea cosy", 18)).results)),
            set(ids(await worker.lists.semantic_search("tea cosy", 18))),
        ]

    assert all(gone in found for found in await lists())
    await worker.delete_item(gone)
    assert not any(gone in found for found in await lists())


async def test_changes_that_could_not_be_read_are_read_by_the_next_request(
    worker: LivePlane, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes, broken = items.changes, [True]

    async def breaking(*args: Any) -> AsyncIterator[Any]:
        if broken:
            broken.clear()
            raise asyncpg.InterfaceError("connection is closed")
        async for rows in changes(*args):
            yield rows

    monkeypatch.setattr(items, "changes", breaking)
    async with pool.acquire() as conn:
        await items.update_item(conn, "TEA0000001", {"title": "trampoline"}, None)
    await worker.lists.catch_up()
    assert not broken and worker._components.feed.behind
    async with asyncio.timeout(60):  # the database is not asked again at once
        while not worker._components.database.available or worker._components.feed.behind:
            await asyncio.sleep(0.02)
            await worker.lists.catch_up()
    found = await worker.lists.search("trampoline", 3)
    assert ids(found.results) == ["TEA0000001"] and found.fallback_reason is None


async def test_the_weight_of_a_request_is_what_its_model_has(worker: LivePlane) -> None:
    await does(worker, "ann", "like", "TEA0000000", "TEA0000002", "GAR0000000", "OFF0000000", "OFF0000001")
    given = {}
    for weight in (0.8, 0.4, None):
        found = await worker.lists.hybrid("ann", 13, cf_weight=weight, explain=True)
        columns = {each.item.item_id: each.columns["steps"] for each in found if each.columns}
        given[weight] = columns
    both = [each for each in given[0.8] if each in given[0.4] and given[0.4][each]["cf"] > 0]
    assert both
    for each in both:
        assert given[0.8][each]["cf"] == pytest.approx(2 * given[0.4][each]["cf"], rel=1e-4)
        assert given[0.4][each]["embeddings"] == pytest.approx(3 * given[0.8][each]["embeddings"], rel=1e-4)
        assert given[None][each]["cf"] == pytest.approx(1.25 * given[0.4][each]["cf"], rel=1e-4), "half each"
