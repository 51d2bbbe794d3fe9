"""What takes too long is given up, and says so in the one shape."""

import asyncio
from contextlib import suppress
from functools import partial
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from database.settings import Settings
from serving.api.time_limit import TimeLimit

SECONDS = 0.05


class Slow:
    """Routes that take as long as their query says, before the answer begins or while it is sent."""

    def __init__(self) -> None:
        self.cancelled = 0

    async def before(self, request: Request) -> Response:
        """Nothing is answered meanwhile."""
        try:
            await asyncio.sleep(float(request.query_params["seconds"]))
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return Response("done")

    async def ends_badly(self, request: Request) -> Response:
        """Given up, it fails for another reason, such as a database that is away, and says so."""
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        return Response("away", 503)

    async def within(self, request: Request) -> Response:
        """The answer has begun."""

        async def parts() -> Any:
            yield "begun, "
            await asyncio.sleep(float(request.query_params["seconds"]))
            yield "done"

        return StreamingResponse(parts())

    async def fails(self, request: Request) -> Response:
        """Something else took too long."""
        raise TimeoutError("not this limit")


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def http(slow: Slow) -> httpx.AsyncClient:
    paths = {
        "/before": slow.before,
        "/v1/before": slow.before,
        "/ends_badly": slow.ends_badly,
        "/within": slow.within,
        "/fails": slow.fails,
    }
    app = Starlette(routes=[Route(path, endpoint) for path, endpoint in paths.items()])
    transport = httpx.ASGITransport(TimeLimit(app, SECONDS))
    return httpx.AsyncClient(transport=transport, base_url="http://shop")


async def test_what_is_answered_in_time_is_as_it_was(http: httpx.AsyncClient, slow: Slow) -> None:
    answers = await asyncio.gather(*(http.get("/before", params={"seconds": 0}) for _ in range(20)))
    assert {(each.status_code, each.text) for each in answers} == {(200, "done")}
    await asyncio.sleep(2 * SECONDS)
    assert slow.cancelled == 0


async def test_what_takes_too_long_is_given_up(http: httpx.AsyncClient, slow: Slow) -> None:
    late, soon = await asyncio.gather(
        http.get("/before", params={"seconds": 60}), http.get("/before", params={"seconds": 0})
    )
    assert (late.status_code, late.json()["error"]["code"], soon.status_code) == (504, "timed_out", 200)
    assert slow.cancelled == 1
    problem = await http.get("/v1/before", params={"seconds": 60})
    assert problem.headers["content-type"] == "application/problem+json"
    assert (problem.status_code, problem.json()["title"]) == (504, "Took too long")


async def test_what_fails_while_it_is_given_up_may_say_so_itself(http: httpx.AsyncClient) -> None:
    answer = await http.get("/ends_badly")
    assert (answer.status_code, answer.text) == (503, "away")


async def test_an_answer_that_has_begun_takes_its_time(http: httpx.AsyncClient) -> None:
    answer = await http.get("/within", params={"seconds": 3 * SECONDS})
    assert (answer.status_code, answer.text) == (200, "begun, done")


async def test_another_limit_is_not_taken_for_this_one(http: httpx.AsyncClient) -> None:
    with pytest.raises(TimeoutError, match="not this limit"):
        await http.get("/fails")


async def test_the_app_has_a_limit_within_ids_and_metrics(
    served: Any, plane: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang() -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr("serving.api.app.TimeLimit", partial(TimeLimit, seconds=SECONDS))
    monkeypatch.setattr(plane, "status", hang)
    http = await served(settings, new=True)
    answer = await http.get("/status", headers={"X-Request-ID": "late"})
    assert (answer.status_code, answer.headers["x-request-id"]) == (504, "late")
    assert 'status="504"' in (await http.get("/api/v1/metrics")).text
