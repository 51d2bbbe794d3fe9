"""An installation of its own: a folder that holds all it writes, and free ports."""

import shutil
import socket
from pathlib import Path

from database.settings import REPOSITORY, Settings

_TRACKED = ("training", "data_checks", "database")
_ELSEWHERE = ("database_url", "mlflow_tracking_uri", "airflow_url", "api_keys")


def lay_out(root: Path, workers: int) -> tuple[Path, dict[str, str]]:
    """Make a workspace under `root`, an empty folder; returns it and the installation's environment.

    `workers` are the service's. The workspace has what stages depend on, and no params.yaml yet.
    """
    workspace = root / "checkout"
    for name in _TRACKED:
        ignored = shutil.ignore_patterns("__pycache__", "*.parquet")
        shutil.copytree(REPOSITORY / name, workspace / name, ignore=ignored)
    for name in ("dvc.yaml", "requirements.txt", ".dvc/config"):
        (workspace / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(REPOSITORY / name, workspace / name)
    return workspace, {
        "SHORTLIST_WORKSPACE": str(workspace),
        "SHORTLIST_HOME": str(root / "home"),
        "SHORTLIST_INBOX": str(root / "inbox"),
        "SHORTLIST_AIRFLOW_PORT": str(_free_port()),
        "SHORTLIST_MLFLOW_PORT": str(_free_port()),
        "SHORTLIST_SERVICE_PORT": str(_free_port()),
        "SHORTLIST_SERVICE_WORKERS": str(workers),
        "BENTOML_HOME": str(root / "home" / "bentoml"),
        "HF_HUB_OFFLINE": "1",
    }


def require_own_servers(settings: Settings) -> None:
    """Raises RuntimeError where the environment names servers that are others' as well."""
    if elsewhere := [name for name in _ELSEWHERE if getattr(settings, name) is not None]:
        raise RuntimeError(f"this runs on servers of its own; unset {', '.join(elsewhere)}")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
