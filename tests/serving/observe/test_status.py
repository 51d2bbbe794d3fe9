"""/status reads the whole table of interactions: not for everyone who asks."""

from typing import Any

import asyncpg
import pytest

from database.counts import Counts, read_counts
from serving.catalogue.drafts import InteractionDraft
from serving.plane import LivePlane
from tests.serving.worker import Clock


async def test_the_tables_are_counted_once_in_ten_seconds(
    plane: LivePlane, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = []

    async def count(conn: Any) -> Counts:
        counted.append(1)
        return await read_counts(conn)

    monkeypatch.setattr("serving.plane.read_counts", count)
    before = await plane.status()
    await plane.record_interaction(InteractionDraft(user_id="ann", event_type="click", item_id="TEA0000000"))
    for _ in range(20):
        assert await plane.status() == before
    assert len(counted) == 1
    clock.advance(days=11 / 86_400)
    after = await plane.status()
    assert after["database"]["n_interactions"] == before["database"]["n_interactions"] + 1
    assert len(counted) == 2


async def test_a_count_that_is_held_up_is_no_database_that_is_away(
    plane: LivePlane, pool: asyncpg.Pool, clock: Clock
) -> None:
    before = (await plane.status())["database"]
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("lock table users in access exclusive mode")
        clock.advance(days=11 / 86_400)
        held_up = await plane.status()
        assert held_up["database"] == before
        assert held_up["feed"]["database_available"]
        assert plane.ready


async def test_numbers_that_could_never_be_counted_are_null_and_the_database_is_there(
    plane: LivePlane, pool: asyncpg.Pool, clock: Clock
) -> None:
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("lock table embeddings in access exclusive mode")
        held_up = await plane.status()
    assert (held_up["database"]["status"], held_up["database"]["n_users"]) == ("ok", None)
    assert held_up["feed"]["database_available"]
    clock.advance(days=11 / 86_400)
    assert (await plane.status())["database"]["n_products"] == 18
