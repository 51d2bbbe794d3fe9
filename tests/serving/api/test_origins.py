"""Origins whose pages may call the service, changed while it runs."""

import asyncio
import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from database.settings import Settings
from serving.api import origins
from serving.api.origins import Origins
from serving.api.time_limit import TimeLimit

ONE, OTHER, SAME_LENGTH = "https://one.example", "https://other.example", "https://two.example"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / ".env"


@pytest.fixture
def client(file: Path, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """A service that no page of another origin may call, and that looks at its file at each request."""
    monkeypatch.setattr(origins, "_LOOKS_EVERY", -1.0)
    monkeypatch.delenv("SHORTLIST_CORS_ORIGINS", raising=False)
    layer = Middleware(Origins, settings=Settings(_env_file=None), exposed=["ETag"], file=file)
    app = Starlette(routes=[Route("/", lambda request: PlainTextResponse("ok"))], middleware=[layer])
    started = TestClient(app, base_url="http://localhost")
    started.get("/")  # only now are the layers made
    return started


def allowed(client: TestClient, origin: str) -> bool:
    answer = client.get("/", headers={"Origin": origin})
    assert answer.text == "ok"
    return answer.headers.get("Access-Control-Allow-Origin") in {origin, "*"}


def test_a_changed_setting_holds_without_a_restart(client: TestClient, file: Path) -> None:
    assert not allowed(client, ONE)
    file.write_text(f"SHORTLIST_CORS_ORIGINS={ONE}\n")
    assert allowed(client, ONE) and not allowed(client, OTHER)
    file.write_text(f"SHORTLIST_CORS_ORIGINS={ONE}, {OTHER}\n")
    assert allowed(client, ONE) and allowed(client, OTHER)
    file.write_text("SHORTLIST_CORS_ORIGINS=*\n")
    assert allowed(client, "https://any.example")
    file.unlink()
    assert not allowed(client, ONE)


def test_a_change_that_leaves_the_file_as_long_as_it_was_holds_too(client: TestClient, file: Path) -> None:
    for number, (origin, old) in enumerate(((ONE, SAME_LENGTH), (SAME_LENGTH, ONE))):
        file.write_text(f"SHORTLIST_CORS_ORIGINS={origin}\n")
        os.utime(file, (1_000_000 + number, 1_000_000 + number))
        assert allowed(client, origin) and not allowed(client, old)


def test_a_file_that_can_not_be_read_changes_nothing(client: TestClient, file: Path) -> None:
    file.write_text(f"SHORTLIST_CORS_ORIGINS={ONE}\n")
    assert allowed(client, ONE)
    file.write_text("SHORTLIST_SERVICE_PORT=no number\nSHORTLIST_CORS_ORIGINS=\n")
    assert allowed(client, ONE)


def test_a_file_that_may_not_be_read_fails_no_request(
    client: TestClient, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(f"SHORTLIST_CORS_ORIGINS={ONE}\n")
    assert allowed(client, ONE)

    def forbidden(**_: object) -> Settings:
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(origins, "Settings", forbidden)
    file.write_text(f"SHORTLIST_CORS_ORIGINS={OTHER}, {ONE}\n")
    assert allowed(client, ONE) and not allowed(client, OTHER)


def test_the_environment_goes_before_the_file(
    client: TestClient, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHORTLIST_CORS_ORIGINS", OTHER)
    file.write_text(f"SHORTLIST_CORS_ORIGINS={ONE}\n")
    assert allowed(client, OTHER) and not allowed(client, ONE)


async def test_a_page_of_another_origin_can_read_what_went_wrong(
    served: Any, plane: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang() -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr("serving.api.app.TimeLimit", partial(TimeLimit, seconds=0.05))
    http = await served(Settings(_env_file=None, cors_origins=ONE), new=True)
    plane.failure = RuntimeError("nothing foresaw it")
    failed = await http.get("/status", headers={"Origin": ONE})
    monkeypatch.setattr(plane, "status", hang)
    late = await http.get("/status", headers={"Origin": ONE})
    refused = await http.get("/nowhere", headers={"Origin": ONE})
    for answer, status in ((failed, 500), (late, 504), (refused, 404)):
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, ONE)
        assert "x-request-id" in answer.headers["access-control-expose-headers"].lower()
        assert answer.headers["x-request-id"]
