"""Lists that are the same for everybody are stored once, and are there as long as somebody was shown them."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
from hypothesis import given
from hypothesis import strategies as st
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.impressions import (
    ImpressionRow,
    SharedList,
    content_id,
    delete_shared_before,
    write_impressions,
)

NOW = datetime.now(UTC)
PAGE = (SharedList("home.trending", "", ("x", "y")), SharedList("home.top_categories", "tea", ("t",)))
OTHER = (SharedList("home.trending", "", ("y", "x")),)


def page(user: str, shared: tuple[SharedList, ...], days: float = 0) -> ImpressionRow:
    moment = NOW + timedelta(days=days)
    return ImpressionRow("r", "shared", user, None, None, "b1", moment, shared=shared)


async def test_a_page_is_stored_once_and_read_as_its_lists(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        await write_impressions(conn, [page("ann", PAGE), page("bob", PAGE), page("eve", OTHER)])
        await write_impressions(conn, [page("joe", PAGE)])
        assert await conn.fetchval("select count(*) from shared_lists") == 3
        assert await conn.fetchval("select count(*) from impression_lists") == 4
        rows = await conn.fetch("select user_id, endpoint, part, item_ids, propensities from logged_lists")
        items = await conn.fetchval("select count(*) from impressions")
    assert sorted(map(tuple, rows)) == sorted(
        (user, one.endpoint, one.part, list(one.item_ids), [1.0] * len(one.item_ids))
        for user, lists in (("ann", PAGE), ("bob", PAGE), ("joe", PAGE), ("eve", OTHER))
        for one in lists
    )
    assert items == 3 * 3 + 2


async def test_pages_are_kept_while_somebody_was_shown_them(
    pool: asyncpg.Pool, connection: Connection
) -> None:
    async with pool.acquire() as conn:
        await write_impressions(conn, [page("ann", PAGE, -5), page("eve", OTHER, -5)])
        await write_impressions(conn, [page("bob", PAGE)])
        await write_impressions(conn, [page("late", PAGE, -3)])
    assert delete_shared_before(connection, (NOW - timedelta(days=2)).date()) == len(OTHER)
    connection.commit()
    async with pool.acquire() as conn:
        users = await conn.fetch("select distinct user_id from logged_lists order by 1")
    assert [row["user_id"] for row in users] == ["ann", "bob", "late"]


async def test_of_one_batch_the_latest_day_counts_in_any_order(
    pool: asyncpg.Pool, connection: Connection
) -> None:
    both = [page("ann", PAGE), page("bob", PAGE, -5)]
    for rows in (both, both[::-1]):
        async with pool.acquire() as conn:
            await conn.execute("truncate impression_lists, shared_lists")
            await write_impressions(conn, rows)
        assert delete_shared_before(connection, (NOW - timedelta(days=2)).date()) == 0
        connection.commit()


async def test_of_two_workers_that_write_at_once_the_later_day_counts(
    pool: asyncpg.Pool, connection: Connection
) -> None:
    """Neither sees what the other has not committed: the second waits for the first at the row itself."""
    for first, second in ((0, -5), (-5, 0)):
        async with pool.acquire() as one, pool.acquire() as other:
            await one.execute("truncate impression_lists, shared_lists")
            under_way = one.transaction()
            await under_way.start()
            await write_impressions(one, [page("ann", PAGE, first)])
            writing = asyncio.create_task(write_impressions(other, [page("bob", PAGE, second)]))
            while not await pool.fetchval(
                "select exists (select from pg_stat_activity where datname = current_database()"
                " and wait_event_type = 'Lock')"
            ):
                await asyncio.sleep(0.01)
            await under_way.commit()
            await writing
        assert delete_shared_before(connection, (NOW - timedelta(days=2)).date()) == 0, (first, second)
        connection.commit()


NAMES = st.text(max_size=4)
LISTS = st.lists(st.builds(SharedList, NAMES, NAMES, st.lists(NAMES, max_size=3).map(tuple)), max_size=3).map(
    tuple
)


@given(LISTS, LISTS)
def test_only_the_same_lists_have_the_same_content(
    one: tuple[SharedList, ...], two: tuple[SharedList, ...]
) -> None:
    assert (content_id(one) == content_id(two)) == (one == two)
