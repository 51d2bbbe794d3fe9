"""An Airflow of the tests' own: a script runs in a process whose metadata database is a file."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from database.settings import REPOSITORY


@pytest.fixture(scope="session")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An Airflow whose metadata database is a file: enough for one run at a time."""
    home = tmp_path_factory.mktemp("airflow")
    environment = os.environ | {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    command = [sys.executable, "-m", "airflow", "db", "migrate"]
    subprocess.run(command, env=environment, capture_output=True, check=True, timeout=120)
    return home


@pytest.fixture
def run_airflow(airflow_home: Path) -> Callable[..., dict[str, Any]]:
    """`run_airflow(script, *arguments)`: what the script prints after RESULT, as JSON, with its `log`."""

    def run(script: str, *arguments: str) -> dict[str, Any]:
        environment = os.environ | {
            "AIRFLOW_HOME": str(airflow_home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
            "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONWARNINGS": "ignore",
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, "-c", script, str(REPOSITORY / "dags"), *arguments]
        answer = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=900, check=False
        )
        lines = [line for line in answer.stdout.splitlines() if line.startswith("RESULT ")]
        assert lines, f"{answer.stdout[-6000:]}\n{answer.stderr[-6000:]}"
        found: dict[str, Any] = json.loads(lines[-1].removeprefix("RESULT "))
        return {**found, "log": answer.stdout + answer.stderr}

    return run
