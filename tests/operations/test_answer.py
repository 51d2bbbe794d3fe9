"""The first answer that a new installation shows, and waiting for the bundle that gives it."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from operations import answer
from operations.answer import BundleRefusedError, first_answer, wait_for_bundle
from operations.commands import AbortedError
from operations.errors import StartError


class Service(BaseHTTPRequestHandler):
    """Serves its bundles one after the other, a request each; the last one stays."""

    bundles: list[str]
    refused: dict[str, str]
    shown: list[dict[str, Any]]
    text: str

    def do_GET(self) -> None:
        if self.path == "/status":
            bundle = self.bundles.pop(0) if len(self.bundles) > 1 else self.bundles[0]
            refused = [{"bundle_id": name, "reason": reason} for name, reason in self.refused.items()]
            return self._answer({"bundle": {"refused": refused}}, bundle)
        if self.path.startswith("/recommendations/home"):
            return self._answer({"trending": [], "diverse_picks": self.shown, "best_value": []})
        return self._answer({"path": self.path, "text": self.text})

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _answer(self, body: dict[str, Any], bundle: str = "") -> None:
        self.send_response(503 if bundle == "starting" else 200)
        self.send_header("X-Bundle", bundle)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())


@pytest.fixture
def service() -> Iterator[Any]:
    """`service(bundles, …)`: the platform of a service that answers so."""
    servers = []

    def serve(*bundles: str, refused: dict[str, str] | None = None, shown: Any = (), text: str = "") -> Any:
        told = {"bundles": list(bundles), "refused": refused or {}, "shown": list(shown), "text": text}
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Told", (Service,), told))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        address = f"http://127.0.0.1:{server.server_port}"
        return SimpleNamespace(
            service_address=address, abort=threading.Event(), place=SimpleNamespace(logs=SimpleNamespace())
        )

    yield serve
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_bundle_is_waited_for(service: Any) -> None:
    wait_for_bundle(service("starting", "old", "new"), "new")


def test_a_bundle_that_the_service_refuses_is_not_waited_for(service: Any) -> None:
    with pytest.raises(BundleRefusedError, match="new: item factors are damaged"):
        wait_for_bundle(service("old", refused={"new": "item factors are damaged"}), "new")
    wait_for_bundle(service("new", refused={"older": "of another version"}), "new")


def test_who_cancels_the_start_waits_for_no_bundle(service: Any) -> None:
    platform = service("old")
    platform.abort.set()
    with pytest.raises(AbortedError):
        wait_for_bundle(platform, "new")


def test_a_bundle_that_never_comes_is_an_error(
    service: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(answer, "BUNDLE_SECONDS", -1)
    platform = service("old")
    platform.place.logs = tmp_path
    with pytest.raises(StartError, match=r"not switched to bundle new \(it serves old\)"):
        wait_for_bundle(platform, "new")


def test_the_first_answer_is_about_an_item_of_the_home_page(service: Any) -> None:
    command, body = first_answer(service("b", shown=[{"id": "TEA1"}], text="Grüße"))
    assert "/recommendations/product/TEA1?" in command and command.startswith("curl 'http://127.0.0.1")
    assert json.loads(body)["text"] == "Grüße" and "Grüße" in body


def test_without_a_home_page_it_is_the_status_and_a_long_one_is_cut(service: Any) -> None:
    command, _ = first_answer(service("b"))
    assert command.endswith("/status'")
    _, body = first_answer(service("b", shown=[{"id": "TEA1"}], text="x" * 5000))
    assert len(body) == answer.SHOWN_CHARACTERS + 2 and body.endswith("…")
