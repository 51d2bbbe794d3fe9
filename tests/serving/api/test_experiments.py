"""The operators' endpoints: start, read and stop an experiment; what the platform finds in itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import psycopg2
import pytest_asyncio
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.monitoring import record_drift, record_guard_event
from database.settings import REPOSITORY, Settings
from serving.api.app import create_app
from tests.experiments.test_off_policy import TRUTH, write_log
from training.params import load_params

if TYPE_CHECKING:
    from tests.conftest import Database

ARMS = [{"name": "now", "share": 0.5}, {"name": "more", "share": 0.5, "blend": {"cf": 0.8}, "epsilon": 0.1}]


class Plane:
    """As much of a plane as the middleware needs."""

    bundle_id = "none"
    stale = False

    def __init__(self) -> None:
        self.params = load_params(REPOSITORY / "params.yaml")


@asynccontextmanager
async def open_plane() -> AsyncIterator[Any]:
    yield Plane()


@pytest_asyncio.fixture
async def client(database: "Database") -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(open_plane, Settings(_env_file=None, api_keys="secret"))
    app.state.plane = Plane()
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as made:
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
    more = found["arms"][1]
    assert more["difference"]["verdict"] == more["verdict"] == "undecided"
    assert more["waits"] == "needs 100 users an arm, has 0"
    assert (more["outcomes"], more["harmed"], found["ratio"]["mismatch"]) == ({}, [], False)
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


async def test_an_arm_may_switch_the_blend_and_give_its_weights(client: httpx.AsyncClient) -> None:
    def body(**blend: Any) -> dict[str, Any]:
        return {"experiment_id": "weights", "arms": [ARMS[0], {"name": "b", "share": 0.5, "blend": blend}]}

    for wrong in ({"weights": "mine"}, {"tuned": {"alz": 1}}, {"tuned": {"als": "much"}}, {"cf": "much"}):
        assert (await client.post("/experiments", json=body(**wrong))).status_code == 422, wrong
    blend = {"weights": "tuned", "tuned": {"als": 2.0}, "search": 0.1}
    started = await client.post("/experiments", json=body(**blend))
    assert started.status_code == 201, started.text
    assert started.json()["arms"][1]["blend"] == blend


async def test_a_shadow_test_is_read_with_what_it_would_earn(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    arms = [{"name": "now", "share": 1, "epsilon": 0.5}, {"name": "best", "share": 1}]
    await client.post("/experiments", json={"experiment_id": "unseen", "kind": "shadow", "arms": arms})
    assert (await client.get("/experiments/unseen")).json()["off_policy"] is None
    write_log(connection, "unseen")
    found = (await client.get("/experiments/unseen")).json()["off_policy"]
    assert found["low"] < TRUTH < found["high"] < 0.5
    assert found["logged"] < TRUTH < 1.5 * found["value"] and found["slots"] == 9000


async def test_starting_needs_a_key_and_reading_does_not(client: httpx.AsyncClient) -> None:
    del client.headers["X-API-Key"]
    assert (await client.post("/experiments", json={"experiment_id": "e", "arms": ARMS})).status_code == 401
    assert (await client.post("/experiments/e/stop", json={"reason": "x"})).status_code == 401
    assert (await client.get("/experiments")).status_code == 200


async def test_what_the_platform_finds_in_itself(client: httpx.AsyncClient) -> None:
    found = (await client.get("/monitoring")).json()
    assert found["drift"] is None and found["guard"] == [] and found["freshness"]["bundle_id"] is None
    assert found["guard_power"] is None


async def test_drift_and_the_guards_rollback_are_metrics(
    client: httpx.AsyncClient, database: "Database"
) -> None:
    before = (await client.get("/api/v1/metrics")).text
    assert "\nshortlist_drift_value{" not in before and "shortlist_drift_report_timestamp_seconds" in before
    figure = {"name": "price_ks", "about": "catalogue", "value": 0.4, "threshold": 0.15, "judged": True}
    power = {"users": 4000, "held": 0, "holdback": None, "days": 0.27, "first_week": 0.61}
    now = datetime(2026, 11, 20, tzinfo=UTC)
    conn = psycopg2.connect(database.dsn)
    with conn:
        for drifted in (False, True):
            report = {"figures": [figure | {"drifted": drifted}], "guard_power": power}
            record_drift(conn, "b1", drifted, report, now)
        record_guard_event(conn, "b1", "b0", "worse", {}, rolled_back=True, decided_at=now)
    conn.close()
    text = (await client.get("/api/v1/metrics")).text
    labels = '{about="catalogue",figure="price_ks"}'
    assert f"\nshortlist_drift_value{labels} 0.4\n" in text
    assert f"\nshortlist_drift_threshold{labels} 0.15\n" in text
    assert f"\nshortlist_drift_drifted{labels} 1.0\n" in text
    assert f"\nshortlist_drift_judged{labels} 1.0\n" in text
    drops = [line for line in text.splitlines() if line.startswith("shortlist_guard_detectable_drop{")]
    assert [line.split("compared=")[1] for line in drops] == ['"days"} 0.27', '"first_week"} 0.61']
    assert (await client.get("/monitoring")).json()["guard_power"] == power
    seconds = next(line for line in text.splitlines() if line.startswith("shortlist_drift_report_time"))
    assert float(seconds.split()[1]) == now.timestamp()
    assert "\nshortlist_guard_rollback_timestamp_seconds 1.7" in text


@pytest_asyncio.fixture
async def without_database() -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(
        open_plane, Settings(_env_file=None, database_url="postgresql://nobody@127.0.0.1:9/none")
    )
    app.state.plane = Plane()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as made:
        yield made


async def test_metrics_answer_while_the_database_does_not(without_database: httpx.AsyncClient) -> None:
    found = await without_database.get("/api/v1/metrics")
    assert found.status_code == 200 and "shortlist_drift" not in found.text


async def test_without_a_database_the_answer_names_the_operation(without_database: httpx.AsyncClient) -> None:
    for method, path, operation in (
        ("GET", "/experiments", "listing the experiments"),
        ("GET", "/experiments/one", "reading an experiment"),
        ("GET", "/monitoring", "reading the monitoring"),
    ):
        found = await without_database.request(method, path)
        assert (found.status_code, found.json()["error"]["code"]) == (503, "database_unavailable")
        assert operation in found.json()["detail"]
