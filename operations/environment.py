"""The environment variables that circus.ini refers to: settings, addresses, secrets, folders.

circus.ini reads them as ``$(circus.env.NAME)``. Nothing else uses them.
"""

import errno
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from circus.config import read_config

from database.data_directory import LONGEST_SOCKET_PATH, remove_sockets
from database.settings import REPOSITORY, Settings
from operations.secrets import load_secrets

MARKER = "SHORTLIST_PLATFORM"
"""Environment variable of every process of a platform; its value says which installation it belongs to."""


@dataclass(frozen=True)
class Layout:
    """Paths of one installation."""

    home: Path

    @property
    def marker(self) -> str:
        """Value of MARKER for the processes of this installation."""
        return str(self.home)

    @property
    def logs(self) -> Path:
        """Folder with one rotated log file per process."""
        return self.home / "logs"

    @property
    def secrets(self) -> Path:
        """JSON file that only its owner can read."""
        return self.home / "secrets.json"

    @property
    def pidfile(self) -> Path:
        """Where circusd writes its process id."""
        return self.home / "circusd.pid"

    @property
    def sockets(self) -> Path:
        """Folder of the supervisor's two sockets; a temporary one if the path of `home` is too long."""
        folder = self.home / "run"
        if len(os.fsencode(folder / "control.sock")) <= LONGEST_SOCKET_PATH:
            return folder
        digest = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"shortlist-{os.getuid()}-{digest}"

    @property
    def endpoint(self) -> str:
        """Address at which the supervisor takes commands."""
        return f"ipc://{self.sockets / 'control.sock'}"

    def create(self) -> None:
        """Create the folders. The sockets' folder is private: whoever reaches it controls the platform."""
        self.home.mkdir(parents=True, exist_ok=True)
        for folder in (self.logs, self.home / "airflow"):
            folder.mkdir(exist_ok=True)
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        if self.sockets.is_symlink() or self.sockets.stat().st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, f"{self.sockets} belongs to another user")

    def remove_sockets(self) -> None:
        """Delete socket folders in the temporary folder, once nothing is running."""
        if self.sockets.parent != self.home:
            shutil.rmtree(self.sockets, ignore_errors=True)
        remove_sockets(self.home / "postgres")


def layout(settings: Settings) -> Layout:
    """Paths of the installation that these settings describe."""
    return Layout(settings.home.resolve())


def supervisor_environment(settings: Settings, databases: dict[str, str]) -> dict[str, str]:
    """Environment of the supervisor, which every process inherits.

    Args:
        settings: the installation's settings.
        databases: SQLAlchemy URL of each database (`airflow`, `mlflow`).

    Returns:
        This process's environment, overridden by the platform's variables.
    """
    place = layout(settings)
    made = load_secrets(place.secrets)
    optional = {
        "DATABASE_URL": settings.database_url,
        "SHORTLIST_AIRFLOW_URL": settings.airflow_url,
    }
    return {
        **os.environ,
        MARKER: place.marker,
        "SPT_NOENV": "1",  # otherwise setproctitle overwrites the environment, and with it the marker
        "PLATFORM_BIN": str(Path(sys.executable).parent),
        "PLATFORM_REPOSITORY": str(REPOSITORY),
        "PLATFORM_SOCKETS": str(place.sockets),
        "PLATFORM_ENDPOINT": place.endpoint,
        "PLATFORM_AIRFLOW_DATABASE": databases["airflow"],
        "PLATFORM_MLFLOW_DATABASE": databases["mlflow"],
        "PLATFORM_JWT_SECRET": made.jwt_secret,
        "PLATFORM_API_SECRET": made.api_secret,
        "PLATFORM_FERNET_KEY": made.fernet_key,
        "PLATFORM_ARTIFACTS": (settings.workspace.resolve() / "mlruns").as_uri(),
        "SHORTLIST_HOME": str(place.home),
        "SHORTLIST_WORKSPACE": str(settings.workspace.resolve()),
        "SHORTLIST_INBOX": str(settings.inbox.resolve()),
        "SHORTLIST_AIRFLOW_PORT": str(settings.airflow_port),
        "SHORTLIST_MLFLOW_PORT": str(settings.mlflow_port),
        "SHORTLIST_SERVICE_HOST": settings.service_host,
        "SHORTLIST_SERVICE_PORT": str(settings.service_port),
        "SHORTLIST_SERVICE_WORKERS": str(settings.service_workers),
        "MLFLOW_TRACKING_URI": settings.tracking_uri,
        **{name: value for name, value in optional.items() if value is not None},
    }


def process_environment(environment: Mapping[str, str], configuration: Path) -> dict[str, str]:
    """The environment of a process in circus.ini, for one-off commands.

    Args:
        environment: from `supervisor_environment`.
        configuration: circus.ini.
    """
    declared, _ = read_config(str(configuration))
    declared.set_env(dict(environment))
    return {**environment, **dict(declared.items("env"))}
