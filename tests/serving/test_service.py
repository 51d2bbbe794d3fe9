"""The service as a process: BentoML, two workers, the real encoder, an empty database, no bundle."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from database.settings import REPOSITORY

pytestmark = pytest.mark.platform


@pytest.fixture
def service(database: Any, tmp_path: Path, run_service: Any) -> Iterator[httpx.Client]:
    variables = {
        "DATABASE_URL": database.url,
        "SHORTLIST_HOME": str(tmp_path),
        "BENTOML_HOME": str(tmp_path / "bentoml"),
    }
    with run_service(variables) as running, httpx.Client(base_url=running.address, timeout=30) as client:
        yield client


def test_the_service_answers_on_two_workers(service: httpx.Client) -> None:
    until = time.monotonic() + 60  # each worker reaches the embedding model in its own time
    while service.get("/readyz").status_code != 200 and time.monotonic() < until:
        time.sleep(0.2)
    for path in ("/livez", "/healthz", "/readyz", "/api/v1/metrics", "/docs", "/openapi.json", "/status"):
        assert service.get(path).status_code == 200, path
    for method, path in (("GET", "/nowhere/"), ("POST", "/livez"), ("GET", "/livez/")):
        assert service.request(method, path).json()["error"]["code"] == "not_found", path
    status = service.get("/status").json()
    assert status["matrix_factorization"]["status"] == "not_trained"
    assert status["bundle"]["bundle_id"] == "none"
    empty = service.get("/recommendations/home", params={"user_id": "ann"})
    assert empty.status_code == 200 and empty.headers["X-Bundle"] == "none"
    for number in range(8):
        article = {"title": f"How to cook carbonara, part {number}", "content": "Pasta, eggs, pepper."}
        created = service.post("/api/articles/", json=article)
        assert created.status_code == 201, created.text
        for _ in range(4):  # new connections: the kernel deals them out between the workers
            found = httpx.get(f"{service.base_url}/api/articles/{created.json()['id']}/")
            assert found.status_code == 200
    answer = service.post("/api/recommend/", json={"query": "pasta recipe"})
    assert answer.status_code == 200 and answer.json()


def test_it_refuses_an_address_beyond_this_machine_without_keys(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("bentoml")), "serve", "serving.service:Shortlist"]
    environment = os.environ | {"SHORTLIST_HOME": str(tmp_path), "BENTOML_DO_NOT_TRACK": "True"}
    environment.pop("SHORTLIST_API_KEYS", None)
    refused = subprocess.run(
        [*command, "--host", "0.0.0.0", "--port", "1"],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert refused.returncode != 0
    assert "SHORTLIST_API_KEYS" in refused.stderr + refused.stdout
