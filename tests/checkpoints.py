"""Slow planes as steps of a daily run left them: half a minute's work, done by the first test that asks."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import Postgres, SlowPlane

_RUNS = "mlflow.db"


class Checkpoints:
    """Kept for the session. Each test gets a copy of files and database, so none sees what another did."""

    def __init__(self, folder: Path, postgres: "Postgres") -> None:
        self._folder = folder
        self._postgres = postgres
        self._made_in: dict[str, Path] = {}
        """Folder of the plane that was kept, by its state: MLflow writes it into what it stores."""

    def reach(self, state: str, plane: "SlowPlane", make: Callable[[], None]) -> None:
        """Bring a plane to the state: by `make`, which works on it, or by a copy of what that made before."""
        if state in self._made_in:
            self._put_down(state, plane)
        else:
            make()
            self._keep(state, plane)

    def _keep(self, state: str, plane: "SlowPlane") -> None:
        shutil.copytree(plane.root, self._folder / state, symlinks=True)
        self._postgres.execute(f"create database kept_{state} template {plane.database.name}")
        self._made_in[state] = plane.root

    def _put_down(self, state: str, plane: "SlowPlane") -> None:
        shutil.rmtree(plane.workspace)
        shutil.copytree(self._folder / state, plane.root, symlinks=True, dirs_exist_ok=True)
        then, now = str(self._made_in[state]), str(plane.root)
        for path in plane.root.rglob("MLmodel"):
            path.write_text(path.read_text().replace(then, now))
        with closing(sqlite3.connect(plane.root / _RUNS)) as runs:
            script = "\n".join(runs.iterdump()).replace(then, now)
        (plane.root / _RUNS).unlink()
        with closing(sqlite3.connect(plane.root / _RUNS)) as runs:
            runs.executescript(script)
        self._postgres.execute(f"drop database {plane.database.name} with (force)")
        self._postgres.execute(f"create database {plane.database.name} template kept_{state}")
