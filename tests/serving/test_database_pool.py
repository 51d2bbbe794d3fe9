"""The database away: reads go on from memory, writes say so, and all is well again by itself."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import asyncpg
import pytest

from serving.catalogue.drafts import InteractionDraft, ItemDraft, UserDraft
from serving.database_pool import LiveDatabase
from serving.errors import DatabaseUnavailableError
from serving.plane import LivePlane
from serving.types import Ranked

OpenPlane = Callable[[], Awaitable[LivePlane]]


def ids(ranked: list[Ranked]) -> list[str]:
    return [each.item.item_id for each in ranked]


async def test_reads_go_on_without_the_database_and_writes_are_refused(
    plane: LivePlane, pool: asyncpg.Pool, deploy: Any
) -> None:
    deploy()
    await plane.settle()
    click = InteractionDraft(user_id="ann", event_type="product_click", item_id="TEA0000000")
    await plane.record_interaction(click)
    before = await plane.lists.home("ann", 5)
    assert not plane.stale
    await pool.close()
    assert ids((await plane.lists.home("ann", 5)).personalized) == ids(before.personalized)
    assert plane.stale
    assert ids((await plane.lists.search("teapot", 1)).results) == ["TEA0000000"]
    assert await plane.get_item("TEA0000000") is not None
    assert await plane.lists.hybrid("stranger", 3) and await plane.lists.for_user_als("u00", 3)
    status = await plane.status()
    assert status["database"]["status"] == "unavailable"
    writes = [
        plane.record_interaction(click),
        plane.create_item(ItemDraft(kind="product", item_id="NEW0000001", title="x")),
        plane.update_item("TEA0000000", {"title": "x"}),
        plane.delete_item("TEA0000000"),
        plane.create_user(UserDraft(user_id="ann")),
        plane.user_interactions("ann", 30),
    ]
    for write in writes:
        with pytest.raises(DatabaseUnavailableError):
            await write


async def test_a_worker_goes_on_from_what_it_last_saw_of_each_user(
    plane: LivePlane, pool: asyncpg.Pool, deploy: Any
) -> None:
    """Lists that no page was made of before: from the user's events, not from a list that is remembered."""
    deploy()
    await plane.settle()
    for user, item_id in (("ann", "TEA0000000"), ("bob", "GAR0000000")):
        await plane.record_interaction(InteractionDraft(user_id=user, event_type="like", item_id=item_id))
        await plane.lists.hybrid(user, 5)
    await pool.close()
    for user, own, category in (("ann", "TEA0000000", "tea"), ("bob", "GAR0000000", "garden")):
        made = await plane.lists.hybrid(user, 17)
        assert plane.stale and own not in ids(made), "who was here sees nothing twice"
        assert made[0].item.category == category
    stranger = await plane.lists.hybrid("stranger", 18)
    assert {"TEA0000000", "GAR0000000"} <= set(ids(stranger))


async def test_lost_connections_are_made_anew(
    plane: LivePlane, pool: asyncpg.Pool, postgres: Any, open_plane: OpenPlane
) -> None:
    other = await open_plane()
    postgres.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname like 'test%'")
    await plane.lists.home("ann", 5)
    async with asyncio.timeout(10):
        while plane.stale:
            await asyncio.sleep(0.2)
            await plane.catch_up()
    await plane.create_item(ItemDraft(kind="product", item_id="NEW0000001", title="samovar"))
    await other.catch_up()
    async with asyncio.timeout(10):
        while await other.get_item("NEW0000001") is None:
            await asyncio.sleep(0.2)


async def test_a_worker_that_cannot_follow_is_not_ready_until_it_can(
    plane: LivePlane, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise KeyError("a row that nobody thought of")

    with monkeypatch.context() as broken:
        broken.setattr(plane._components.feed, "catch_up", fail)
        async with asyncio.timeout(5):
            while plane.healthy:
                await asyncio.sleep(0.05)
        await asyncio.sleep(1.2)
    assert len([each for each in caplog.records if "not ready" in each.message]) == 1
    async with asyncio.timeout(5):
        while not plane.healthy:
            await asyncio.sleep(0.05)


async def test_a_last_word_that_confuses_the_driver_is_an_outage_too(pool: asyncpg.Pool) -> None:
    database = LiveDatabase(pool)

    with pytest.raises(DatabaseUnavailableError):
        async with database.connection("reading"):
            raise asyncpg.InternalClientError("cannot switch to state 12; another operation is in progress")
    assert not database.available


async def test_a_fault_of_the_driver_is_an_outage_and_not_an_error_of_the_service(
    plane: LivePlane, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    article = await plane.create_item(ItemDraft(kind="article", title="lace"))

    async def closed(*_: Any, **__: Any) -> None:
        raise RuntimeError(
            "unable to perform operation on <UnixTransport closed=True>; the handler is closed"
        )

    with monkeypatch.context() as broken:
        broken.setattr(asyncpg.Connection, "_execute", closed)
        assert await plane.get_article(article.article_id or 0) == article
        assert await plane.get_article(10**9) is None
        with pytest.raises(DatabaseUnavailableError):
            await plane.update_item(article.item_id, {"title": "lace, finer"})
    assert "the handler is closed" in caplog.text
    async with asyncio.timeout(20):
        while True:
            with suppress(DatabaseUnavailableError):
                await plane.update_item(article.item_id, {"title": "lace, finer"})
                break
            await asyncio.sleep(0.05)


async def test_an_error_of_our_own_is_not_taken_for_an_outage(pool: asyncpg.Pool) -> None:
    database = LiveDatabase(pool)
    with pytest.raises(KeyError):
        async with database.connection("reading") as conn:
            await conn.fetchval("select 1")
            raise KeyError("ours")
    with pytest.raises(asyncpg.UndefinedTableError):
        async with database.connection("reading") as conn:
            await conn.fetchval("select * from no_such_table")
    assert database.available


async def test_what_is_done_stays_done_when_the_connection_is_not_given_back(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = LiveDatabase(pool)
    release = asyncpg.Pool.release

    async def fail(pool: asyncpg.Pool, conn: asyncpg.Connection, **_: Any) -> None:
        await release(pool, conn)
        raise OSError("the reset failed")

    monkeypatch.setattr(asyncpg.Pool, "release", fail)
    async with database.connection("counting") as conn:
        assert await conn.fetchval("select 1") == 1
    assert database.available


async def test_the_probe_asks_on_whatever_it_meets(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = LiveDatabase(pool)

    async def broken(*_: Any, **__: Any) -> None:
        raise AttributeError("'NoneType' object has no attribute 'call_soon'")

    with monkeypatch.context() as patch:
        patch.setattr(asyncpg.Pool, "acquire", broken)
        database._lose("for the test")
        await asyncio.sleep(0.1)
    async with asyncio.timeout(10):
        while not database.available:
            await asyncio.sleep(0.05)
    await database.close()
