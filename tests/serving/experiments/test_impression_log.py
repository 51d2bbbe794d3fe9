"""The impression log writes in batches, loses only what it says, and never raises."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
import pytest_asyncio

from database.connection import create_pool
from database.impressions import ImpressionRow
from serving.experiments.impression_log import ImpressionLog
from serving.observe.list_metrics import list_metrics
from training.params.experiments import ImpressionsParams

if TYPE_CHECKING:
    from tests.conftest import Database

PARAMS = ImpressionsParams(positions=100, queue_lists=50, batch_lists=10, flush_ms=20)


def row(request_id: str, user_id: str = "ann") -> ImpressionRow:
    return ImpressionRow(
        request_id, "home", user_id, ("x", "y"), (0.9, 0.1), "b1", datetime.now(UTC), "e", "a"
    )


@pytest_asyncio.fixture
async def pool(database: "Database") -> AsyncIterator[asyncpg.Pool]:
    made = await create_pool(1, 2)
    yield made
    await made.close()


class Flaky:
    """A pool whose server is away until `up` is set."""

    def __init__(self, pool: asyncpg.Pool | None = None) -> None:
        self._pool = pool
        self.up = False
        self.asked = 0

    def acquire(self, timeout: float) -> Any:
        self.asked += 1
        if not self.up or self._pool is None:
            raise ConnectionRefusedError("away")
        return self._pool.acquire(timeout=timeout)


async def count(pool: asyncpg.Pool) -> int:
    found: int = await pool.fetchval("select count(*) from impression_lists")
    return found


async def until(pool: asyncpg.Pool, rows: int) -> None:
    async with asyncio.timeout(5):
        while await count(pool) < rows:
            await asyncio.sleep(0.01)


async def test_lists_are_there_soon_and_in_few_writes(pool: asyncpg.Pool) -> None:
    log = ImpressionLog(pool, PARAMS)
    log.open()
    for n in range(35):
        assert log.add(row(f"r{n}"))
    await until(pool, 35)
    stored = await pool.fetchrow("select * from impression_lists where request_id = 'r7'")
    assert stored["item_ids"] == ["x", "y"] and stored["propensities"] == pytest.approx([0.9, 0.1])
    assert (stored["experiment_id"], stored["arm"], stored["shown"]) == ("e", "a", True)
    await log.close()
    assert (log.written, log.dropped, log.waiting) == (35, 0, 0)


async def test_an_orderly_stop_writes_what_waits(pool: asyncpg.Pool) -> None:
    log = ImpressionLog(pool, PARAMS.model_copy(update={"flush_ms": 60_000}))
    log.open()
    for n in range(9):
        log.add(row(f"r{n}"))
    await asyncio.sleep(0.01)
    assert await count(pool) == 0
    await log.close()
    assert await count(pool) == 9


async def test_a_full_queue_drops_and_counts(pool: asyncpg.Pool) -> None:
    log = ImpressionLog(pool, PARAMS)
    taken = [log.add(row(f"r{n}")) for n in range(60)]
    assert taken.count(True) == 50 and log.dropped == 10
    log.open()
    await until(pool, 50)
    await log.close()


async def test_lists_wait_while_the_database_is_away(pool: asyncpg.Pool) -> None:
    flaky = Flaky(pool)
    log = ImpressionLog(flaky, PARAMS)
    log.open()
    log.add(row("r1"))
    async with asyncio.timeout(5):
        while flaky.asked < 2:
            await asyncio.sleep(0.01)
    assert log.waiting == 1
    flaky.up = True
    await until(pool, 1)
    await log.close()
    assert log.written == 1


async def test_a_stop_without_database_counts_the_loss() -> None:
    log = ImpressionLog(Flaky(), PARAMS)
    log.open()
    log.add(row("r1"))
    await log.close()
    assert (log.written, log.dropped, log.waiting) == (0, 1, 0)


async def test_a_list_that_cannot_be_stored_does_not_stop_the_others(pool: asyncpg.Pool) -> None:
    log = ImpressionLog(pool, PARAMS)
    log.open()
    for user in ("ann", "bob\x00", "eve"):
        log.add(row("r", user))
    await until(pool, 2)
    await log.close()
    assert (log.written, log.dropped) == (2, 1)


def test_measures_count_what_they_are_told() -> None:
    from prometheus_client import REGISTRY

    def value(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0.0

    before = value("shortlist_impressions_dropped_total")
    made = list_metrics()
    made.count(made.counts_of("home", {"als": 2, "tfidf": 1}, cold=True, fallback="popular"))
    made.count_impressions(written=5, dropped=2, waiting=1)
    made.count_impressions(written=1, dropped=0, waiting=0)
    assert value("shortlist_list_items_total", endpoint="home", model="als") == 2
    assert value("shortlist_lists_total", endpoint="home", cold="true") == 1
    assert value("shortlist_fallbacks_total", endpoint="home", reason="popular") == 1
    assert value("shortlist_impressions_dropped_total") == before + 2
    assert value("shortlist_impressions_waiting") == 0
    assert list_metrics() is made
