"""Settings of an installation in a temporary folder, on ports that nobody uses."""

import shutil
import socket
from pathlib import Path

import pytest

from database.settings import REPOSITORY, Settings
from training.data.workspace import NEEDED


def free_ports(count: int) -> list[int]:
    """Numbers of ports that are free now; all are held at once, so that they differ."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


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
