"""The validation table of the shop's document, row by row, and its codes."""

from typing import Any

import httpx
import pytest

HOME = "/recommendations/home"
SEARCH = "/recommendations/search"
EVENTS = "/api/v1/interactions/interactions"


@pytest.mark.parametrize("user_id", ["", "a b", "user_1", "ü", "x" * 51, "a\n", "a'; drop table users"])
async def test_malformed_user_id_is_400(http: httpx.AsyncClient, user_id: str) -> None:
    answer = await http.get(HOME, params={"user_id": user_id})
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "user_id")


@pytest.mark.parametrize("user_id", ["a", "user123", "X" * 50])
async def test_user_id_of_1_to_50_letters_and_digits_is_taken(http: httpx.AsyncClient, user_id: str) -> None:
    assert (await http.get(HOME, params={"user_id": user_id})).status_code == 200


async def test_missing_user_id_is_400(http: httpx.AsyncClient) -> None:
    assert (await http.get(HOME)).status_code == 400


@pytest.mark.parametrize("product_id", ["abcd1234xy", "ABCD1234X", "ABCD1234XYZ", "ABCD-1234X", "ÀBCD1234XY"])
async def test_malformed_product_id_is_400(http: httpx.AsyncClient, product_id: str) -> None:
    answer = await http.get(f"/recommendations/product/{product_id}")
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "product_id")


async def test_unknown_product_is_404(http: httpx.AsyncClient) -> None:
    answer = await http.get("/recommendations/product/ABCD1234XY")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "item_not_found")


@pytest.mark.parametrize("query", ["", "   ", "\t\n", "x" * 256])
async def test_query_empty_or_too_long_is_400(http: httpx.AsyncClient, query: str) -> None:
    answer = await http.get(SEARCH, params={"query": query})
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "query")


async def test_query_is_measured_once_trimmed(http: httpx.AsyncClient) -> None:
    assert (await http.get(SEARCH, params={"query": f"  {'x' * 255}  "})).status_code == 200


@pytest.mark.parametrize(
    ("path", "given", "shown"),
    [
        (f"{HOME}?user_id=a", -5, 1),
        (f"{HOME}?user_id=a", 0, 1),
        (f"{HOME}?user_id=a", 61, 60),
        (f"{HOME}?user_id=a", None, 20),
        ("/recommendations/product/PRODUCT001?", 10**9, 60),
        (f"{SEARCH}?query=zzz", 0, 1),
        (f"{SEARCH}?query=zzz", 7000, 6000),
        (f"{SEARCH}?query=zzz", None, 2000),
    ],
)
async def test_response_limit_is_clamped(
    http: httpx.AsyncClient, plane: Any, path: str, given: int | None, shown: int
) -> None:
    limits: list[int] = []
    ranked = plane._ranked

    def noting(limit: int, *rest: Any, **named: Any) -> Any:
        limits.append(limit)
        return ranked(limit, *rest, **named)

    plane._ranked = noting
    answer = await http.get(path if given is None else f"{path}&response_limit={given}")
    assert answer.status_code == 200
    assert limits == [shown]


async def test_response_limit_that_is_no_number_is_422(http: httpx.AsyncClient) -> None:
    answer = await http.get(HOME, params={"user_id": "a", "response_limit": "many"})
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "response_limit")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"user_id": "user123", "event_type": "product_click", "product_id": "ABCD1234XY"}, 200),
        ({"user_id": "user123", "event_type": "search_query", "query": "red shoes"}, 200),
        ({"user_id": "user123", "event_type": "product_click"}, 400),
        ({"user_id": "user123", "event_type": "search_query"}, 400),
        ({"user_id": "user123", "event_type": "search_query", "query": "  "}, 400),
        ({"user_id": "user 123", "event_type": "product_click", "product_id": "ABCD1234XY"}, 400),
        ({"user_id": "user123", "event_type": "product_click", "product_id": "abcd1234xy"}, 400),
        ({"user_id": "user123", "event_type": "purchase", "product_id": "ABCD1234XY"}, 422),
        ({"user_id": "user123", "product_id": "ABCD1234XY"}, 422),
        ({"user_id": 123, "event_type": "search_query", "query": "red shoes"}, 422),
        ({"event_type": "search_query", "query": "red shoes"}, 422),
        ([], 422),
    ],
)
async def test_interaction_codes(http: httpx.AsyncClient, plane: Any, body: Any, status: int) -> None:
    answer = await http.post(EVENTS, json=body)
    assert answer.status_code == status
    assert len(plane.events) == (status == 200)
    assert status != 200 or answer.content == b""


async def test_search_without_matches_shows_trending_items_and_says_so(http: httpx.AsyncClient) -> None:
    answer = await http.get(SEARCH, params={"query": "zzz"})
    assert answer.status_code == 200
    assert answer.json()["fallback_reason"] == "no_search_matches"
    assert len(answer.json()["results"]) == 3


async def test_search_with_matches_has_no_fallback_reason(http: httpx.AsyncClient) -> None:
    assert (await http.get(SEARCH, params={"query": "mug 2"})).json().keys() == {"results"}


async def test_search_with_nothing_to_show_is_404(http: httpx.AsyncClient, plane: Any) -> None:
    plane.items.clear()
    answer = await http.get(SEARCH, params={"query": "zzz"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "nothing_to_show")
