"""Upgrades the database schemas of Airflow and MLflow to the installed versions."""

import threading
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import create_engine, inspect, make_url
from sqlalchemy.pool import NullPool

from database.connection import database_url
from database.settings import Settings
from operations.commands import run_once
from operations.environment import Layout

MLFLOW_VERSIONS = "alembic_version"
"""The table in which MLflow stores its schema version."""


class Migrations:
    """Runs each tool's migration once per tool version and database.

    Args:
        settings: the installation's settings.
        place: where stamps and logs go.
        environment: environment of the commands.
        abort: set when the start is cancelled.
    """

    def __init__(
        self, settings: Settings, place: Layout, environment: Mapping[str, str], abort: threading.Event
    ) -> None:
        self._settings = settings
        self._place = place
        self._environment = environment
        self._abort = abort

    def airflow(self) -> None:
        """Create or upgrade Airflow's tables. Raises StartError."""
        self._once("airflow", "apache-airflow-core", ["airflow", "db", "migrate"], {})

    def mlflow(self) -> None:
        """Upgrade MLflow's tables; its server creates them if there are none. Raises StartError."""
        url = make_url(database_url(self._settings, "mlflow"))
        engine = create_engine(url, poolclass=NullPool)
        if not inspect(engine).has_table(MLFLOW_VERSIONS):
            return
        password = {} if url.password is None else {"PGPASSWORD": url.password}  # keeps it out of `ps`
        open_url = url.set(password=None).render_as_string(hide_password=False)
        self._once("mlflow", "mlflow", ["mlflow", "db", "upgrade", open_url], password)

    def _once(self, name: str, package: str, command: Sequence[str], secrets: Mapping[str, str]) -> None:
        stamp = self._place.home / f"{name}.migrated"
        current = f"{package} {version(package)} {self._cluster()}"
        if stamp.exists() and stamp.read_text() == current:
            return
        environment = {**self._environment, **secrets}
        run_once(f"{name}-migrate", command, environment, self._place, self._abort)
        stamp.write_text(current)

    def _cluster(self) -> str:
        """Identifies the database: changes if the data directory is replaced."""
        if self._settings.database_url is not None:
            return make_url(self._settings.database_url).render_as_string(hide_password=True)
        made: Path = self._settings.postgres_dir / "PG_VERSION"
        return str(made.stat().st_ctime_ns)
