"""Taking a bundle back from the service: what is whole, what is not, and what is recorded."""

from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from psycopg2.extensions import connection as Connection  # noqa: N812

from database import deployments
from database.rollback import RollbackError
from database.settings import Settings, get_settings
from serving.api import deployments as router
from serving.errors import DatabaseUnavailable
from serving.rollback import take_back
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
            params={},
            git_commit="",
            models={},
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
        deployments.activate(connection, name, name, {}, "daily training")
    connection.commit()
    return tmp_path


async def test_the_bundle_before_serves_again_once(store: Path, connection: Connection) -> None:
    now, left = await take_back(get_settings(), "fewer clicks", store.joinpath)

    assert (now.bundle_id, left.bundle_id) == ("one", "two")
    serving = deployments.current(connection)
    assert serving is not None
    assert (serving.bundle_id, serving.reason) == ("one", "rollback: fewer clicks")
    with pytest.raises(RollbackError, match="no earlier bundle"):
        await take_back(get_settings(), "again", store.joinpath)


async def test_a_damaged_bundle_is_not_gone_back_to(store: Path, connection: Connection) -> None:
    (store / "one" / "items.npy").write_bytes(b"rot")

    with pytest.raises(RollbackError, match="no longer whole"):
        await take_back(get_settings(), "fewer clicks", store.joinpath)

    serving = deployments.current(connection)
    assert serving is not None
    assert serving.bundle_id == "two"


async def test_the_endpoint_says_when_there_is_nothing(connection: Connection) -> None:
    app = FastAPI()
    app.state.settings = get_settings()
    app.include_router(router.router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as client:
        answer = await client.post("/training/rollback", json={"reason": "why not"})
    assert answer.status_code == 409
    assert "no earlier bundle" in answer.text


async def test_without_a_database_it_is_unavailable(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, database_url=f"postgresql://nobody@/none?host={tmp_path}")

    with pytest.raises(DatabaseUnavailable):
        await take_back(settings, "why", tmp_path.joinpath)
