"""Fields that an endpoint does not have are ignored, and named in a header."""

import json
from typing import Any

import httpx
import pytest

HEADER = "x-ignored-fields"


@pytest.mark.parametrize(
    ("method", "address", "body", "named"),
    [
        ("GET", "/recommendations/home?user_id=a&limit=5&offset=2", None, "limit, offset"),
        ("GET", "/recommendations/home?user_id=a&response_limit=5&explain=true&kind=all", None, None),
        ("GET", "/recommendations/search?query=mug&limit=5&limit=6", None, "limit"),
        ("GET", "/recommendations/home?user_id=!&limit=5", None, "limit"),
        ("GET", "/content/category/programming?limit=5&page=2", None, "page"),
        ("GET", "/status?verbose=1", None, "verbose"),
        ("POST", "/content", {"content_id": "c1", "title": "t", "price": 5}, "price"),
        ("POST", "/content", {"content_id": "c1", "title": "t", "description": "d"}, None),
        ("POST", "/recommendations?user_id=b", {"user_id": "a", "n": 5}, "user_id, n"),
        ("POST", "/search", {"query": "mug", "top_k": 3}, None),
        ("POST", "/search", {"query": "mug", "größe": 3}, "gr%C3%B6%C3%9Fe"),
        ("POST", "/search", {"query": "mug", "a,b\r\nX: y": 1}, "a%2Cb%0D%0AX%3A%20y"),
        ("POST", "/search", {"query": "mug", "\ud83c": 3}, "%3F"),
        ("POST", "/search", [1, 2], None),
        ("POST", "/api/articles", {"title": "t", "content": "c", "author": "me"}, "author"),
    ],
)  # fmt: skip
async def test_unknown_fields_are_named(
    http: httpx.AsyncClient, method: str, address: str, body: Any, named: str | None
) -> None:
    content = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    answer = await http.request(method, address, content=content, headers=headers)
    assert answer.headers.get(HEADER) == named
    assert answer.status_code < 500


async def test_many_and_long_names_are_cut(http: httpx.AsyncClient) -> None:
    answer = await http.post(
        "/search", json={"query": "mug", **{f"{n:02}" + "é" * 500: n for n in range(99)}}
    )
    assert answer.status_code == 200
    names = answer.headers[HEADER].split(", ")
    assert len(names) == 20 and max(map(len, names)) < 400


async def test_a_body_that_is_not_json_has_no_fields(http: httpx.AsyncClient) -> None:
    answer = await http.post("/search", content=b"{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 400 and HEADER not in answer.headers
    answer = await http.post("/search", content=b"\xff\xfe", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 422 and HEADER not in answer.headers


async def test_every_endpoint_names_unknown_fields_of_query_and_body(http: httpx.AsyncClient) -> None:
    document = (await http.get("/openapi.json")).json()
    operations = [(method, path) for path, methods in document["paths"].items() for method in methods]
    assert len(operations) > 35
    wrong = {}
    for method, path in operations:
        address = path.replace("{article_id}", "1")
        for name in ("user_id", "item_id", "content_id", "product_id", "category", "experiment_id"):
            address = address.replace(f"{{{name}}}", "PRODUCT001")
        body = None if method == "get" else {"limitt": 5, "nö": {"limit": 1}}
        answer = await http.request(method, f"{address}?offsett=3&kynd=all", json=body)
        if path.startswith("/v1/"):  # it refuses them
            if answer.status_code != 422 or answer.json()["field"] != "offsett":
                wrong[method, path] = (answer.status_code, answer.text)
            continue
        expected = "offsett, kynd" if body is None else "offsett, kynd, limitt, n%C3%B6"
        if answer.headers.get(HEADER) != expected:
            wrong[method, path] = (answer.status_code, answer.headers.get(HEADER))
    assert not wrong
