"""Items that no bundle has seen, that hardly anybody chose, or that have no title."""

from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest

from database import items
from database.items import ItemContent
from serving.catalogue.drafts import InteractionDraft, ItemDraft
from serving.errors import ModelNotReadyError
from serving.plane import LivePlane
from serving.types import Ranked


def ids(ranked: Sequence[Ranked]) -> list[str]:
    return [each.item.item_id for each in ranked]


async def test_a_product_of_this_morning_is_in_personal_lists_at_once(plane: LivePlane, deploy: Any) -> None:
    deploy()
    await plane.settle()
    click = InteractionDraft(user_id="ann", event_type="product_click", item_id="TEA0000003")
    await plane.record_interaction(click)
    for number, title in enumerate(("silver tea strainer", "brick")):
        await plane.create_item(ItemDraft(kind="product", title=title, item_id=f"NEW000000{number}"))
    found = (await plane.lists.home("ann", 19, explain=True)).personalized
    place = {each.item.item_id: number for number, each in enumerate(found)}
    assert place["NEW0000000"] < 5
    assert "NEW0000001" not in place or place["NEW0000000"] < place["NEW0000001"]
    columns = found[place["NEW0000000"]].columns
    assert columns is not None and columns["sources"]["tfidf"] > 0


async def test_similar_by_people_answers_for_an_item_that_nobody_chose_yet(
    plane: LivePlane, pool: asyncpg.Pool, deploy: Any
) -> None:
    deploy()
    await plane.settle()
    draft = ItemDraft(
        kind="product", title="samovar for tea", category="tea", price=9.5, item_id="NEW0000000"
    )
    await plane.create_item(draft)
    found = await plane.lists.similar_by_als("NEW0000000", 4, explain=True)
    assert all(each.item.category == "tea" for each in found)
    assert all(each.reason and each.model in {"tfidf", "embeddings"} for each in found)
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    async with pool.acquire() as conn:
        await items.insert_item(conn, "NEW0000001", ItemContent(kind="product", title=None, price=7.0), None)
        await items.insert_item(conn, "NEW0000002", ItemContent(kind="product", title=None), None)
    priced = await plane.lists.similar_by_als("NEW0000001", 3, explain=True)
    assert {each.item.price for each in priced} == {7.0}
    assert {each.reason for each in priced} == {"similar in price to NEW0000001"}
    with pytest.raises(ModelNotReadyError, match="neither text nor price"):
        await plane.lists.similar_by_als("NEW0000002", 3)


@pytest.mark.parametrize("price", [4.0, 7.0, 100.0])
async def test_of_items_that_read_alike_the_nearest_in_price_come_first(
    plane: LivePlane, deploy: Any, price: float
) -> None:
    deploy()
    await plane.settle()
    prices = (5.0, 8.0, 30.0)
    for number, each in enumerate(prices):
        await plane.create_item(
            ItemDraft(kind="product", title="zither", price=each, item_id=f"OLD000000{number}")
        )
    await plane.create_item(ItemDraft(kind="product", title="zither", price=price, item_id="NEW0000000"))
    found = await plane.lists.similar_by_als("NEW0000000", 3)
    nearest = sorted(prices, key=lambda other: -min(other, price) / max(other, price))
    assert [each.item.price for each in found] == nearest


async def test_an_edited_title_is_compared_as_it_reads_now(plane: LivePlane, deploy: Any) -> None:
    deploy()
    await plane.settle()
    click = InteractionDraft(user_id="ann", event_type="product_click", item_id="TEA0000003")
    await plane.record_interaction(click)
    await plane.update_item("OFF0000002", {"title": "gilded strainer"})
    found = (await plane.lists.home("ann", 19, explain=True)).personalized
    edited = next(each for each in found if each.item.item_id == "OFF0000002")
    assert edited.columns is not None and edited.columns["sources"]["tfidf"] > 0


async def test_items_without_a_title_are_in_no_list_beside_titled_ones(
    plane: LivePlane, pool: asyncpg.Pool, deploy: Any
) -> None:
    deploy()
    await plane.settle()
    async with pool.acquire() as conn:
        await items.insert_item(conn, "BARE000000", ItemContent(kind="product", title=None), None)
    for _ in range(3):
        click = InteractionDraft(user_id="bob", event_type="product_click", item_id="BARE000000")
        await plane.record_interaction(click)
    click = InteractionDraft(user_id="ann", event_type="product_click", item_id="TEA0000003")
    await plane.record_interaction(click)
    home = await plane.lists.home("ann", 30)
    lists = [
        home.personalized,
        home.trending,
        home.best_value,
        home.diverse_picks,
        *home.top_categories.values(),
    ]
    lists += [await plane.lists.for_user_als("ann", 30), await plane.lists.hybrid("ann", 30)]
    lists += [(await plane.lists.search("zither", 30)).results]
    assert all("BARE000000" not in ids(ranked) for ranked in lists)


async def test_a_shop_that_sent_interactions_alone_has_lists(pool: asyncpg.Pool, open_plane: Any) -> None:
    async with pool.acquire() as conn:
        for number in range(5):
            await items.insert_item(conn, f"BARE00000{number}", ItemContent(kind="product", title=None), None)
    plane = await open_plane()
    assert len((await plane.lists.home("ann", 10)).trending) == 5
