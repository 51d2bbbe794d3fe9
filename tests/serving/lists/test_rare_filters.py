"""A filter that few of very many items pass: all of these are in the list, however it is made."""

import asyncpg
import pytest

from serving.lists.list_requests import (
    ItemsListRequest,
    ListRequest,
    SearchListRequest,
    SessionEvent,
    TrendingListRequest,
    UserListRequest,
)
from serving.plane import LivePlane
from serving.steps import context
from tests.serving.words import BagOfWords
from tests.serving.worker import OpenPlane

ITEMS = 50_000
RARE = [f"I{number:06}" for number in range(11, ITEMS, ITEMS // 12)][:12]


@pytest.fixture
async def large(pool: asyncpg.Pool, open_plane: OpenPlane) -> LivePlane:
    """A worker of more items than are candidates; all have a vector, no two of them a title in common."""
    vector = BagOfWords().encode(["cup"])[0].astype("<f4").tobytes()
    async with pool.acquire() as conn:
        await conn.execute(
            """insert into items (item_id, kind, title, category, price, attributes, change_seq)
            select id, 'product', 'cup ' || n, 'cups', 1 + n % 90,
                case when id = any($1) then '{"rare": true}'::jsonb else '{}' end, 1
            from (
                select n, 'I' || lpad(n::text, 6, '0') as id from generate_series(0, $2::int - 1) n
            ) made""",
            RARE,
            ITEMS,
        )
        await conn.execute(
            """insert into embeddings (item_id, model, dimension, text_hash, vector)
            select item_id, $1, $2, text_hash, $3 from items""",
            BagOfWords.name,
            BagOfWords.dimension,
            vector,
        )
        await conn.execute("insert into attribute_types (name, type) values ('rare', 'boolean')")
        await conn.execute("update change_state set catalogue_seq = 1")
    assert ITEMS > context.WHOLE_CATALOGUE
    return await open_plane()


async def test_each_list_has_all_that_a_rare_filter_lets_through(large: LivePlane) -> None:
    rare = "attributes.rare = true"
    common = "I000001"
    lists: tuple[ListRequest, ...] = (
        UserListRequest(n=20, filter=rare),
        UserListRequest(n=20, user_id="nobody", filter=rare),
        UserListRequest(n=20, session=(SessionEvent(common),), filter=rare),
        ItemsListRequest(n=20, item_ids=(common,), filter=rare),
        TrendingListRequest(n=20, filter=rare),
        SearchListRequest(n=20, filter=rare),
        SearchListRequest(n=20, query="cup", filter=rare),
        SearchListRequest(n=20, sort="-price", filter=rare),
    )
    for wanted in lists:
        made = await large.lists.answer(wanted)
        assert sorted(each.item.item_id for each in made.items) == RARE, wanted
