"""Settings of an installation in a temporary folder, on ports that nobody uses."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from database.settings import REPOSITORY, Settings
from operations.environment import layout
from operations.supervisor import Supervisor
from tests.ports import free_ports
from training.data.workspace import NEEDED


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in ("DATABASE_URL", "MLFLOW_TRACKING_URI", "SHORTLIST_AIRFLOW_URL"):
        monkeypatch.delenv(name, raising=False)
    airflow, mlflow, service = free_ports(3)
    (tmp_path / "workspace").mkdir()
    for name in NEEDED:
        if (REPOSITORY / name).is_dir():
            (tmp_path / "workspace" / name).symlink_to(REPOSITORY / name)
        else:
            shutil.copy(REPOSITORY / name, tmp_path / "workspace" / name)
    return Settings(
        home=tmp_path / "home",
        workspace=tmp_path / "workspace",
        inbox=tmp_path / "inbox",
        airflow_port=airflow,
        mlflow_port=mlflow,
        service_port=service,
    )


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    """Variables of commands on the installation."""
    return {
        **os.environ,
        "SHORTLIST_HOME": str(settings.home),
        "SHORTLIST_WORKSPACE": str(settings.workspace),
        "SHORTLIST_INBOX": str(settings.inbox),
        "SHORTLIST_AIRFLOW_PORT": str(settings.airflow_port),
        "SHORTLIST_MLFLOW_PORT": str(settings.mlflow_port),
        "SHORTLIST_SERVICE_PORT": str(settings.service_port),
        "SHORTLIST_SERVICE_WORKERS": "1",
    }


@pytest.fixture
def supervisor(settings: Settings) -> Iterator[Supervisor]:
    """The platform's supervisor; whatever the test leaves running is ended."""
    found = Supervisor(layout(settings))
    yield found
    found.stop()
