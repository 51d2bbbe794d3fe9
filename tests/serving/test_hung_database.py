"""A database that hangs, or holds locks: reads are answered soon, writes are refused soon, by name."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from database.connection import create_pool
from database.settings import Settings
from serving import database_pool
from serving.api.errors import _SERVING
from serving.catalogue.drafts import InteractionDraft, ItemDraft, UserDraft
from serving.database_pool import Lane, LiveDatabase
from serving.errors import DatabaseBusyError, DatabaseUnavailableError
from serving.plane import LivePlane
from serving.request_context import Request, current_request
from tests.serving.proxy import Proxy
from tests.serving.words import BagOfWords
from training.params import Params

CLICK = InteractionDraft(user_id="ann", event_type="product_click", item_id="TEA0000000")
READ_SECONDS = 4.0
"""More than the limit of a read and the time of a probe, less than anything that waits for a hung server."""


@pytest.fixture
async def proxy(database: Any) -> AsyncIterator[Proxy]:
    async with Proxy(database.dsn).running() as running:
        yield running


@pytest.fixture
async def slow_pool(proxy: Proxy) -> AsyncIterator[asyncpg.Pool]:
    settings = Settings(_env_file=None, database_url=proxy.dsn)
    pool = await create_pool(1, 13, settings)
    yield pool
    pool.terminate()
    await asyncio.sleep(0.05)


@pytest.fixture
async def worker(
    shop: list[str], slow_pool: asyncpg.Pool, small_params: Params, tmp_path: Path
) -> AsyncIterator[LivePlane]:
    """A worker that reaches the database through the proxy."""
    plane = await LivePlane.open(
        slow_pool,
        small_params,
        encoder=BagOfWords(),
        locate=lambda tag: tmp_path / tag.rpartition(":")[2],
    )
    yield plane
    await plane.close()


async def test_reads_go_on_from_memory_and_writes_are_refused_while_the_database_hangs(
    worker: LivePlane, proxy: Proxy, deploy: Any
) -> None:
    deploy()
    await worker.settle()
    await worker.record_interaction(CLICK)
    before = await worker.lists.home("ann", 5)
    proxy.hang()
    request = Request("r1")
    current_request.set(request)
    async with asyncio.timeout(READ_SECONDS):
        first = await asyncio.gather(*(worker.lists.home("ann", 5) for _ in range(20)))
    assert all(each.personalized == before.personalized for each in first)
    assert request.stale
    async with asyncio.timeout(READ_SECONDS):
        while not worker.stale:
            await asyncio.sleep(0.05)
    assert not worker.ready
    writes = [
        worker.record_interaction(CLICK),
        worker.create_item(ItemDraft(kind="product", item_id="NEW0000001", title="x")),
        worker.update_item("TEA0000000", {"title": "x"}),
        worker.delete_item("TEA0000000"),
        worker.create_user(UserDraft(user_id="ann")),
        worker.user_interactions("ann", 30),
    ]
    async with asyncio.timeout(10):
        for _ in range(50):
            await worker.lists.home("ann", 5)
        for write in writes:
            with pytest.raises(DatabaseUnavailableError):
                await write
    assert (await worker.status())["database"]["status"] == "unavailable"
    proxy.go_on()
    async with asyncio.timeout(10):
        while worker.stale:
            await asyncio.sleep(0.05)
    assert worker.ready
    await worker.record_interaction(CLICK)


async def test_reads_wait_once_and_not_until_the_hang_is_certain(
    worker: LivePlane, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_pool, "_PROBE_SECONDS", 60.0)
    proxy.hang()
    request = Request("r1")
    current_request.set(request)
    async with asyncio.timeout(READ_SECONDS):
        for _ in range(50):
            await worker.lists.home("ann", 5)
            await worker.lists.hybrid("ann", 5)
    assert request.stale
    assert not worker.stale  # a slow read is no dead database: writes are still tried
    proxy.go_on()
    request.stale = True
    async with asyncio.timeout(10):
        while request.stale:
            request.stale = False
            await worker.lists.home("ann", 5)
            await asyncio.sleep(0.02)


async def test_what_came_while_the_loop_was_held_up_is_read(slow_pool: asyncpg.Pool) -> None:
    database = LiveDatabase(slow_pool)
    async with database.connection("reading", Lane.ANSWER) as conn:
        answer = asyncio.create_task(conn.fetchval("select 1"))
        await asyncio.sleep(0)
        time.sleep(1.5)
        assert await answer == 1
    assert database.available
    await database.close()


async def test_a_write_that_meets_the_hang_is_refused_within_seconds(worker: LivePlane, proxy: Proxy) -> None:
    proxy.hang()
    draft = ItemDraft(kind="product", item_id="NEW0000001", title="samovar")
    async with asyncio.timeout(8):
        errors = await asyncio.gather(
            worker.record_interaction(CLICK),
            worker.create_item(draft),
            worker.create_user(UserDraft(user_id="ann")),
            return_exceptions=True,
        )
    assert [isinstance(error, DatabaseUnavailableError) for error in errors] == [True] * 3


async def test_a_lock_that_is_held_is_no_dead_database(worker: LivePlane, connection: Any) -> None:
    connection.cursor().execute("select * from change_state for update")
    draft = ItemDraft(kind="product", item_id="NEW0000001", title="samovar")
    saves = [asyncio.create_task(worker.create_item(draft)) for _ in range(12)]
    await asyncio.sleep(0.2)
    async with asyncio.timeout(4):
        for _ in range(10):
            await worker.lists.home("ann", 5)
            await worker.record_interaction(CLICK)
    assert not worker.stale
    async with asyncio.timeout(8):
        errors = await asyncio.gather(*saves, return_exceptions=True)
    assert all(isinstance(error, DatabaseBusyError) for error in errors), errors
    assert not worker.stale
    connection.rollback()
    await worker.create_item(draft)


async def test_a_slow_statement_is_no_dead_database(slow_pool: asyncpg.Pool) -> None:
    database = LiveDatabase(slow_pool)
    with pytest.raises(DatabaseBusyError, match="reading slowly"):
        async with database.connection("reading slowly") as conn, conn.transaction():
            await conn.execute("select pg_sleep(30)")
    await asyncio.sleep(0.5)
    assert database.available
    async with database.connection("reading") as conn:
        assert await conn.fetchval("select 1") == 1
    await database.close()


async def test_a_full_lane_holds_up_no_other(slow_pool: asyncpg.Pool) -> None:
    database = LiveDatabase(slow_pool)

    async def sleep(lane: Lane) -> None:
        async with database.connection("sleeping", lane) as conn:
            await conn.execute("select pg_sleep(30)")

    asleep = [asyncio.create_task(sleep(Lane.CATALOGUE)) for _ in range(10)]
    asleep += [asyncio.create_task(sleep(Lane.READ)) for _ in range(10)]
    await asyncio.sleep(0.1)
    for lane in (Lane.EVENT, Lane.FOLLOW):
        async with database.connection("writing", lane) as conn:
            await conn.fetchval("select 1")
    assert not any(each.done() for each in asleep[:2]), "they did not wait for those who sleep"
    errors = await asyncio.gather(*asleep, return_exceptions=True)
    assert {type(error) for error in errors} == {DatabaseBusyError}
    assert database.available
    await database.close()


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.LockNotAvailableError("canceling statement due to lock timeout"),
        asyncpg.DeadlockDetectedError("deadlock detected"),
        asyncpg.SerializationError("could not serialize access"),
        asyncpg.QueryCanceledError("canceling statement due to statement timeout"),
        asyncpg.ReadOnlySQLTransactionError("cannot execute INSERT in a read-only transaction"),
    ],
)
async def test_what_passes_is_an_error_of_its_own(slow_pool: asyncpg.Pool, error: Exception) -> None:
    database = LiveDatabase(slow_pool)
    with pytest.raises(DatabaseBusyError, match="try again"):
        async with database.connection("writing"):
            raise error
    assert database.available
    assert next(row[1:] for row in _SERVING if issubclass(DatabaseBusyError, row[0])) == (
        503,
        "database_busy",
    )


@pytest.mark.parametrize("lane", [Lane.READ, Lane.FOLLOW])
async def test_who_is_given_up_does_not_wait_for_a_database_that_hangs(
    slow_pool: asyncpg.Pool, proxy: Proxy, lane: Lane
) -> None:
    database = LiveDatabase(slow_pool)
    async with database.connection("reading", lane) as conn:
        assert await conn.fetchval("select 1") == 1
    proxy.hang()

    async def ask() -> None:
        async with database.connection("reading", lane) as conn:
            await conn.fetchval("select 2")

    asking = asyncio.create_task(ask())
    await asyncio.sleep(0.1)
    asking.cancel()
    done, _ = await asyncio.wait({asking}, timeout=1.0)
    assert asking in done and asking.cancelled()
    proxy.go_on()
    async with asyncio.timeout(10), database.connection("reading", lane) as conn:
        assert await conn.fetchval("select 3") == 3
    await database.close()


async def test_who_is_given_up_within_a_transaction_ends(slow_pool: asyncpg.Pool, proxy: Proxy) -> None:
    """A task that goes on after errors of the database would not, and who closes it would wait for ever."""
    database = LiveDatabase(slow_pool)

    async def ask() -> None:
        async with database.connection("reading") as conn, conn.transaction():
            proxy.hang()
            await conn.fetchval("select 2")

    asking = asyncio.create_task(ask())
    await asyncio.sleep(0.1)
    asking.cancel()
    await asyncio.wait({asking}, timeout=READ_SECONDS)
    assert asking.cancelled()
    proxy.go_on()
    async with asyncio.timeout(10), database.connection("reading") as conn:
        assert await conn.fetchval("select 3") == 3
    await database.close()
