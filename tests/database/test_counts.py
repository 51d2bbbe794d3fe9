"""Tables are counted while they are small, and estimated when they are not."""

import asyncpg
import pytest

from database.counts import Counts, read_counts

_FILL = """
    insert into users (user_id) select 'user-' || n from generate_series(1, 20000) n;
    insert into items (change_seq, item_id, kind, title, deleted_at)
    select n, 'item-' || n, case n % 4 when 0 then 'content' else 'product' end,
        case n % 5 when 0 then null else 'A title of item ' || n end,
        case when n % 10 = 1 then now() end
    from generate_series(1, 20000) n;
    insert into interactions (source, user_id, item_id, event_type, value, occurred_at)
    select 'api', case n % 8 when 0 then null else 'user-' || n % 20000 + 1 end, 'item-' || n % 20000 + 1,
        case n % 2 when 0 then 'rating' else 'click' end, case n % 2 when 0 then n % 5 + 1 end,
        now() - n * interval '2 minutes'
    from generate_series(1, 60000) n;
"""


@pytest.mark.parametrize("analysed", [False, True])
async def test_an_estimate_is_close_to_the_count(pool: asyncpg.Pool, analysed: bool) -> None:
    async with pool.acquire() as conn:
        await conn.execute(_FILL)
        if analysed:
            await conn.execute("analyze")
        counted, estimated = await read_counts(conn), await read_counts(conn, exact_pages=20)
        assert await read_counts(conn, exact_pages=20) == estimated
    assert counted == Counts(14_000, 10_000, 4_000, 20_000, 60_000, 52_500, 3.0, 0)
    assert estimated.estimated == ("items", "users", "interactions")
    for name in ("items", "products", "bare_items", "users", "interactions", "ratings", "average_rating"):
        assert getattr(estimated, name) == pytest.approx(getattr(counted, name), rel=0.05), name


async def test_a_large_table_that_was_emptied_has_no_rows(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        await conn.execute(_FILL)
        await conn.execute("analyze")
        await conn.execute("delete from interactions")
        assert (await read_counts(conn, exact_pages=20)).interactions == 0
