"""The service as a process: BentoML, two workers, the real encoder, an empty database, no bundle."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from database.settings import REPOSITORY

pytestmark = pytest.mark.platform
_READY_SECONDS = 120


@pytest.fixture
def service(database, tmp_path: Path) -> Iterator[httpx.Client]:  # type: ignore[no-untyped-def]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "DATABASE_URL": database.url,
        "SHORTLIST_HOME": str(tmp_path),
        "SHORTLIST_SERVICE_PORT": str(port),
        "SHORTLIST_SERVICE_WORKERS": "2",
        "BENTOML_HOME": str(tmp_path / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
    }
    command = [str(Path(sys.executable).with_name("bentoml")), "serve", "serving.service:Shortlist"]
    with (tmp_path / "service.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            cwd=REPOSITORY,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            _wait(client, process, tmp_path / "service.log")
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(client: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up = time.monotonic() + _READY_SECONDS
    while time.monotonic() < give_up and process.poll() is None:
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    pytest.fail(f"the service did not become ready:\n{log.read_text()[-4000:]}")


def test_the_service_answers_on_two_workers(service: httpx.Client) -> None:
    for path in ("/livez", "/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/status"):
        assert service.get(path).status_code == 200, path
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
