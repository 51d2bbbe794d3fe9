"""What makes a run start, and who is told of one that does not end: Airflow's own scheduler and triggerer."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from database.settings import REPOSITORY
from tests.dags.listener import listening

pytestmark = pytest.mark.platform

# A deployment as `deploy` reports it; no task finds a slot, so that the run that follows never ends.
SCHEDULE = """
import json, sys
from sqlalchemy import select
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
from airflow.assets.manager import asset_manager
from airflow.jobs.job import Job, run_job
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.asset import AssetModel
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.deadline import Deadline
from airflow.models.pool import Pool
from airflow.models.serialized_dag import SerializedDagModel
from airflow.utils.session import create_session

DagBundlesManager().sync_bundles_to_db()
with create_session() as session:
    session.scalars(select(Pool)).one().slots = 0
with create_session() as session:
    sync_bag_to_db(DagBag(sys.argv[1]), "dags-folder", None, session=session)
with create_session() as session:
    deployment = session.scalars(select(AssetModel).where(AssetModel.name == "deployment")).one()
    asset_manager.register_asset_change(asset=deployment, session=session)

def found():
    with create_session() as session:
        runs = session.scalars(select(DagRun).where(DagRun.run_type == "asset_triggered")).all()
        late = session.scalars(select(Deadline).where(Deadline.missed)).all()
        return {"runs": [run.dag_id for run in runs], "late": [one.dagrun.dag_id for one in late]}

for _ in range(60):
    job = Job()
    run_job(job=job, execute_callable=SchedulerJobRunner(job, num_runs=2)._execute)
    if found()["late"]:
        break
print("RESULT", json.dumps(found()))
"""


@pytest.fixture
def own_airflow(airflow_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the tests' Airflow, so that its runs and slots are this test's alone."""
    database = tmp_path / "airflow.db"
    shutil.copyfile(airflow_home / "airflow.db", database)
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", f"sqlite:///{database}")
    monkeypatch.setenv("AIRFLOW_HOME", str(airflow_home))
    monkeypatch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
    # A DAG that another test wrote within the last 30 s would keep that test's deadline.
    monkeypatch.setenv("AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL", "0")
    return airflow_home


@pytest.fixture
def short_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Params whose hourly runs are late at once."""
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    params["monitoring"]["hourly_deadline_minutes"] = 0.001
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    monkeypatch.setenv("SHORTLIST_WORKSPACE", str(tmp_path))


@contextmanager
def triggerer(log: Path) -> Iterator[None]:
    """Airflow's triggerer beside the test, until its end."""
    command = [sys.executable, "-m", "airflow", "triggerer", "--skip-serve-logs"]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "PYTHONWARNINGS": "ignore"}
    with log.open("w") as output:
        running = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        running.terminate()
        running.wait(timeout=120)


def eventually(what: Callable[[], bool], seconds: float = 400) -> bool:
    """Whether it comes true; how long that takes says nothing of what is tested, only of the machine."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.3)
    return False


def test_a_deployment_starts_the_monitoring_and_a_run_past_its_deadline_is_told_of(
    own_airflow: Path,
    short_deadline: None,
    run_airflow: Callable[..., dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = run_airflow(SCHEDULE)

    assert found["runs"] == ["monitoring"], found["log"][-6000:]
    assert "monitoring" in found["late"]

    with listening() as (port, webhook):
        monkeypatch.setenv("SHORTLIST_WEBHOOK_URL", f"http://127.0.0.1:{port}/")
        with triggerer(tmp_path / "triggerer.log"):
            told = eventually(lambda: any(one["dag_id"] == "monitoring" for one in webhook.posted))
    assert told, (tmp_path / "triggerer.log").read_text()[-6000:]
    assert "monitoring is late in run asset_triggered" in (tmp_path / "triggerer.log").read_text()
    late = next(one for one in webhook.posted if one["dag_id"] == "monitoring")
    assert late["event"] == "run_late"
    assert late["run_id"].startswith("asset_triggered")
    assert late["error"].startswith(("still running at its deadline", "still queued at its deadline"))
