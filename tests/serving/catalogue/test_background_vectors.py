"""Items that come without a vector get one: each text once, by one worker at a time, after a kill too."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
import pytest
from numpy.typing import NDArray

from database.embeddings import unindexed_among
from database.locks import VECTORS
from serving.catalogue import background_vectors
from serving.errors import EncoderUnavailableError
from serving.plane import LivePlane
from tests.serving.words import BagOfWords
from training.params import Params


class Counting(BagOfWords):
    """Notes each text it is given; a text that ends in "bad" it can't read; stops when told to."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.at_once: list[list[str]] = []
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.at_most: int | None = None

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked.update(texts)
        self.at_once.append(list(texts))
        if self.at_most is not None and self.asked.total() >= self.at_most:
            self.goes_on.wait(60)
        if any(text.endswith("bad") for text in texts):
            raise ValueError("half a character")
        return super().encode(texts)


Start = Callable[[Counting], Awaitable[LivePlane]]


@pytest.fixture
async def start(
    pool: asyncpg.Pool, small_params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Start]:
    """Starts a worker with this encoder."""
    monkeypatch.setattr(background_vectors, "_LOOKS_EVERY", 0.02)
    monkeypatch.setattr(background_vectors, "_STORED_AT_ONCE", 8)
    planes: list[LivePlane] = []

    async def open_one(encoder: Counting) -> LivePlane:
        planes.append(
            await LivePlane.open(pool, small_params, encoder=encoder, locate=lambda tag: tmp_path / tag)
        )
        return planes[-1]

    yield open_one
    for plane in planes:
        await plane.close()


async def ingest(pool: asyncpg.Pool, titles: Sequence[str], prefix: str = "I") -> None:
    """As a file without --encode leaves its items."""
    async with pool.acquire() as conn, conn.transaction():
        seq = await conn.fetchval(
            "update change_state set catalogue_seq = catalogue_seq + 1 returning catalogue_seq"
        )
        await conn.executemany(
            "insert into items (item_id, kind, title, change_seq) values ($1, 'product', $2, $3)",
            [(f"{prefix}{number:04}", title, seq) for number, title in enumerate(titles)],
        )


async def reaches(number: int, count: Callable[[], Awaitable[int]]) -> None:
    async with asyncio.timeout(60):
        while await count() != number:
            await asyncio.sleep(0.02)


def stored(pool: asyncpg.Pool) -> Callable[[], Awaitable[int]]:
    async def count() -> int:
        return int(await pool.fetchval("select count(*) from embeddings"))

    return count


def all_of(ids: Sequence[str]) -> Callable[[], Awaitable[int]]:
    async def count() -> int:
        return len(set(ids))

    return count


async def store(pool: asyncpg.Pool, model: str, prefix: str) -> None:
    """As a training run whose params name this model leaves the items."""
    async with pool.acquire() as conn, conn.transaction():
        seq = await conn.fetchval(
            "update change_state set catalogue_seq = catalogue_seq + 1 returning catalogue_seq"
        )
        await conn.execute(
            """insert into embeddings (item_id, model, dimension, text_hash, vector)
            select item_id, $1, 2, text_hash, $2 from items where item_id like $3 || '%'
            on conflict (item_id) do update set model = excluded.model, dimension = excluded.dimension,
                vector = excluded.vector, updated_at = now()""",
            model,
            bytes(8),
            prefix,
        )
        await conn.execute("update items set change_seq = $1 where item_id like $2 || '%'", seq, prefix)


async def models(pool: asyncpg.Pool) -> dict[str, str]:
    return {row[0]: row[1] for row in await pool.fetch("select item_id, model from embeddings")}


def left(plane: LivePlane) -> Callable[[], Awaitable[int]]:
    async def count() -> int:
        await plane.catch_up()
        return int((await plane.status())["similarity_search"]["items_without_vector"])

    return count


async def test_ingested_items_are_found_by_meaning_without_anybodys_doing(
    pool: asyncpg.Pool, start: Start
) -> None:
    encoder = Counting()
    plane = await start(encoder)
    await ingest(pool, [f"lamp {number % 10}" for number in range(40)])
    await reaches(40, stored(pool))
    await reaches(0, left(plane))
    assert sorted(encoder.asked.values()) == [1] * 10  # equal texts once
    nearest = await plane.lists.semantic_search("lamp 3", 4)
    assert {each.item.title for each in nearest} == {"lamp 3"}


async def test_a_query_waits_for_few_short_texts_or_one_long_one(pool: asyncpg.Pool, start: Start) -> None:
    encoder = Counting()
    await start(encoder)
    await ingest(pool, [f"{number} " + "lamp " * 90 for number in range(8)])
    await reaches(8, stored(pool))
    assert {len(texts) for texts in encoder.at_once if texts} == {1}
    encoder.at_once.clear()
    await ingest(pool, [f"cup {number}" for number in range(8)], prefix="S")
    await reaches(16, stored(pool))
    assert {len(texts) for texts in encoder.at_once if texts} == {4}


@pytest.mark.parametrize("count", [1, 7, 8, 9, 17])
async def test_the_last_item_gets_its_vector_whatever_the_batches(
    pool: asyncpg.Pool, start: Start, count: int
) -> None:
    await start(Counting())
    await ingest(pool, [f"hat {number}" for number in range(count)])
    await reaches(count, stored(pool))


async def test_an_item_that_comes_during_a_round_without_success_is_not_forgotten(
    pool: asyncpg.Pool, start: Start
) -> None:
    encoder = Counting()
    encoder.at_most = 1
    encoder.goes_on.clear()
    plane = await start(encoder)
    await ingest(pool, ["a bad"])
    async with asyncio.timeout(60):
        while not encoder.asked:
            await asyncio.sleep(0.02)
    await ingest(pool, ["jug"], prefix="L")
    await reaches(2, left(plane))
    encoder.goes_on.set()
    await reaches(1, stored(pool))


async def test_two_workers_encode_no_text_twice(pool: asyncpg.Pool, start: Start) -> None:
    await ingest(pool, [f"chair {number}" for number in range(60)])
    one, other = Counting(), Counting()
    planes = [await start(one), await start(other)]
    await reaches(60, stored(pool))
    for plane in planes:
        await reaches(0, left(plane))
    assert set((one.asked + other.asked).values()) == {1}


async def test_after_a_kill_the_next_worker_goes_on(pool: asyncpg.Pool, start: Start) -> None:
    await ingest(pool, [f"table {number}" for number in range(40)])
    first = Counting()
    first.at_most = 20
    first.goes_on.clear()
    plane = await start(first)
    await reaches(16, stored(pool))
    assert await left(plane)() == 24
    closing = asyncio.create_task(plane.close())
    first.goes_on.set()
    await closing
    kept = await stored(pool)()  # 16, unless the worker stored some more before it was stopped
    second = Counting()
    await start(second)
    await reaches(40, stored(pool))
    assert second.asked.total() == 40 - kept


async def test_workers_leave_it_to_a_training_run(pool: asyncpg.Pool, start: Start) -> None:
    encoder = Counting()
    plane = await start(encoder)
    async with pool.acquire() as conn:
        await conn.fetchval("select pg_advisory_lock($1)", VECTORS)
        await ingest(pool, ["vase", "vase", "bowl"])
        await reaches(3, left(plane))
        await asyncio.sleep(0.2)
        assert not encoder.asked
        await conn.fetchval("select pg_advisory_unlock($1)", VECTORS)
    await reaches(0, left(plane))


async def test_a_text_that_can_not_be_read_is_asked_for_once_and_holds_up_no_other(
    pool: asyncpg.Pool, start: Start
) -> None:
    encoder = Counting()
    plane = await start(encoder)
    await ingest(pool, ["a bad", *(f"cup {number}" for number in range(20))])
    await reaches(1, left(plane))
    asked = encoder.asked["a bad"]
    await ingest(pool, ["jug"], prefix="L")
    await reaches(21, stored(pool))
    await reaches(1, left(plane))
    assert encoder.asked["a bad"] == asked


async def test_what_can_not_be_read_is_not_looked_at_at_each_change(
    pool: asyncpg.Pool, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def noting(conn: asyncpg.Connection, item_ids: Sequence[str], *others: Any) -> list[Any]:
        asked.extend(item_ids)
        return await unindexed_among(conn, item_ids, *others)

    monkeypatch.setattr(background_vectors, "unindexed_among", noting)
    plane = await start(Counting())
    await ingest(pool, [f"{number} bad" for number in range(20)])
    await ingest(pool, ["cup"], prefix="L")
    await reaches(20, left(plane))
    await reaches(21, all_of(asked))
    asked.clear()
    await ingest(pool, ["jug"], prefix="M")
    await reaches(20, left(plane))
    await reaches(2, stored(pool))
    assert set(asked) == {"M0000"}


async def test_vectors_of_a_training_run_with_newer_params_stay(pool: asyncpg.Pool, start: Start) -> None:
    await ingest(pool, ["lamp", "chair"])
    await store(pool, "old", "I")
    plane = await start(Counting())
    await reaches(0, left(plane))
    assert await models(pool) == {"I0000": Counting().name, "I0001": Counting().name}
    await store(pool, "new", "I")
    await ingest(pool, ["vase"], prefix="L")
    await reaches(2, left(plane))
    assert await models(pool) == {"I0000": "new", "I0001": "new", "L0000": Counting().name}


async def test_that_the_model_is_away_is_said_once(
    pool: asyncpg.Pool, start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(background_vectors, "_RETRY_SECONDS", 0.01)
    tried = 0

    async def away(*_: object) -> None:
        nonlocal tried
        tried += 1
        raise EncoderUnavailableError("it has another model")

    async def attempts() -> int:
        return min(tried, 5)

    plane = await start(Counting())
    monkeypatch.setattr(plane._components.encoder, "encode_behind_others", away)
    with caplog.at_level("INFO"):
        await ingest(pool, ["lamp"])
        await reaches(5, attempts)
    assert caplog.text.count("it has another model") == 1
