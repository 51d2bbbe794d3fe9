"""The operators' endpoints: start, read and stop an experiment; what the platform finds in itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest_asyncio

from database.settings import Settings
from serving.api.app import create_app

if TYPE_CHECKING:
    from tests.conftest import Database

ARMS = [{"name": "now", "share": 0.5}, {"name": "more", "share": 0.5, "blend": {"cf": 0.8}, "epsilon": 0.1}]


class Plane:
    """As much of a plane as the front door asks for."""

    bundle_id = "none"
    stale = False


@asynccontextmanager
async def open_plane() -> AsyncIterator[Any]:
    yield Plane()


@pytest_asyncio.fixture
async def client(database: "Database") -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(open_plane, Settings(_env_file=None, api_keys="secret"))
    app.state.plane = Plane()
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as made:
        made.headers["X-API-Key"] = "secret"
        yield made


async def test_an_experiment_from_start_to_stop(client: httpx.AsyncClient) -> None:
    body = {"experiment_id": "more-cf", "arms": ARMS}
    started = await client.post("/experiments", json=body)
    assert started.status_code == 201, started.text
    assert started.json()["kind"] == "ab" and started.json()["arms"][1]["blend"] == {"cf": 0.8}
    assert (await client.post("/experiments", json=body)).status_code == 409
    found = (await client.get("/experiments/more-cf")).json()
    assert [arm["name"] for arm in found["arms"]] == ["now", "more"]
    assert found["arms"][1]["difference"]["verdict"] == "undecided"
    stopped = await client.post("/experiments/more-cf/stop", json={"reason": "seen enough"})
    assert stopped.json()["stop_reason"] == "seen enough"
    assert (await client.post("/experiments/more-cf/stop", json={"reason": "again"})).status_code == 404
    assert [one["experiment_id"] for one in (await client.get("/experiments")).json()] == ["more-cf"]


async def test_what_makes_no_sense_is_refused(client: httpx.AsyncClient) -> None:
    def body(**changes: Any) -> dict[str, Any]:
        return {"experiment_id": "e", "arms": ARMS} | changes

    wrong = [
        body(experiment_id="Not An Id"),
        body(arms=ARMS[:1]),
        body(arms=[ARMS[0], {"name": "b", "share": 0.4}]),
        body(arms=[ARMS[0], {"name": "b", "share": 0.5, "blend": {"no_such_weight": 1}}]),
        body(arms=[ARMS[0], {"name": "b", "share": 0.5, "bundle_id": "never-seen"}]),
        body(surprise=1),
    ]
    for one in wrong:
        answer = await client.post("/experiments", json=one)
        assert answer.status_code == 422 and answer.json()["error"]["message"], one
    assert (await client.get("/experiments/none")).status_code == 404


async def test_starting_needs_a_key_and_reading_does_not(client: httpx.AsyncClient) -> None:
    del client.headers["X-API-Key"]
    assert (await client.post("/experiments", json={"experiment_id": "e", "arms": ARMS})).status_code == 401
    assert (await client.post("/experiments/e/stop", json={"reason": "x"})).status_code == 401
    assert (await client.get("/experiments")).status_code == 200


async def test_what_the_platform_finds_in_itself(client: httpx.AsyncClient) -> None:
    found = (await client.get("/monitoring")).json()
    assert found["drift"] is None and found["guard"] == [] and found["freshness"]["bundle_id"] is None
