"""The mixed load is what it says, and nothing that fails or is late is left out of it."""

import json
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarks.mixed.generator import SHOPPERS, install
from benchmarks.mixed.run import MIX, mix, read
from database.settings import REPOSITORY


def test_the_mix_has_the_shares_that_the_load_is_named_after() -> None:
    requests = mix([f"user {n}" for n in range(10)], ["a", "b"])
    kinds = Counter(kind for kind, *_ in requests)
    assert kinds == {kind: 10 * times for kind, times in MIX.items()}
    assert {kind: times / sum(MIX.values()) for kind, times in MIX.items()} == {
        "home": 0.6,
        "product": 0.15,
        "search": 0.1,
        "click": 0.1,
        "als": 0.05,
    }
    assert not any("{item}" in path + (body or "") or " " in path for _, _, path, body in requests)
    clicks = [json.loads(body) for kind, _, _, body in requests if kind == "click" and body]
    assert {click["product_id"] for click in clicks} == {"a", "b"}


def test_what_failed_and_what_was_never_answered_are_errors() -> None:
    found = [("home", 0.2, 200, 0.5), ("home", 0.1, 503, 1.2), ("als", 0.3, 0, 1.9)]
    asked = read(found, seconds=10.0, due=5)
    assert asked.failed == 4
    assert asked.errors == {("home", "503"): 1, ("als", "connection broken"): 1, ("any", "not answered"): 2}
    assert asked.times == [0.1, 0.2, 0.3, 10.0, 10.0]
    assert asked.kinds == {"home": [0.1, 0.2], "als": [0.3]}
    assert asked.slow == {0: [0.2], 1: [0.3]}


def test_a_load_that_nothing_answered_is_no_load() -> None:
    with pytest.raises(RuntimeError, match="nothing was answered"):
        read([], seconds=1.0, due=1)


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(404 if self.path == "/none" else 200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:
            pass

    made = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture
def locust(tmp_path: Path) -> Path:
    """Its Python; no test fetches anything."""
    try:
        return install(tmp_path, "--offline")
    except RuntimeError as error:
        pytest.skip(f"the benchmark has not fetched it here: {error}")


@pytest.mark.slow
def test_every_request_that_is_due_is_asked_and_told_of(
    server: ThreadingHTTPServer, locust: Path, tmp_path: Path
) -> None:
    asked = [("home", "GET", "/", None), ("click", "POST", "/", "{}"), ("wrong", "GET", "/none", None)]
    path = tmp_path / "requests.json"
    path.write_text(json.dumps(asked))
    command = [str(locust), str(SHOPPERS), f"http://localhost:{server.server_port}"]
    command += ["--requests", str(path), "--seconds", "1", "--users", "4", "--rate", "30"]
    said = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=True).stdout
    found = json.loads(said)
    assert Counter((kind, status) for kind, _, status, _ in found) == {
        ("home", 200): 10,
        ("click", 200): 10,
        ("wrong", 404): 10,
    }


def test_what_the_load_generator_needs_is_not_installed_with_the_platform() -> None:
    """It has no wheels for some machines, on which the platform would need a compiler."""
    assert "gevent" not in (REPOSITORY / "requirements.txt").read_text()
