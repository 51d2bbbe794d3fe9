"""The whole platform as an operator starts it: on free ports, in a temporary folder, without data."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from database.data_directory import binary
from database.embedded import accepts_connections
from database.settings import REPOSITORY, Settings
from operations.supervisor import Supervisor
from operations.training_runs import training_runs_address
from tests.operations.measured import python_m
from training.tracking.lineage import Lineage
from training.tracking.tracker import Tracker

pytestmark = pytest.mark.platform
KILLED = ("service", "mlflow", "postgres")


def operations(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = python_m("operations", *words)
    return subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False, timeout=600
    )


def eventually(what: Callable[[], bool], seconds: float = 240) -> bool:
    """Whether it comes true; how long that takes says nothing of what is tested, only of the machine."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if what():
            return True
        time.sleep(0.3)
    return False


def answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=30, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def mlflow_lists_the_training_runs(settings: Settings) -> None:
    """Whoever follows the address, that of the README too, gets the runs and no other mode of MLflow."""
    assert training_runs_address(settings) == settings.tracking_uri, "there is none yet"
    tracker = Tracker(settings)
    run = tracker.bundle_run(Lineage("0" * 32, "p", "c"))
    experiment = tracker.client.get_run(run.id).info.experiment_id
    address = training_runs_address(settings)
    assert address == f"{settings.tracking_uri}/#/experiments/{experiment}/runs" and answers(address)
    default = Settings(_env_file=None).model_copy(update={"mlflow_tracking_uri": None, "mlflow_port": 5000})
    readme = (REPOSITORY / "README.md").read_text()
    assert f"({default.tracking_uri}/#/experiments/{experiment}/runs)" in readme, (
        "the first one of a new MLflow"
    )
    # The page is made in the browser: it goes by this tag, and by a route that the script must know.
    kind = tracker.client.get_experiment(experiment).tags["mlflow.experimentKind"]
    page = httpx.get(address, timeout=30, trust_env=False).text
    (script,) = re.findall(r'"(static-files/static/js/main\.[^"]+\.js)"', page)
    code = httpx.get(f"{settings.tracking_uri}/{script}", timeout=60, trust_env=False).text
    assert f'CUSTOM_MODEL_DEVELOPMENT="{kind}"' in code and '"/experiments/:experimentId/:tabName' in code


def test_it_starts_mends_itself_and_leaves_nothing(
    environment: dict[str, str], settings: Settings, supervisor: Supervisor
) -> None:
    started = operations(environment, "up", "--detach", "--no-sample")
    assert started.returncode == 0, started.stdout + started.stderr
    addresses = {
        "airflow-api-server": f"{settings.airflow_address}/api/v2/monitor/health",
        "mlflow": f"{settings.tracking_uri}/health",
        "service": f"http://127.0.0.1:{settings.service_port}/status",
    }
    for address in (settings.airflow_address, settings.tracking_uri, str(settings.service_port)):
        assert address in started.stdout
    assert all(answers(address) for address in addresses.values())

    mlflow_lists_the_training_runs(settings)

    again = operations(environment, "up", "--detach")
    assert again.returncode == 1
    assert "runs already" in again.stderr

    (old,) = supervisor.process_ids("mlflow")
    restarted = operations(environment, "restart", "mlflow")
    assert restarted.returncode == 0, restarted.stdout + restarted.stderr
    assert eventually(lambda: supervisor.process_ids("mlflow") not in ([], [old]))
    assert eventually(lambda: answers(addresses["mlflow"]))
    unknown = operations(environment, "restart", "mlfow")
    assert unknown.returncode == 2 and "none of" in unknown.stderr and "mlflow" in unknown.stderr

    for name in KILLED:
        (old,) = supervisor.process_ids(name)
        os.kill(old, signal.SIGKILL)
        assert eventually(lambda name=name, old=old: supervisor.process_ids(name) not in ([], [old])), name  # type: ignore[misc]
    assert eventually(lambda: all(answers(address) for address in addresses.values()))

    stopped = operations(environment, "down")
    assert stopped.returncode == 0, stopped.stderr
    assert supervisor.leftovers() == []
    assert not any(answers(address) for address in addresses.values())
    assert "Nothing was running" in operations(environment, "down").stdout


def test_a_start_that_fails_says_why_and_leaves_nothing(
    environment: dict[str, str], supervisor: Supervisor, settings: Settings
) -> None:
    settings.postgres_dir.mkdir(parents=True)
    (settings.postgres_dir / "something").write_text("not a database")
    started = operations(environment, "up", "--detach")
    assert started.returncode == 1
    assert "'postgres' keeps crashing" in started.stderr
    assert "postgres.log" in started.stderr
    assert supervisor.leftovers() == []


def test_ctrl_c_stops_a_start_under_way(environment: dict[str, str], supervisor: Supervisor) -> None:
    ignoring = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]  # as a script starts a background job
    command = [*ignoring, *python_m("operations", "up", "--no-sample")]
    with subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        assert eventually(lambda: supervisor.circusd() is not None)
        running.send_signal(signal.SIGINT)
        said, _ = running.communicate(timeout=240)
    assert running.returncode == 130, said
    assert "Stopped" in said
    assert supervisor.leftovers() == []


def test_down_after_the_supervisor_was_killed(environment: dict[str, str], supervisor: Supervisor) -> None:
    command = python_m("operations", "up", "--no-sample")
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as running:
        assert eventually(lambda: len(supervisor.leftovers()) > 5)
        circusd = supervisor.circusd()
        running.kill()
        assert circusd is not None
        circusd.kill()
    refused = operations(environment, "up", "--detach", "--no-sample")
    assert refused.returncode == 1
    assert "ended half-way" in refused.stderr
    assert operations(environment, "down").returncode == 0
    assert supervisor.leftovers() == []
    assert Path(supervisor.place.pidfile).exists() is False


def test_a_service_that_cannot_start_is_named_with_its_cause(
    environment: dict[str, str], supervisor: Supervisor, settings: Settings
) -> None:
    params = settings.workspace / "params.yaml"
    params.write_text(params.read_text().replace("model: all-MiniLM-L6-v2", "model: no-such-model"))
    # Airflow and MLflow are somebody else's, and Airflow never answers: the start ends all the same.
    silent = dict.fromkeys(("SHORTLIST_AIRFLOW_URL", "MLFLOW_TRACKING_URI"), "http://127.0.0.1:9")
    started = operations(environment | silent, "up", "--detach", "--no-sample")
    assert started.returncode == 1
    # Its server starts it again for ever: who waited for that would say "is not ready after".
    assert "'service' can't start: " in started.stderr and "no-such-model" in started.stderr
    assert supervisor.leftovers() == []


def database_state(settings: Settings) -> str:
    """What the database's own control file says: its log went to the supervisor, who may be dead."""
    command = [binary("pg_controldata"), settings.postgres_dir]
    said = subprocess.run(command, env={"LC_ALL": "C"}, capture_output=True, text=True, check=True).stdout
    found = re.search(r"Database cluster state: +(.+)", said)
    assert found is not None, said
    return found[1]


def test_a_killed_supervisor_ends_a_start_in_the_foreground(
    environment: dict[str, str], supervisor: Supervisor, settings: Settings
) -> None:
    command = python_m("operations", "up", "--no-sample")
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        assert eventually(lambda: accepts_connections(settings.postgres_dir))  # before, there is no database
        circusd = supervisor.circusd()
        assert circusd is not None
        circusd.kill()
        said, _ = running.communicate(timeout=240)
    assert running.returncode == 1, said
    assert "supervisor (circusd) died" in said or "supervisor died" in said
    assert supervisor.leftovers() == []
    assert database_state(settings) == "shut down"
