"""What `make status` says of processes, and of schedules that do not run."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import psutil
import pytest

from database.settings import Settings
from operations import processes
from operations.airflow import COMPONENTS, AirflowApi
from operations.errors import SupervisorError
from operations.status import schedules, table
from operations.supervisor import Supervisor
from tests.ports import free_ports

PAUSED: dict[str, bool] = {}
"""The DAGs that Airflow knows, and whether each is paused."""
HEALTH: dict[str, str | None] = {}
"""What each part of Airflow says of itself."""


class Airflow(BaseHTTPRequestHandler):
    """A token, and the DAGs."""

    def do_GET(self) -> None:
        dag_id = self.path.rpartition("/")[2]
        if self.path == "/auth/token":
            self._answer(200, {"access_token": "t"})
        elif dag_id == "health":
            self._answer(200, {name: state and {"status": state} for name, state in HEALTH.items()})
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


class Supervising:
    """A supervisor with two processes of circus.ini, of which one runs and has a child."""

    def __init__(self, running: list[psutil.Process]) -> None:
        self._running = running
        self.died = False

    def leftovers(self) -> list[psutil.Process]:
        return self._running

    def states(self) -> dict[str, str]:
        if self.died:
            raise SupervisorError("The supervisor (circusd) died", "See circusd.log")
        return {"service": "active", "mlflow": "stopped"}

    def process_ids(self, name: str) -> list[int]:
        return [self._running[0].pid] if name == "service" else []


@pytest.fixture
def supervising() -> Iterator[Supervising]:
    code = "import time; held = bytearray(30_000_000); print(len(held), flush=True); time.sleep(600)"
    command = [sys.executable, "-c", code]
    environment = os.environ | {processes.PROCESS: "service"}
    with (
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as one,
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as other,
    ):
        for each in (one, other):
            assert each.stdout is not None and each.stdout.readline()
        yield Supervising([psutil.Process(one.pid), psutil.Process(other.pid)])
        one.kill()
        other.kill()


def test_each_process_stands_with_its_state_and_the_memory_of_all_below_it(supervising: Supervising) -> None:
    stopped, active, every = table(cast(Supervisor, supervising))
    assert stopped.split() == ["mlflow", "stopped", "0", "MB"]
    name, state, pid, megabytes, _ = active.split()
    assert (name, state, pid) == ("service", "active", str(supervising.leftovers()[0].pid))
    assert int(megabytes) >= 60, "of both"
    assert every.split()[0] == "all" and int(every.split()[1]) == pytest.approx(int(megabytes), abs=3)


def test_a_dead_supervisor_is_told_with_what_it_left_running(supervising: Supervising) -> None:
    supervising.died = True
    said, *left = table(cast(Supervisor, supervising))
    assert "died" in said
    assert [line.split()[0] for line in left] == [str(each.pid) for each in supervising.leftovers()]


def test_what_has_ended_meanwhile_takes_no_memory_and_nothing_running_is_no_table(
    supervising: Supervising,
) -> None:
    gone = supervising.leftovers()[1]
    gone.kill()
    gone.wait()
    assert table(cast(Supervisor, supervising))[-1].startswith("all")
    assert table(cast(Supervisor, Supervising([]))) == []


@pytest.mark.parametrize("sick", ["metadatabase", "scheduler", "triggerer", "dag_processor"])
def test_airflow_is_healthy_when_all_of_its_parts_are(airflow: Settings, sick: str) -> None:
    HEALTH.update(dict.fromkeys(COMPONENTS, "healthy"))
    with AirflowApi(airflow) as api:
        assert api.healthy()
        for state in ("unhealthy", None):
            HEALTH[sick] = state
            assert not api.healthy(), state


def test_an_airflow_that_is_late_is_waited_for_and_one_that_is_down_is_not(
    airflow: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        HEALTH["scheduler"] = "healthy"

    monkeypatch.setattr("tenacity.nap.time.sleep", wait)
    HEALTH.update(dict.fromkeys(COMPONENTS, "healthy") | {"scheduler": "unhealthy"})
    with AirflowApi(airflow) as api:
        assert not api.healthy()
        assert not waited
        assert api.healthy(within=60)
        assert len(waited) == 1
    with AirflowApi(
        airflow.model_copy(update={"airflow_url": f"http://127.0.0.1:{free_ports(1)[0]}"})
    ) as api:
        assert not api.healthy(within=60)
    assert len(waited) == 1
