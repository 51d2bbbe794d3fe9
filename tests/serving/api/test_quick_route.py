"""Routes that read arguments by themselves answer as FastAPI's do, whatever is asked."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import fields
from typing import Annotated, Any
from unittest.mock import patch

import httpx
import pytest
import pytest_asyncio
from fastapi import Depends, FastAPI, Form, Query, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from database.settings import Settings
from serving.api.quick_route import QuickRoute
from tests.serving.api.conftest import FakedApp
from tests.serving.api.fake_airflow import FakeAirflow
from tests.serving.api.fake_plane import FakePlane

NAMES = ["user_id", "query", "response_limit", "kind", "explain", "lists", "shown", "days", "n", "odd", ""]
VALUES = ["", "0", "7", "-1", "1.5", "true", "ann", "all", "product", "personalized,trending", "x y", "\x00"]
VALUES += ["9" * 5000, "NaN", "1e3", "+3", " 3 ", "3.0", "\u0663", "\u00e9\U0001f600"]
PATHS = [
    "/recommendations/home",
    "/recommendations/product/PRODUCT001",
    "/recommendations/product/x",
    "/recommendations/search",
    "/api/v1/interactions/interactions/ann",
    "/content/category/books",
    "/content/odd",
    "/v1/event-types",
]
POSTED = [
    "/api/v1/interactions/interactions",
    "/recommendations/cart",
    "/matrix_factor/user",
    "/matrix_factor/similar",
    "/search",
    "/recommendations",
    "/content",
    "/v1/recommend",
    "/v1/search",
    "/v1/trending",
    "/v1/events",
]
FIELDS: dict[str, list[Any]] = {
    "user_id": ["ann", "", 5, None],
    "n": [3, 0, "4", 1.5],
    "items": [["PRODUCT001"], [], "x"],
    "item_id": ["PRODUCT001", "nobody"],
    "event_type": ["product_click", "search_query", "odd"],
    "type": ["click", "view"],
    "product_id": ["PRODUCT001", "x"],
    "query": ["tea", " ", "\ud83c"],
    "odd": [1],
}
HEADERS = [
    {"Content-Type": "application/json"},
    {"Content-Type": "application/json; charset=utf-8"},
    {"Content-Type": "text/plain"},
    {},
]
QUERIES = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES)), max_size=4)
BODIES = st.one_of(
    st.fixed_dictionaries(
        {}, optional={name: st.sampled_from(values) for name, values in FIELDS.items()}
    ).map(lambda fields: json.dumps(fields).encode()),
    st.sampled_from([b"", b"{", b"[]", b"null", b'"x"', b"\xff", b"NaN", b"\xef\xbb\xbf{}"]),
    st.sampled_from([b'{"n": %s}' % each for each in (b"9" * 5000, b"9" * 30, b"1e400", b"NaN", b"true")]),
    st.sampled_from([b'{"query": "a", "query": null}', b'{"user_id": 5, "user_id": "ann", "n": 3}']),
)
KEYS = st.sampled_from([None, '"one"', "two", '"'])


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def both() -> AsyncIterator[list[httpx.AsyncClient]]:
    """The app, and the app with FastAPI's own routes, each on a plane of its own."""
    async with AsyncExitStack() as stack:
        clients = []
        for plain in (False, True):
            with patch.object(QuickRoute, "get_route_handler", _handler(plain)):
                faked = FakedApp(Settings(_env_file=None))
            app = await stack.enter_async_context(faked.run(FakePlane(), FakeAirflow()))
            transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("127.0.0.1", 5000))
            clients.append(httpx.AsyncClient(transport=transport, base_url="http://localhost"))
        yield clients


def _handler(plain: bool) -> Any:
    return APIRoute.get_route_handler if plain else QuickRoute.get_route_handler


async def same(both: list[httpx.AsyncClient], method: str, path: str, **sent: Any) -> httpx.Response:
    sent["headers"] = {"X-Request-ID": "one", **sent.get("headers", {})}
    quick, plain = [await client.request(method, path, **sent) for client in both]
    assert quick.status_code == plain.status_code
    assert _OWN.sub("", quick.text) == _OWN.sub("", plain.text)
    assert quick.headers.multi_items() == plain.headers.multi_items()
    return quick


_OWN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z")
"""An answer's own: the id of a list, and the time of day."""

MANY = hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.asyncio(loop_scope="module")
@MANY
@given(path=st.sampled_from(PATHS), query=QUERIES, method=st.sampled_from(["GET", "HEAD"]))
async def test_what_is_asked_by_an_address(
    both: list[httpx.AsyncClient], path: str, query: Any, method: str
) -> None:
    await same(both, method, path, params=query)


@pytest.mark.asyncio(loop_scope="module")
@MANY
@given(path=st.sampled_from(POSTED), query=QUERIES, body=BODIES, kind=st.sampled_from(HEADERS), key=KEYS)
async def test_what_is_asked_by_a_body(
    both: list[httpx.AsyncClient], path: str, query: Any, body: bytes, kind: dict[str, str], key: str | None
) -> None:
    headers = kind | ({} if key is None else {"Idempotency-Key": key})
    await same(both, "POST", path, params=query, content=body, headers=headers)


@pytest.mark.asyncio(loop_scope="module")
async def test_good_requests_are_answered(both: list[httpx.AsyncClient]) -> None:
    home = await same(both, "GET", "/recommendations/home", params={"user_id": "ann", "lists": "trending"})
    assert home.status_code == 200 and list(home.json()) == ["trending"]
    body = {"user_id": "ann", "event_type": "product_click", "product_id": "PRODUCT001", "odd": 1}
    click = await same(both, "POST", "/api/v1/interactions/interactions", json=body)
    assert click.status_code == 200 and click.headers["X-Ignored-Fields"] == "odd"
    timed = await same(both, "POST", "/recommendations", json={"user_id": "ann"})
    assert timed.status_code == 200 and "timestamp" in timed.json()


async def _number(number: int = 1) -> int:
    return number


async def _doubled(number: Annotated[int, Depends(_number)]) -> int:
    return 2 * number


async def _nested(number: Annotated[int, Depends(_doubled)]) -> Response:
    return Response(str(number))


async def _a_value(number: int) -> dict[str, int]:
    return {"number": number}


async def _changeable(number: Annotated[list[int], Query()] = [1]) -> Response:  # noqa: B006
    return Response(str(number))


async def _into(response: Response, number: int) -> Response:
    return Response(str(number))


async def _of_a_form(number: Annotated[int, Form()] = 3) -> Response:
    return Response(str(number))


def _in_a_thread(number: int) -> Response:
    return Response(str(number))


async def _understood(request: Request, number: Annotated[int, Depends(_number)]) -> Response:
    return Response(f"{number} {request.method}")


@pytest.mark.parametrize(
    "endpoint", [_nested, _a_value, _changeable, _into, _of_a_form, _in_a_thread, _understood]
)
async def test_what_is_not_understood_is_left_to_fastapi(endpoint: Any) -> None:
    app = FastAPI()
    app.router.route_class = QuickRoute
    app.add_api_route("/", endpoint, response_model=None)
    (route,) = (each for each in app.routes if isinstance(each, QuickRoute))
    quick = route.get_route_handler().__qualname__.startswith(QuickRoute.__name__)
    assert quick == (endpoint is _understood)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        answer = await client.get("/", params={"number": 3})
    assert (answer.status_code == 200 and "3" in answer.text) or endpoint is _nested


def test_the_app_s_quick_routes_are_understood() -> None:
    routes = [each for each in FakedApp(Settings(_env_file=None)).app.routes if isinstance(each, QuickRoute)]
    handlers = {each.path: each.get_route_handler().__qualname__ for each in routes}
    assert len(routes) >= 25
    assert not [path for path, name in handlers.items() if not name.startswith(QuickRoute.__name__)]


def test_fastapi_takes_nothing_that_nobody_thought_of() -> None:
    """A field more may be a kind of argument: `_takes_parameters` has to know it."""
    names = {each.name for each in fields(Dependant)}
    assert names == {*TAKEN.split()}


TAKEN = """
    path_params query_params header_params cookie_params body_params dependencies name call
    request_param_name websocket_param_name http_connection_param_name response_param_name
    background_tasks_param_name security_scopes_param_name own_oauth_scopes parent_oauth_scopes
    use_cache path scope
"""
