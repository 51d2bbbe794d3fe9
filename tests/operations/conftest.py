"""Settings of an installation in a temporary folder, on ports that nobody uses."""

import shutil
from pathlib import Path

import pytest

from database.settings import REPOSITORY, Settings
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
