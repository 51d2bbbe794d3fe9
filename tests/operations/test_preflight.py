"""Each thing that can be in the way is refused with one line that names the cause and the fix."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from database.settings import Settings
from operations import preflight
from operations.environment import MARKER, layout
from operations.errors import PreflightError
from operations.supervisor import Supervisor


def test_nothing_in_the_way(settings: Settings) -> None:
    preflight.check(settings)


@pytest.mark.parametrize("version", [(3, 8), (3, 10), (3, 15)])
def test_another_python_is_refused(version: tuple[int, int]) -> None:
    with pytest.raises(
        PreflightError, match=rf"Python {version[0]}\.{version[1]} runs this, .* needs 3\.11 to 3\.14"
    ):
        preflight.check_python(version)


@pytest.mark.parametrize("version", [(3, 11), (3, 12), (3, 13), (3, 14)])
def test_every_locked_python_will_do(version: tuple[int, int]) -> None:
    preflight.check_python(version)


def test_a_workspace_that_training_would_fail_in_is_refused(settings: Settings) -> None:
    (settings.workspace / "data_checks").unlink()
    with pytest.raises(
        PreflightError, match=r"workspace has no data_checks\. SHORTLIST_WORKSPACE must be a checkout"
    ):
        preflight.check(settings)


def test_a_taken_port_names_its_holder_and_the_setting(settings: Settings) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", settings.mlflow_port))
        listener.listen()
        with pytest.raises(PreflightError) as refused:
            preflight.check(settings)
    assert f"Port {settings.mlflow_port}, which MLflow needs" in refused.value.cause
    assert str(os.getpid()) in refused.value.cause
    assert "SHORTLIST_MLFLOW_PORT" in refused.value.fix


def test_a_port_of_an_external_server_is_not_ours(settings: Settings) -> None:
    external = settings.model_copy(update={"mlflow_tracking_uri": "http://tracking:5000"})
    assert [name for name, _, _ in preflight.ports(external)] == ["the service", "Airflow"]
    external = settings.model_copy(update={"airflow_url": "http://airflow:8080"})
    assert [name for name, _, _ in preflight.ports(external)] == ["the service", "MLflow"]


def test_too_little_disk_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match="GB are free on the disk"):
        preflight.check_disk(tmp_path, 1e9)


def test_too_little_memory_is_refused() -> None:
    with pytest.raises(PreflightError, match="GB of memory are available"):
        preflight.check_memory(1e9)


def test_a_home_that_is_a_file_is_refused(settings: Settings) -> None:
    settings.home.write_text("")
    with pytest.raises(PreflightError, match=r"can't be written.*SHORTLIST_HOME"):
        preflight.check_home(layout(settings))


@pytest.fixture
def leftover(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """A process that a half-finished start of this installation left."""
    environment = {**os.environ, MARKER: layout(settings).marker}
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env=environment)
    yield process
    process.kill()
    process.wait()


def test_a_half_finished_start_is_refused_until_down(
    settings: Settings, leftover: subprocess.Popen[bytes]
) -> None:
    with pytest.raises(PreflightError, match=rf"left 1 processes running: {leftover.pid}.*make down"):
        preflight.check(settings)
    supervisor = Supervisor(layout(settings))
    assert supervisor.stop() == 1
    leftover.wait(5)
    preflight.check(settings)


def test_another_installations_processes_are_left_alone(
    settings: Settings, tmp_path: Path, leftover: subprocess.Popen[bytes]
) -> None:
    other = settings.model_copy(update={"home": tmp_path / "other"})
    preflight.check(other)
    assert Supervisor(layout(other)).stop() == 0
    assert leftover.poll() is None
