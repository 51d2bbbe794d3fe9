"""The closed-loop load asks what it is told to, and counts what fails."""

import json
import shutil
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from benchmarks.load import Request, drive

needs_wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk, which asks, is not installed")
ASKED = [
    Request("GET", "/home?user_id=andr%C3%A9"),
    Request("POST", "/list", json.dumps({"user_id": 'andr\u00e9 "the\\second"\n]]'}, ensure_ascii=False)),
]


class Answer(BaseHTTPRequestHandler):
    """Notes what was asked; 404 at `/none`, and `/once` closes the connection."""

    protocol_version = "HTTP/1.1"
    asked: set[tuple[str, str, str, str | None]]

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self.asked.add((self.command, self.path, body, self.headers["Content-Type"]))
        self.send_response(404 if self.path == "/none" else 200)
        self.send_header("Content-Length", "2")
        if self.path == "/once":
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"{}")

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """Says nothing of connections that are gone at the end of a load."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    Answer.asked = set()
    with Server(("127.0.0.1", 0), Answer) as found:
        Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()


@needs_wrk
def test_each_request_is_asked_as_it_is_written(server: ThreadingHTTPServer) -> None:
    result = drive(server.server_port, ASKED, 1, 2)

    assert result.requests > len(ASKED)
    assert result.failed == 0
    assert Answer.asked == {
        ("GET", ASKED[0].path, "", None),
        ("POST", "/list", ASKED[1].body, "application/json"),
    }
    assert 0 < result.p50_ms <= result.p95_ms
    assert result.rate == pytest.approx(result.requests / result.seconds)


@needs_wrk
@pytest.mark.parametrize(("path", "share"), [("/none", 1.0), ("/once", 0.0)])
def test_errors_are_failures_and_a_connection_that_is_closed_in_order_is_none(
    server: ThreadingHTTPServer, path: str, share: float
) -> None:
    result = drive(server.server_port, [Request("GET", path)], 1, 2)
    assert result.requests > 2
    assert result.failed == share * result.requests


def test_without_wrk_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeError, match="apt-get install wrk"):
        drive(1, ASKED, 1, 1)
