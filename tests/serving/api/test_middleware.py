"""What every request passes: ids and headers, one error shape, limits, metrics, slashes."""

import asyncio
import gzip
import itertools
import json
import random
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from database.settings import Settings
from serving.api import middleware
from serving.api.middleware import BODY_SECONDS, MAX_DEPTH
from serving.api.time_limit import REQUEST_SECONDS
from serving.errors import DatabaseUnavailableError

CLICK = {"user_id": "user123", "event_type": "product_click", "product_id": "ABCD1234XY"}
EVENTS = "/api/v1/interactions/interactions"


def settings_of(**values: Any) -> Settings:
    return Settings(_env_file=None, **values)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/status"),
        ("GET", "/recommendations/home?user_id=a"),
        ("POST", "/recommendations"),
        ("POST", "/users"),
        ("GET", "/api/articles"),
        ("POST", "/training"),
    ],
)
async def test_paths_answer_with_and_without_a_trailing_slash(
    http: httpx.AsyncClient, method: str, path: str
) -> None:
    plain, _, query = path.partition("?")
    for variant in (plain, f"{plain}/"):
        answer = await http.request(method, f"{variant}?{query}", json={} if method == "POST" else None)
        assert answer.status_code in (200, 422)


async def test_a_request_keeps_its_id_and_learns_the_bundle(http: httpx.AsyncClient) -> None:
    answer = await http.get("/status", headers={"X-Request-ID": "mine-1"})
    assert (answer.headers["x-request-id"], answer.headers["x-bundle"]) == ("mine-1", "bundle-1")
    ids = {
        (await http.get("/status", headers={"X-Request-ID": bad})).headers["x-request-id"]
        for bad in ("", "a b")
    }
    assert len(ids) == 2 and not ids & {"", "a b"}


async def test_ids_of_requests_differ_whoever_gives_random_a_seed(http: httpx.AsyncClient) -> None:
    ids = set()
    for _ in range(2):
        random.seed(1)
        ids.add((await http.get("/status")).headers["x-request-id"])
    assert len(ids) == 2


async def test_an_answer_from_memory_says_so(http: httpx.AsyncClient, plane: Any) -> None:
    assert "x-stale" not in (await http.get("/status")).headers
    plane.stale = True
    assert (await http.get("/status")).headers["x-stale"] == "true"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("DELETE", "/status", 405),
        ("GET", "/recommendations/home", 400),
        ("POST", "/users", 422),
    ],
)
async def test_every_error_has_the_one_shape(
    http: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await http.request(method, path)
    assert answer.status_code == status
    body = answer.json()
    assert body.keys() == {"detail", "error"}
    assert body["error"].keys() <= {"code", "message", "field"}
    assert body["detail"] == body["error"]["message"]


async def test_an_unexpected_failure_is_500_in_the_one_shape_and_tells_nothing(
    http: httpx.AsyncClient, plane: Any
) -> None:
    plane.failure = RuntimeError("the secret is 42")
    answer = await http.get("/status")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
    assert "42" not in answer.text
    assert "x-request-id" in answer.headers


async def test_no_database_is_503(http: httpx.AsyncClient, plane: Any) -> None:
    plane.failure = DatabaseUnavailableError("record_interaction")
    answer = await http.post(EVENTS, json=CLICK)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "database_unavailable")


@pytest.mark.parametrize("body", [b"{", b"", b"\xff\xfe", b'{"user_id": "a",}'])
async def test_what_is_no_json_is_a_refusal(http: httpx.AsyncClient, body: bytes) -> None:
    answer = await http.post(EVENTS, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.json()["error"]["code"] in ("bad_request", "invalid")


async def test_a_large_body_is_413_by_its_declared_and_by_its_real_length(served: Any, plane: Any) -> None:
    http = await served(settings_of(max_body_bytes=2048))
    read = 0

    async def endless() -> Any:
        nonlocal read
        for _ in range(100):
            read += 1024
            yield b" " * 1024

    declared = await http.post(EVENTS, content=b" " * 4096)
    streamed = await http.post(EVENTS, content=endless())
    assert (declared.status_code, streamed.status_code) == (413, 413)
    assert declared.json()["error"]["code"] == "body_too_large"
    assert plane.events == []


async def test_a_body_of_just_the_largest_size_is_read(served: Any) -> None:
    http = await served(settings_of(max_body_bytes=2048))

    async def in_parts(size: int) -> Any:
        for _ in range(size // 64):
            yield b" " * 64

    for body in (b" " * 2048, in_parts(2048)):
        assert (await http.post(EVENTS, content=body)).json()["error"]["code"] != "body_too_large"
    for body in (b" " * 2049, in_parts(2048 + 64)):
        assert (await http.post(EVENTS, content=body)).json()["error"]["code"] == "body_too_large"


@pytest.mark.parametrize(("depth", "code"), [(MAX_DEPTH, ""), (MAX_DEPTH + 1, "body_too_deep")])
@pytest.mark.parametrize("beside", [0, 40])
async def test_json_is_as_deep_as_it_may_be(
    http: httpx.AsyncClient, depth: int, code: str, beside: int
) -> None:
    """However many others stand beside the deepest."""
    body = b"[" * (depth - 1) + b"[]," * beside + b"[]" + b"]" * (depth - 1)
    answer = await http.post(EVENTS, content=body, headers={"Content-Type": "application/json"})
    assert (answer.json()["error"]["code"] == "body_too_deep") == (code == "body_too_deep")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" * 33 + b"]" * 33, 400),
        (b'{"a":' * 33 + b"1" + b"}" * 33, 400),
        (b'{"x": "' + b"[" * 1000 + b'"}', 422),
        (b'{"x": [' + b"[]," * 1000 + b"[]]}", 422),
        (b'{"x": "\\"' + b"[" * 1000 + b'"}', 422),
        (b'"' + b'\\"[' * 100_000, 400),
    ],
)
async def test_deep_json_is_refused_and_brackets_in_text_are_not(
    http: httpx.AsyncClient, body: bytes, status: int
) -> None:
    answer = await http.post(EVENTS, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status


async def test_the_documentation_needs_no_other_server(http: httpx.AsyncClient) -> None:
    page = await http.get("/docs")
    assert page.status_code == 200 and "/openapi.json" in page.text
    assert "http" not in page.text.replace("http-equiv", "")
    for asset in ("/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css"):
        assert asset in page.text
        loaded = await http.get(asset)
        assert loaded.status_code == 200 and len(loaded.content) > 10_000
    assert (await http.get("/docs/other.js")).status_code == 422
    assert (await http.get("/")).headers["location"] == "/docs"


async def test_too_many_requests_of_one_address_are_429_and_another_is_free(served: Any) -> None:
    settings = settings_of(rate_limit_per_minute=3)
    http = await served(settings, "10.0.0.1", new=True)
    answers = [await http.get("/recommendations/home?user_id=a") for _ in range(5)]
    assert [each.status_code for each in answers] == [200, 200, 200, 429, 429]
    assert [each.headers["ratelimit-remaining"] for each in answers] == ["2", "1", "0", "0", "0"]
    assert {each.headers["ratelimit-limit"] for each in answers} == {"3"}
    assert 0 < int(answers[0].headers["ratelimit-reset"]) <= int(answers[3].headers["ratelimit-reset"]) <= 60
    limited = await http.get("/recommendations/home?user_id=a")
    assert (limited.json()["error"]["code"], limited.headers["retry-after"]) == ("too_many_requests", "20")


async def test_of_more_clients_than_are_remembered_the_latest_are_limited(
    served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "_MAX_CLIENTS", 2)
    settings = settings_of(rate_limit_per_minute=1, api_keys="one,two,three")
    http = await served(settings, "10.0.0.1", new=True)

    async def asks(key: str) -> int:
        answer = await http.get("/recommendations/home?user_id=a", headers={"X-API-Key": key})
        return int(answer.status_code)

    assert [await asks(key) for key in ("one", "two", "three")] == [200, 200, 200]
    assert [await asks(key) for key in ("three", "two")] == [429, 429]
    assert await asks("one") == 200, "it was forgotten"


async def test_loopback_and_no_limit_are_free(served: Any) -> None:
    for settings, address in (
        (settings_of(rate_limit_per_minute=1), "127.0.0.1"),
        (settings_of(rate_limit_per_minute=0), "10.0.0.1"),
    ):
        http = await served(settings, address, new=True)
        assert {(await http.get("/status")).status_code for _ in range(5)} == {200}


async def test_pages_of_a_named_origin_may_call(served: Any) -> None:
    http = await served(settings_of(cors_origins="https://shop.example"))
    ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "X-API-Key"}
    named = await http.options("/search", headers={"Origin": "https://shop.example", **ask})
    other = await http.options("/search", headers={"Origin": "https://evil.example", **ask})
    assert named.headers["access-control-allow-origin"] == "https://shop.example"
    assert "access-control-allow-origin" not in other.headers


async def test_head_is_get_without_the_body(served: Any, settings: Settings) -> None:
    http = await served(settings, new=True)
    for path in ("/status", "/recommendations/product/PRODUCT001", "/nowhere"):
        asked, told = await http.get(path), await http.head(path)
        assert (told.status_code, told.content) == (asked.status_code, b"")
        assert told.headers["content-length"] == str(len(asked.content))
        assert told.headers["content-type"] == asked.headers["content-type"]
    assert (await http.head("/search")).status_code == (await http.get("/search")).status_code
    text = (await http.get("/api/v1/metrics")).text
    route = 'method="HEAD",route="/recommendations/product/{product_id}",status="200"'
    assert f"shortlist_http_requests_total{{{route}}} 1.0" in text


async def test_metrics_count_by_route_template(served: Any, settings: Settings, plane: Any) -> None:
    http = await served(settings, new=True)
    for product in ("PRODUCT001", "PRODUCT002"):
        await http.get(f"/recommendations/product/{product}")
    await http.get("/nowhere/123")
    plane.failure = RuntimeError("broken")
    await http.get("/status")
    text = (await http.get("/api/v1/metrics")).text
    route = 'method="GET",route="/recommendations/product/{product_id}"'
    assert f'shortlist_http_requests_total{{{route},status="200"}} 2.0' in text
    assert f"shortlist_http_request_seconds_count{{{route}}} 2.0" in text
    assert 'shortlist_http_requests_total{method="GET",route="unmatched",status="404"} 1.0' in text
    assert 'shortlist_http_errors_total{method="GET",route="/status"} 1.0' in text
    assert "/nowhere/123" not in text


PATHS_WITH_BODIES = ["/v1/items:batch", "/v1/users:batch", "/v1/events", EVENTS]


def row_of(path: str) -> bytes:
    """A body that the path would store, without its end."""
    rows = {
        "/v1/events": b'{"type": "click", "user_id": "u", "item_id": "PRODUCT001"}',
        EVENTS: json.dumps(CLICK).encode(),
    }
    return rows.get(path, b'{"id": "half"}') + b"\n"


async def sent_for(http: httpx.AsyncClient, path: str, receive: Callable[[], Awaitable[Any]]) -> list[Any]:
    """What the app sends for a POST whose body comes by `receive`."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 1),
    }
    await http._transport.app(scope, receive, send)  # type: ignore[attr-defined]
    return sent


@pytest.mark.parametrize("path", PATHS_WITH_BODIES)
async def test_a_body_whose_sender_is_gone_before_its_end_stores_nothing(
    served: Any, plane: Any, path: str
) -> None:
    came = iter(
        [
            {"type": "http.request", "body": row_of(path), "more_body": True},
            {"type": "http.disconnect"},
        ]
    )

    async def receive() -> Any:
        return next(came)

    before = (dict(plane.items), dict(plane.users), list(plane.events))
    sent = await sent_for(await served(settings_of()), path, receive)
    assert sent[0]["status"] == 400
    assert (plane.items, plane.users, plane.events) == before


@pytest.mark.parametrize("path", PATHS_WITH_BODIES)
async def test_a_body_that_does_not_end_is_refused_and_its_connection_closed(
    served: Any, plane: Any, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However steadily it comes."""
    assert BODY_SECONDS < REQUEST_SECONDS, "else the request is given up first, with no problem to read"
    monkeypatch.setattr(middleware, "BODY_SECONDS", 0.2)
    rows = itertools.chain([row_of(path)], itertools.repeat(b" "))

    async def receive() -> Any:
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": next(rows), "more_body": True}

    before = (dict(plane.items), dict(plane.users), list(plane.events))
    start, body = await sent_for(await served(settings_of()), path, receive)
    assert (start["status"], (b"connection", b"close") in start["headers"]) == (408, True)
    assert b"nothing of it is stored" in body["body"]
    assert (plane.items, plane.users, plane.events) == before


@pytest.mark.parametrize("path", PATHS_WITH_BODIES)
async def test_a_compressed_body_is_refused(http: httpx.AsyncClient, plane: Any, path: str) -> None:
    body, before = row_of(path), (dict(plane.items), dict(plane.users), list(plane.events))
    kind = "application/json" if path == EVENTS else "application/x-ndjson"
    headers = {"Content-Type": kind, "Content-Encoding": "gzip"}
    refused = await http.post(path, content=gzip.compress(body), headers=headers)
    assert refused.status_code == 415 and "gzip" in refused.text
    assert (plane.items, plane.users, plane.events) == before
    taken = await http.post(path, content=body, headers={**headers, "Content-Encoding": "identity"})
    assert taken.status_code != 415
