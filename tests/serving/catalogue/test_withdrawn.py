"""What is hidden, out of stock, not published yet, expired or deleted is in no list of any worker."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.catalogue.catalogue import Catalogue
from serving.catalogue.drafts import InteractionDraft, ItemChanges, ItemDraft
from serving.errors import ItemNotFoundError
from serving.plane import LivePlane
from serving.types import Item
from tests.serving.worker import Clock

OpenPlane = Callable[[], Awaitable[LivePlane]]
Workers = tuple[LivePlane, LivePlane]

COSY = "TEA0000001"


@pytest.fixture(params=[False, True], ids=["no bundle", "bundle"])
async def workers(
    request: pytest.FixtureRequest, shop: list[str], open_plane: OpenPlane, deploy: Any
) -> Workers:
    if request.param:
        deploy()
    return await open_plane(), await open_plane()


async def lists_with(plane: LivePlane, item_id: str) -> set[str]:
    """Names of the lists of one worker that the item is in."""
    home = await plane.lists.home("u00", 60)
    near = "TEA0000002"
    lists = {
        "personalized": home.personalized,
        "trending": home.trending,
        "best value": home.best_value,
        "diverse": home.diverse_picks,
        "top": [each for made in home.top_categories.values() for each in made],
        "search": (await plane.lists.search("tea cosy", 50)).results,
        "fallback": (await plane.lists.search("zzzzqqqq", 50)).results,
        "meaning": await plane.lists.semantic_search("tea cosy", 50),
        "titles": await plane.lists.similar_products(near, 50),
        "near": await plane.lists.similar_by_vector(near, 50),
        "als": await plane.lists.for_user_als("u00", 50, False),
        "popular": await plane.lists.for_user_als("nobody", 50),
        "hybrid": await plane.lists.hybrid("u00", 50, kinds=None),
    }
    if plane.bundle_id != "none":
        lists["people"] = await plane.lists.similar_by_als("TEA0000000", 50)
    found = {name for name, made in lists.items() if item_id in [each.item.item_id for each in made]}
    for name, category in (("listing", None), ("category", "tea")):
        if item_id in [item.item_id for item in (await plane.list_items("product", category, 0, 100))[0]]:
            found.add(name)
    return found


@pytest.mark.parametrize("changes", [{"hidden": True}, {"available": False}])
async def test_withdrawn_is_nowhere_at_the_next_request_and_back_when_told(
    workers: Workers, changes: ItemChanges
) -> None:
    one, two = workers
    await one.record_interaction(InteractionDraft(user_id="u00", event_type="click", item_id="TEA0000000"))
    before = await lists_with(two, COSY)
    assert {"trending", "best value", "top", "search", "near", "popular", "listing", "category"} <= before
    await one.update_item(COSY, changes)
    assert await lists_with(two, COSY) == set()
    assert await lists_with(one, COSY) == set()
    assert (await two.list_items("product", "tea", 0, 100))[1] == 5
    stored = await two.get_item(COSY)
    assert stored is not None and (stored.hidden, stored.available) == (
        changes.get("hidden", False),
        changes.get("available", True),
    )
    assert await two.lists.similar_products(COSY, 5), "its own page still has neighbours"
    await two.update_item(COSY, {"hidden": False, "available": True})
    assert await lists_with(one, COSY) == before


async def test_items_are_published_and_expire_without_a_change(workers: Workers, clock: Clock) -> None:
    one, two = workers
    await one.update_item(
        COSY, {"publish_at": clock.now + timedelta(days=1), "expire_at": clock.now + timedelta(days=3)}
    )
    assert await lists_with(two, COSY) == set()
    clock.advance(1)
    assert {"trending", "search", "listing"} <= await lists_with(two, COSY)
    clock.advance(2)
    assert await lists_with(two, COSY) == set()
    await two.update_item(COSY, {"publish_at": None, "expire_at": None})
    assert "trending" in await lists_with(one, COSY)


async def test_what_is_withdrawn_stays_so_after_a_restart_and_an_edit(
    workers: Workers, open_plane: OpenPlane
) -> None:
    one, _ = workers
    await one.update_item(COSY, {"hidden": True})
    await one.update_item(COSY, {"title": "tea cosy with bears", "price": 3.0})
    assert await lists_with(await open_plane(), COSY) == set()


async def test_a_hidden_item_still_says_what_its_users_like_but_is_not_named(workers: Workers) -> None:
    one, two = workers
    await one.record_interaction(InteractionDraft(user_id="new", event_type="like", item_id=COSY))
    shown = (await two.lists.home("new", 5)).personalized
    await one.update_item(COSY, {"hidden": True})
    hidden = (await two.lists.home("new", 5, explain=True)).personalized
    assert shown and {each.item.category for each in hidden} >= {"tea"}
    assert not any("tea cosy" in each.reason for each in hidden)


async def test_a_word_that_only_hidden_items_have_is_no_match(workers: Workers) -> None:
    one, two = workers
    await one.create_item(ItemDraft(kind="product", item_id="NEW0000001", title="trampoline"))
    await one.update_item("NEW0000001", {"hidden": True})
    assert (await two.lists.search("trampoline", 5)).fallback_reason == "no_search_matches"


async def test_hiding_every_titled_item_does_not_bring_bare_ones_into_lists(
    shop: list[str], pool: Any, open_plane: OpenPlane
) -> None:
    async with pool.acquire() as conn:
        await conn.execute("insert into items (item_id, change_seq) values ('BARE', 1)")
        await conn.execute("update items set hidden = true where title is not null")
    plane = await open_plane()
    assert (await plane.lists.home("u00", 5)).trending == []


async def test_a_product_is_deleted_like_an_article(workers: Workers) -> None:
    one, two = workers
    await one.delete_item(COSY)
    assert await lists_with(two, COSY) == set()
    with pytest.raises(ItemNotFoundError):
        await two.update_item(COSY, {"hidden": False})


MOMENTS = st.none() | st.integers(0, 6)


@given(
    st.lists(st.tuples(st.booleans(), st.booleans(), MOMENTS, MOMENTS, st.booleans()), max_size=8),
    st.lists(st.integers(0, 6), max_size=6),
    st.integers(0, 8),
)
def test_listed_is_what_a_plain_reading_of_the_fields_says(
    items: list[tuple[bool, bool, int | None, int | None, bool]], moments: list[int], told_before: int
) -> None:
    start = Clock().now
    catalogue = Catalogue()

    def put(number: int, item: tuple[bool, bool, int | None, int | None, bool]) -> None:
        hidden, available, publish, expire, deleted = item
        catalogue.put(
            Item(
                f"i{number}",
                "product",
                "title",
                hidden=hidden,
                available=available,
                publish_at=None if publish is None else start + timedelta(days=publish),
                expire_at=None if expire is None else start + timedelta(days=expire),
            ),
            number,
        )
        if deleted:
            catalogue.remove(f"i{number}", number)

    def expected(item: tuple[bool, bool, int | None, int | None, bool], day: int) -> bool:
        hidden, available, publish, expire, deleted = item
        published = (publish is None or publish <= day) and (expire is None or day < expire)
        return available and published and not hidden and not deleted

    for number, item in enumerate(items[:told_before]):
        put(number, item)
    for day in moments:
        catalogue.at(start + timedelta(days=day))
    for number, item in enumerate(items[told_before:], start=len(items[:told_before])):
        put(number, item)
    last = moments[-1] if moments else 0
    catalogue.at(start + timedelta(days=last))
    assert catalogue.listed(None).tolist() == [expected(item, last) for item in items]
    before = catalogue.revision
    catalogue.at(start + timedelta(days=last))
    assert catalogue.revision == before and np.array_equal(catalogue.listed(None), catalogue.listed(None))
