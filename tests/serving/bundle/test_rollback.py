"""Taking a bundle back from the service: what is whole, what is not, and what is recorded."""

from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from psycopg2.extensions import connection as Connection  # noqa: N812

from database import deployments
from database.rollback import OvertakenError, RollbackError
from database.settings import Settings, get_settings
from serving.api import deployments as router
from serving.api.airflow_runs import AirflowUnavailableError
from serving.bundle.rollback import roll_back_bundle
from serving.errors import DatabaseUnavailableError
from training.models.bundle import Watermark, write_manifest


@pytest.fixture
def store(tmp_path: Path, connection: Connection) -> Path:
    """Two bundles, the second of which serves."""
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "items.npy").write_bytes(name.encode())
        write_manifest(
            folder,
            watermark=Watermark(1, 1),
            snapshot_hash="",
            params={"blend": {"tuned": {"ease": 1.0}}},
            git_commit="",
            models={},
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
        deployments.activate(connection, name, name, {}, "daily training")
    connection.commit()
    return tmp_path


async def test_the_bundle_before_serves_again_once(store: Path, connection: Connection) -> None:
    now, left = await roll_back_bundle(get_settings(), "fewer clicks", locate=store.joinpath)

    assert (now.bundle_id, left.bundle_id) == ("one", "two")
    serving = deployments.current(connection)
    assert serving is not None
    assert (serving.bundle_id, serving.reason) == ("one", "rollback: fewer clicks")
    with pytest.raises(RollbackError, match="no earlier bundle"):
        await roll_back_bundle(get_settings(), "again", locate=store.joinpath)


async def test_a_damaged_bundle_is_not_gone_back_to(store: Path, connection: Connection) -> None:
    (store / "one" / "items.npy").write_bytes(b"rot")

    with pytest.raises(RollbackError, match="incomplete in the store"):
        await roll_back_bundle(get_settings(), "fewer clicks", locate=store.joinpath)

    serving = deployments.current(connection)
    assert serving is not None
    assert serving.bundle_id == "two"


async def test_only_the_bundle_named_is_taken_back(store: Path, connection: Connection) -> None:
    with pytest.raises(OvertakenError, match="bundle two is in service, not one"):
        await roll_back_bundle(get_settings(), "it was one that was bad", "one", store.joinpath)

    now, _ = await roll_back_bundle(get_settings(), "fewer clicks", "two", store.joinpath)
    assert now.bundle_id == "one"
    with pytest.raises(OvertakenError):
        await roll_back_bundle(get_settings(), "the same request again", "two", store.joinpath)


class Airflow:
    """Remembers why the monitoring was started, or does not answer."""

    def __init__(self, reachable: bool) -> None:
        self.reachable = reachable
        self.reasons: list[str] = []

    async def monitor(self, reason: str) -> None:
        if not self.reachable:
            raise AirflowUnavailableError("http://airflow", "connection refused")
        self.reasons.append(reason)


async def posted(airflow: Airflow, **body: str) -> httpx.Response:
    app = FastAPI()
    app.state.settings = get_settings()
    app.state.airflow = airflow
    app.include_router(router.router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        return await client.post("/training/rollback", json=body)


@pytest.mark.parametrize("reachable", [True, False])
async def test_the_endpoint_has_the_aliases_follow(
    store: Path, connection: Connection, monkeypatch: pytest.MonkeyPatch, reachable: bool
) -> None:
    monkeypatch.setattr(roll_back_bundle, "__defaults__", (None, store.joinpath))
    airflow = Airflow(reachable)
    answer = await posted(airflow, reason="fewer clicks", bundle="two")
    assert (answer.status_code, answer.json()["bundle"]) == (200, "one")
    assert airflow.reasons == (["rollback: fewer clicks"] if reachable else [])
    again = await posted(airflow, reason="fewer clicks", bundle="two")
    assert again.status_code == 409 and "bundle one is in service, not two" in again.text


async def test_the_endpoint_says_when_there_is_nothing(connection: Connection) -> None:
    answer = await posted(Airflow(True), reason="why not")
    assert answer.status_code == 409
    assert "no earlier bundle" in answer.text


async def test_without_a_database_it_is_unavailable(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, database_url=f"postgresql://nobody@/none?host={tmp_path}")

    with pytest.raises(DatabaseUnavailableError):
        await roll_back_bundle(settings, "why", locate=tmp_path.joinpath)
