"""Shapes of the shop's answers."""

from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client import AsyncShortlist
from serving.api.responses import answer
from serving.api.schemas.shop import ProductCards, product_list, product_shape
from serving.types import UNTOLD, Item, Ranked
from tests.serving.api.fake_plane import FakePlane

PRODUCT = {
    "id": "PRODUCT001",
    "name": "Red mug 1",
    "category": "Kitchen > Mugs",
    "image": None,
    "price": 5.0,
    "original_price": 10.0,
    "rating": 4.5,
    "reviews": 10,
    "discount_ratio": 0.5,
}


async def test_home_has_the_five_lists_with_exactly_the_documents_fields(shortlist: AsyncShortlist) -> None:
    home = await shortlist.home("user123", limit=1)
    assert home == {
        "personalized": [],
        "trending": [PRODUCT],
        "best_value": [PRODUCT],
        "top_categories": {"Kitchen": [PRODUCT]},
        "diverse_picks": [PRODUCT],
    }


async def test_explain_adds_reason_model_and_score(shortlist: AsyncShortlist) -> None:
    home = await shortlist.home("user123", limit=1, explain=True)
    explained = {"reason": "many chose it", "model": "popular", "score": 1.0}
    columns = {"sources": {"popularity": 1.0}, "steps": {}}
    assert home["trending"] == [{**PRODUCT, **explained, "columns": columns}]


async def test_similar_leaves_out_other_kinds_unless_asked(shortlist: AsyncShortlist) -> None:
    own = await shortlist.similar_products("PRODUCT001")
    widened = await shortlist.similar_products("PRODUCT001", kind="all")
    assert [item["id"] for item in own] == ["PRODUCT002", "PRODUCT003"]
    assert [item["id"] for item in widened] == ["PRODUCT002", "PRODUCT003", "course1"]


async def test_a_cart_is_answered_with_what_goes_with_it(
    shortlist: AsyncShortlist, http: httpx.AsyncClient
) -> None:
    found = await shortlist.for_cart(["PRODUCT001", "1095275", "PRODUCT001"], n=1)
    assert [item["id"] for item in found] == ["PRODUCT002"]
    assert [item["id"] for item in await shortlist.for_cart(["PRODUCT003"], n=2)] == [
        "PRODUCT001",
        "PRODUCT002",
    ]
    answer = await http.post("/recommendations/cart", json={"items": ["PRODUCT002", "1095275"]})
    assert answer.json()["unknown_items"] == ["1095275"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "items"),
        ({"items": []}, "items"),
        ({"items": "PRODUCT001"}, "items"),
        ({"items": [""]}, "items.0"),
        ({"items": [1]}, "items.0"),
        ({"items": ["a"] * 201}, "items"),
        ({"items": ["a"], "n": 0}, "n"),
    ],
)
async def test_a_cart_that_is_none_is_refused(http: httpx.AsyncClient, body: Any, field: str) -> None:
    answer = await http.post("/recommendations/cart", json=body)
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)


async def test_interactions_come_back_newest_first(shortlist: AsyncShortlist) -> None:
    await shortlist.click("user123", "ABCD1234XY")
    await shortlist.searched("user123", " red shoes ")
    search, click = await shortlist.interactions("user123", days=7)
    assert search == {
        "event_type": "search_query",
        "product_id": None,
        "query": "red shoes",
        "timestamp": "2026-11-20T12:00:00Z",
    }
    assert (click["event_type"], click["product_id"], click["query"]) == ("product_click", "ABCD1234XY", None)


async def test_a_click_does_not_store_a_query_that_came_with_it(http: httpx.AsyncClient, plane: Any) -> None:
    body = {"user_id": "u", "event_type": "product_click", "product_id": "ABCD1234XY", "query": "mug"}
    await http.post("/api/v1/interactions/interactions", json=body)
    assert plane.events[0].query is None


async def test_interactions_of_a_stranger_are_none(shortlist: AsyncShortlist) -> None:
    assert await shortlist.interactions("stranger") == []


async def test_the_home_page_has_the_lists_that_are_asked_for(http: httpx.AsyncClient) -> None:
    whole = (await http.get("/recommendations/home", params={"user_id": "a"})).json()
    assert list(whole) == ["personalized", "trending", "best_value", "top_categories", "diverse_picks"]
    for asked in ("trending,personalized", " trending , personalized"):
        some = await http.get("/recommendations/home", params={"user_id": "a", "lists": asked})
        assert some.json() == {name: whole[name] for name in ("personalized", "trending")}
    twice = await http.get("/recommendations/home?user_id=a&lists=best_value&lists=top_categories")
    assert twice.json() == {name: whole[name] for name in ("best_value", "top_categories")}


@pytest.mark.parametrize(
    ("query", "field"),
    [("lists=trendy", "lists"), ("lists=", "lists"), ("lists=trending,", "lists"), ("shown=-1", "shown")],
)
async def test_a_list_that_is_none_is_refused(http: httpx.AsyncClient, query: str, field: str) -> None:
    answer = await http.get(f"/recommendations/home?user_id=a&{query}")
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)


@pytest.mark.parametrize(
    ("method", "address", "body"),
    [
        ("GET", "/recommendations/home?user_id=a", None),
        ("GET", "/recommendations/product/PRODUCT001?", None),
        ("GET", "/recommendations/search?query=mug", None),
        ("POST", "/recommendations/cart?", {"items": ["PRODUCT001"]}),
        ("POST", "/matrix_factor/similar?", {"item_id": "PRODUCT001"}),
        ("POST", "/matrix_factor/user?", {"user_id": "a"}),
        ("POST", "/search?", {"query": "mug"}),
        ("POST", "/recommendations?", {"user_id": "a"}),
        ("POST", "/api/recommend?", {"query": "mug"}),
    ],
)
async def test_every_list_may_be_told_how_much_of_it_is_shown(
    http: httpx.AsyncClient, plane: FakePlane, method: str, address: str, body: dict[str, Any] | None
) -> None:
    answer = await http.request(method, f"{address}&shown=4", json=body)
    assert answer.status_code == 200 and "x-ignored-fields" not in answer.headers
    assert plane.shown == [4]


NUMBERS = st.none() | st.floats(allow_nan=False) | st.sampled_from([float("nan"), 0.0, -0.0, 1e300, 4.5])
TEXTS = st.none() | st.text(max_size=8) | st.sampled_from(['mug \u2615 "red"', "</script>", "\x00", ""])


@given(
    st.lists(
        st.builds(
            Item,
            item_id=st.sampled_from(["A", "B"]),
            kind=st.just("product"),
            title=TEXTS,
            category=TEXTS,
            sub_category=TEXTS,
            image_url=TEXTS,
            rating=NUMBERS,
            rating_count=st.none() | st.integers(0, 2**31),
            price=NUMBERS,
            original_price=NUMBERS,
            discount_ratio=NUMBERS,
        ),
        max_size=8,
    ),
    st.integers(1, 4),
)
def test_products_that_are_written_once_read_as_if_written_each_time(items: list[Item], most: int) -> None:
    """Also where an item is edited, and where there is room for few of them."""
    cards = ProductCards(most)
    for _ in range(2):
        kept = answer({"similar": [cards.of(item) for item in items]}).body
        assert kept == answer({"similar": [product_shape(item) for item in items]}).body
    ranked = [Ranked(item, 1.0, "popular", UNTOLD) for item in items]
    assert answer(product_list(ranked, False)).body == answer([product_shape(item) for item in items]).body
