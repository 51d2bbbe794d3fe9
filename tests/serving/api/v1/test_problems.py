"""Errors of /v1: problem+json for every status, and no field that it does not know."""

from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from database.settings import Settings
from serving.errors import DatabaseUnavailableError
from tests.serving.api.conftest import Answering
from tests.serving.api.fake_plane import FakePlane


def the_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The body of an error, whose shape is checked."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status and body["type"] and body["title"] and body["detail"]
    return body


async def test_an_item_has_one_shape(http: httpx.AsyncClient) -> None:
    item = (await http.get("/v1/items/PRODUCT001")).json()
    assert item["id"] == "PRODUCT001" and item["price"] == 5
    assert (item["category"], item["categories"]) == ("Kitchen", ["Kitchen > Mugs"])
    assert item["availability"] == {"hidden": False, "available": True, "stock": None}


async def test_what_is_not_there_is_a_problem(http: httpx.AsyncClient) -> None:
    assert the_problem(await http.get("/v1/items/none"), 404)["type"].endswith("item_not_found")
    the_problem(await http.get("/v1/nothing"), 404)
    the_problem(await http.request("PROPFIND", "/v1/items/PRODUCT001"), 405)


async def test_a_query_field_that_is_not_known_is_refused_by_name(http: httpx.AsyncClient) -> None:
    body = the_problem(await http.get("/v1/items/PRODUCT001?explian=true"), 422)
    assert body["field"] == "explian" and body["errors"][0]["field"] == "explian"


@pytest.mark.parametrize("item_id", ["%20a", "a%20", "a%00b", "%E2%80%A8", "x" * 129])
async def test_an_id_that_nobody_can_read_is_refused(http: httpx.AsyncClient, item_id: str) -> None:
    assert the_problem(await http.get(f"/v1/items/{item_id}"), 422)["field"] == "item_id"


async def test_the_middleware_answers_with_problems(served: Answering, plane: FakePlane) -> None:
    settings = Settings(_env_file=None, api_keys=SecretStr("one"), reads_need_key=True, max_body_bytes=1024)
    http = await served(settings)
    the_problem(await http.get("/v1/items/PRODUCT001"), 401)
    key = {"X-API-Key": "one"}
    the_problem(await http.post("/v1/items/PRODUCT001", content=b"x" * 2000, headers=key), 413)
    old = await http.get("/items/none", headers=key)
    assert old.headers["content-type"] == "application/json" and old.json()["error"]["code"]


async def test_a_rate_limit_answers_with_a_problem(served: Answering) -> None:
    http = await served(Settings(_env_file=None, rate_limit_per_minute=1), "203.0.113.7", new=True)
    answers = [await http.get("/v1/items/PRODUCT001") for _ in range(3)]
    the_problem(answers[-1], 429)


async def test_a_silent_database_is_a_problem(
    http: httpx.AsyncClient, plane: FakePlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(item_id: str) -> None:
        raise DatabaseUnavailableError("reading an item")

    monkeypatch.setattr(plane, "get_item", fail)
    answer = await http.get("/v1/items/PRODUCT001")
    the_problem(answer, 503)
    assert answer.headers["retry-after"]
