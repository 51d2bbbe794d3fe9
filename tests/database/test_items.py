"""The catalogue and its change feed."""

import asyncio
from datetime import UTC, datetime

import asyncpg
import numpy as np
import pytest

from database.connection import connect
from database.counts import read_counts
from database.embeddings import store, unindexed
from database.items import (
    Embedding,
    ItemContent,
    ItemRow,
    StaleEmbeddingError,
    changes,
    delete_item,
    delete_kind,
    embedding_text,
    fetch_changes,
    get_item,
    insert_item,
    load_catalogue,
    text_hash,
    update_item,
)
from database.state import read_state

LAMP = ItemContent(kind="product", title="Red lamp", category="Home", tags=("red", "light"), price=9.5)
LAMP_TEXT = embedding_text("Red lamp", "Home", None, ("red", "light"), None)


def vector_of(text: str) -> Embedding:
    return Embedding("tiny", text_hash(text), np.array([0.6, 0.8], np.float32))


async def test_an_item_is_read_back_with_its_vector(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        made = await insert_item(conn, "LAMP000001", LAMP, vector_of(LAMP_TEXT))
        assert made is not None and made == await get_item(conn, "LAMP000001")
        assert (made.title, made.tags, made.price, made.article_id) == (
            "Red lamp",
            ("red", "light"),
            9.5,
            None,
        )
        assert np.frombuffer(made.vector or b"", "<f4").tolist() == pytest.approx([0.6, 0.8])
        assert made.change_seq == (await read_state(conn)).catalogue_seq == 1


@pytest.mark.parametrize(
    ("title", "category", "sub_category", "tags", "description"),
    [
        ("a", "b", "c", ["d", "e"], "f"),
        ("a", None, "", [], None),
        ("Größe, “x”", None, None, ["one"], "two. three"),
        ("", None, None, [""], ""),
    ],
)
async def test_the_database_hashes_the_same_text(
    pool: asyncpg.Pool, title: str, category: str | None, sub_category: str, tags: list[str], description: str
) -> None:
    fields = (title, category, sub_category, tags, description)
    text = await pool.fetchval("select embedding_text($1, $2, $3, $4, $5)", *fields)
    assert text == embedding_text(*fields)
    assert await pool.fetchval("select md5($1)", text) == text_hash(text)


async def test_articles_are_numbered(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        first = await insert_item(conn, None, ItemContent(kind="article", title="One"), None)
        second = await insert_item(conn, None, ItemContent(kind="article", title="Two"), None)
        assert first is not None and second is not None
        assert (first.article_id, first.item_id) == (1, "A000000001")
        assert second.article_id == 2
        await delete_item(conn, first.item_id)
        anew = await insert_item(conn, first.item_id, ItemContent(kind="article", title="One again"), None)
        assert anew is not None and anew.article_id == 1, "who knows it by its number finds it again"
        with pytest.raises(ValueError, match="articles"):
            await insert_item(conn, None, LAMP, None)


async def test_creating_over_an_item_is_refused_but_over_a_deleted_or_bare_one_fills_it(
    pool: asyncpg.Pool,
) -> None:
    async with pool.acquire() as conn:
        await conn.execute("insert into items (item_id, change_seq) values ('LAMP000001', 0)")
        assert await insert_item(conn, "LAMP000001", LAMP, None) is not None
        assert await insert_item(conn, "LAMP000001", LAMP, None) is None
        await delete_item(conn, "LAMP000001")
        revived = await insert_item(conn, "LAMP000001", LAMP, None)
        assert revived is not None and revived.deleted_at is None


async def test_a_vector_of_another_text_is_refused_whole(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        with pytest.raises(StaleEmbeddingError):
            await insert_item(conn, "LAMP000001", LAMP, vector_of("something else"))
        assert await get_item(conn, "LAMP000001") is None
        await insert_item(conn, "LAMP000001", LAMP, vector_of(LAMP_TEXT))
        with pytest.raises(StaleEmbeddingError):
            await update_item(conn, "LAMP000001", {"title": "Blue lamp"}, vector_of("Green lamp"))
        assert (await get_item(conn, "LAMP000001")).title == "Red lamp"  # type: ignore[union-attr]


async def test_a_new_text_without_a_vector_has_none(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        await insert_item(conn, "LAMP000001", LAMP, vector_of(LAMP_TEXT))
        cheaper = await update_item(conn, "LAMP000001", {"price": 8.0}, None)
        renamed = await update_item(conn, "LAMP000001", {"title": "Blue lamp"}, None)
        assert cheaper is not None and cheaper.vector is not None
        assert renamed is not None and renamed.vector is None
        assert await update_item(conn, "UNKNOWN", {"price": 8.0}, None) is None
        with pytest.raises(ValueError, match="item_id"):
            await update_item(conn, "LAMP000001", {"item_id": "X"}, None)


async def test_the_feed_tells_of_edits_and_deletions_once(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        for number in range(3):
            await insert_item(conn, f"LAMP00000{number}", LAMP, None)
        await update_item(conn, "LAMP000000", {"price": 1.0}, None)
        assert await delete_item(conn, "LAMP000001") == 5
        assert await delete_item(conn, "LAMP000001") is None
        rows = await fetch_changes(conn, 0, 10)
        assert [(row.item_id[-1], row.change_seq) for row in rows] == [("2", 3), ("0", 4), ("1", 5)]
        assert rows[-1].deleted_at is not None
        assert [row.item_id async for batch in load_catalogue(conn) for row in batch] == [
            "LAMP000000",
            "LAMP000002",
        ]


async def test_the_feed_pages_within_one_number(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        await conn.execute(
            "insert into items (item_id, title, change_seq) "
            "select 'I' || n, 't', 7 from generate_series(1, 25) n"
        )
        seen = [row.item_id async for batch in changes(conn, 6, batch=10) for row in batch]
        assert len(seen) == len(set(seen)) == 25


async def test_the_catalogue_comes_whole_and_once_in_batches_of_any_ids(pool: asyncpg.Pool) -> None:
    ids = [f"{first}{number}" for first in ("A", "a", "é", "_", "-", "10 ") for number in range(7)]
    async with pool.acquire() as conn:
        await conn.executemany(
            "insert into items (item_id, title, change_seq, deleted_at) values ($1, 't', 1, $2)",
            [(each, None if number % 5 else datetime.now(UTC)) for number, each in enumerate(ids)],
        )
        whole = await conn.fetch("select item_id from items where deleted_at is null order by item_id")
        for size in (1, 4, 100):
            batches = [batch async for batch in load_catalogue(conn, size)]
            assert all(len(batch) <= size for batch in batches)
            assert [row.item_id for batch in batches for row in batch] == [row[0] for row in whole]


async def test_the_catalogue_says_of_each_item_what_is_read_of_it_alone(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        for number in range(6):
            content = ItemContent(
                kind="product",
                title="1" if number % 2 else "Lamp",
                category=("Lamp", "1", None)[number % 3],
                tags=("1",) * (number % 3),
                rating=1.0,
                rating_count=1,
                price=(1.0, 2.0, None)[number % 3],
            )
            await insert_item(conn, f"LAMP{number}", content, None)
        [batch] = [batch async for batch in load_catalogue(conn)]
        assert repr(batch) == repr([await get_item(conn, row.item_id) for row in batch])
        assert batch[1].category is batch[3].title


async def test_numbers_are_in_the_order_of_commits(pool: asyncpg.Pool) -> None:
    async def write(number: int) -> int:
        async with pool.acquire() as conn:
            made = await insert_item(conn, f"LAMP0000{number:02}", LAMP, None)
            assert made is not None
            return made.change_seq

    assert sorted(await asyncio.gather(*(write(n) for n in range(20)))) == list(range(1, 21))


async def test_wiping_a_kind_spares_the_others(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        of_article = vector_of(embedding_text("One", None, None, (), None))
        await insert_item(conn, None, ItemContent(kind="article", title="One"), of_article)
        await insert_item(conn, "LAMP000001", LAMP, vector_of(LAMP_TEXT))
        assert await delete_kind(conn, "article") == 1
        assert (await read_counts(conn)).items == 1
        kept = await conn.fetch("select item_id from embeddings")
        assert [row["item_id"] for row in kept] == ["LAMP000001"]


async def test_missing_and_stale_vectors_are_found_and_mended(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        await insert_item(conn, "LAMP000001", LAMP, vector_of(LAMP_TEXT))
        await insert_item(conn, "LAMP000002", LAMP, None)
        await insert_item(conn, "LAMP000003", LAMP, vector_of(LAMP_TEXT))
        await update_item(conn, "LAMP000003", {"title": "Blue lamp"}, None)
    known = np.array([0.6, 0.8], "<f4").tobytes()
    with connect() as sync:
        found = sorted(unindexed(sync, "tiny", 10), key=lambda each: each.text)
        assert [(text.text[:4], text.vector) for text in found] == [("Blue", None), ("Red ", known)]
        assert len(unindexed(sync, "other", 10)) == 2
        assert store(sync, "tiny", found, [np.ones(2, "<f4").tobytes(), known]) == 2
        assert unindexed(sync, "tiny", 10) == []
    async with pool.acquire() as conn:
        rows = await fetch_changes(conn, 4, 10)
        assert [(row.item_id, row.vector is not None) for row in rows] == [
            ("LAMP000002", True),
            ("LAMP000003", True),
        ]


async def test_a_new_price_ends_the_sale_and_a_false_discount_is_not_stored(pool: asyncpg.Pool) -> None:
    sale = ItemContent(kind="product", title="Tea", price=5.0, original_price=10.0, discount_ratio=0.5)

    def prices(row: ItemRow | None) -> tuple[float | None, ...]:
        assert row is not None
        return row.price, row.original_price, row.discount_ratio

    async with pool.acquire() as conn:
        assert prices(await insert_item(conn, "TEA", sale, None)) == (5.0, 10.0, 0.5)
        assert prices(await update_item(conn, "TEA", {"title": "Tea"}, None)) == (5.0, 10.0, 0.5)
        assert prices(await update_item(conn, "TEA", {"discount_ratio": 0.9}, None)) == (5.0, 10.0, None)
        assert prices(await update_item(conn, "TEA", {"price": 10.0}, None)) == (10.0, None, None)
        told = {"price": 7.5, "original_price": 10.0, "discount_ratio": 0.25}
        assert prices(await update_item(conn, "TEA", told, None)) == (7.5, 10.0, 0.25)
