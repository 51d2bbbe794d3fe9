"""Airflow takes the plugin up, and its API server then answers to known hosts only."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from database.settings import REPOSITORY

FOLDER = REPOSITORY / "operations" / "airflow_plugins"
PROGRAM = """
from airflow.plugins_manager import get_fastapi_plugins
from starlette.applications import Starlette
from starlette.testclient import TestClient
app = Starlette()
for one in get_fastapi_plugins()[1]:
    app.add_middleware(one["middleware"], *one["args"], **one["kwargs"])
client = TestClient(app)
for host in ("localhost:8080", "127.0.0.1:8080", "airflow-api-server:8080", "a.shop.example", "evil.example"):
    print(client.get("/", headers={"Host": host}).status_code)
"""


@pytest.mark.slow
def test_a_name_that_nobody_listed_is_refused(tmp_path: Path) -> None:
    environment = os.environ | {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(FOLDER),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONWARNINGS": "ignore",
        "SHORTLIST_ALLOWED_HOSTS": ".shop.example",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False
    )
    answered = [line for line in done.stdout.splitlines() if line.isdecimal()]
    assert answered == ["404", "404", "404", "404", "400"], done.stderr[-2000:]


def test_both_ways_to_run_airflow_name_the_folder() -> None:
    place = "operations/airflow_plugins"
    assert (
        f"AIRFLOW__CORE__PLUGINS_FOLDER = $(circus.env.PLATFORM_REPOSITORY)/{place}"
        in (REPOSITORY / "circus.ini").read_text()
    )
    compose = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
    environment = compose["services"]["airflow-api-server"]["environment"]
    assert environment["AIRFLOW__CORE__PLUGINS_FOLDER"] == f"/srv/shortlist/{place}"
    assert "SHORTLIST_ALLOWED_HOSTS" in environment
