"""A failed task and a late run are posted to the webhook; one that is down does not hide the failure."""

import json
import logging
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml

from dags import defaults
from database.settings import REPOSITORY, get_settings
from watch.alerts import post_failure


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, object]]]:
    received: list[dict[str, object]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output clean."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("SHORTLIST_WEBHOOK_URL", f"http://127.0.0.1:{server.server_port}/")
    get_settings.cache_clear()
    yield received
    get_settings.cache_clear()
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_webhook_learns_what_failed(webhook: list[dict[str, object]]) -> None:
    post_failure("daily_training", "gate", "run-1", "coverage of als: 0.1", 3)

    assert webhook == [
        {
            "event": "task_failed",
            "dag_id": "daily_training",
            "task_id": "gate",
            "run_id": "run-1",
            "attempt": 3,
            "error": "coverage of als: 0.1",
        }
    ]


def test_the_webhook_learns_of_a_run_that_took_too_long_and_of_each_task_once(
    webhook: list[dict[str, object]],
) -> None:
    class Dag:
        dag_id = "daily_training"

    defaults.tell_failed_run({"dag": Dag, "run_id": "run-1", "reason": "task_failure"})
    defaults.tell_failed_run({"dag": Dag, "run_id": "run-1", "reason": "timed_out"})

    (told,) = webhook
    assert (told["event"], told["dag_id"], told["task_id"]) == ("run_failed", "daily_training", None)
    assert told["error"] == "timed_out"


def late(state: str) -> dict[str, dict[str, str]]:
    """What Airflow says of a run that has passed its deadline."""
    return {
        "dag_run": {"dag_id": "daily_training", "dag_run_id": "run-1", "state": state},
        "deadline": {"id": "1", "deadline_time": "2026-11-26 07:00:00+00:00"},
    }


async def test_the_webhook_learns_of_a_run_that_is_late_but_not_of_one_that_has_failed_before(
    webhook: list[dict[str, object]],
) -> None:
    await defaults.tell_late_run(late("failed"))
    assert webhook == []

    await defaults.tell_late_run(late("running"))

    (told,) = webhook
    assert (told["event"], told["dag_id"], told["run_id"]) == ("run_late", "daily_training", "run-1")
    assert told["error"] == "still running at its deadline, 2026-11-26 07:00:00+00:00"


async def test_without_a_webhook_the_log_tells_of_a_late_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SHORTLIST_WEBHOOK_URL", "")
    get_settings.cache_clear()
    with caplog.at_level(logging.WARNING):
        await defaults.tell_late_run(late("queued"))
    get_settings.cache_clear()

    assert "daily_training is late in run run-1: still queued at its deadline" in caplog.text


def test_deadlines_go_by_the_params_and_by_their_defaults_while_the_file_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SHORTLIST_WORKSPACE", str(tmp_path))
    get_settings.cache_clear()
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    params["monitoring"]["training_deadline_hours"] = 1.5
    del params["monitoring"]["hourly_deadline_minutes"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    assert defaults.late_after("training_deadline_hours") == timedelta(hours=1.5)
    assert defaults.late_after("hourly_deadline_minutes") == timedelta(minutes=30)

    (tmp_path / "params.yaml").write_text("seed: [")
    with caplog.at_level(logging.WARNING):
        assert defaults.late_after("training_deadline_hours") == timedelta(hours=4)
    get_settings.cache_clear()
    assert "params.yaml" in caplog.text


def test_a_webhook_that_is_down_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SHORTLIST_WEBHOOK_URL", "http://127.0.0.1:9/")
    get_settings.cache_clear()
    with caplog.at_level(logging.ERROR):
        post_failure("daily_training", "gate", "run-1", "boom", 3)
    get_settings.cache_clear()

    assert "daily_training.gate failed after all retries in run run-1: boom" in caplog.text
    assert "Posting to the webhook http://127.0.0.1:9/ failed" in caplog.text


@pytest.mark.parametrize("answer", [b"", b"no HTTP at all\r\n", b"HTTP/1.0 500 Down\r\n\r\n"])
def test_a_webhook_that_gives_no_answer_is_logged(
    answer: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def answer_once() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1 << 16)
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer_once)
        thread.start()
        monkeypatch.setenv("SHORTLIST_WEBHOOK_URL", f"http://127.0.0.1:{listener.getsockname()[1]}/")
        get_settings.cache_clear()
        with caplog.at_level(logging.ERROR):
            post_failure("daily_training", "gate", "run-1", "boom", 3)
        thread.join()
    get_settings.cache_clear()

    assert "Posting to the webhook" in caplog.text


@pytest.mark.parametrize(
    "address",
    ["hooks.example.com/alerts", "http://127.0.0.1:port/", "http://127.0.0.1:9/a b", "http://hook/ü"],
)
def test_an_address_that_is_none_is_logged(
    address: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SHORTLIST_WEBHOOK_URL", address)
    get_settings.cache_clear()
    with caplog.at_level(logging.ERROR):
        post_failure("daily_training", "gate", "run-1", "boom", 3)
    get_settings.cache_clear()

    assert f"Posting to the webhook {address} failed" in caplog.text
