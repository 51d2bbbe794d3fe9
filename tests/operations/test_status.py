"""What `make status` says of schedules that do not run."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from database.settings import Settings
from operations.status import schedules

PAUSED: dict[str, bool] = {}
"""The DAGs that Airflow knows, and whether each is paused."""


class Airflow(BaseHTTPRequestHandler):
    """A token, and the DAGs."""

    def do_GET(self) -> None:
        dag_id = self.path.rpartition("/")[2]
        if self.path == "/auth/token":
            self._answer(200, {"access_token": "t"})
        elif dag_id in PAUSED:
            self._answer(200, {"dag_id": dag_id, "is_paused": PAUSED[dag_id]})
        else:
            self._answer(404, {"detail": "not found"})

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())


@pytest.fixture
def airflow(settings: Settings) -> Iterator[Settings]:
    """Settings of an Airflow that runs its three DAGs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Airflow)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    PAUSED.clear()
    PAUSED.update(daily_training=False, hourly_trending=False, monitoring=False)
    yield settings.model_copy(update={"airflow_url": f"http://127.0.0.1:{server.server_port}"})
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_was_paused_or_deleted_in_airflows_ui_is_told_with_what_to_press(airflow: Settings) -> None:
    assert schedules(airflow) == []
    PAUSED["daily_training"] = True
    del PAUSED["monitoring"]
    paused, deleted = schedules(airflow)
    assert paused.startswith("daily_training is paused in Airflow")
    assert paused.endswith(f"{airflow.airflow_address}/dags/daily_training")
    assert deleted.startswith("monitoring is unknown to Airflow")


def test_an_airflow_that_is_away_is_told_too(settings: Settings) -> None:
    (line,) = schedules(settings)
    assert line.startswith(f"Airflow does not answer at {settings.airflow_address}")
