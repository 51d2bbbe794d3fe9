"""The DAG `monitoring` on real parts: a quiet hour, then one with other users and no service."""

from collections.abc import Callable
from typing import Any

import psycopg2
import pytest

from database.connection import connect
from database.deployments import activate
from database.monitoring import drift_reports
from database.settings import get_settings
from tests.dags.listener import listening
from training.data.snapshot import take_snapshot
from training.data.workspace import open_workspace
from training.pipeline.trending import refresh_trending

pytestmark = pytest.mark.platform

# A task that fails is told of after its last retry: here at once. `started` is what the run itself started.
RUN = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session

def trainings():
    with create_session() as session:
        found = session.query(DagRun).filter(DagRun.dag_id == "daily_training").all()
        return {one.run_id: {"type": str(one.run_type), "conf": one.conf} for one in found}

dag = {d.dag_id: d for d in DagBag(sys.argv[1]).dags.values()}["monitoring"]
for task in dag.tasks:
    task.retries = 0
before = trainings()
dag.deadline = None  # as in test_dags.py
run = dag.test()
started = [about for run_id, about in trainings().items() if run_id not in before]
print("RESULT", json.dumps({"state": str(run.state), "started": started,
    "tasks": {t.task_id: str(t.state) for t in run.get_task_instances()}}))
"""

OTHER_TASTES = """
insert into interactions (user_id, item_id, event_type, session_id, occurred_at, source)
select 'new' || u, 'ITEM000001', 'like', 's' || u, date_trunc('day', now(), 'UTC') - make_interval(secs => u),
    'shop'
from generate_series(1, 1500) u
"""


@pytest.fixture
def serving(slow_plane: Any) -> str:
    """A bundle that serves, as far as monitoring looks at it: its snapshot in DVC's cache."""
    with connect() as conn:
        md5 = take_snapshot(conn, open_workspace(get_settings())).md5
    with connect() as conn:
        activate(conn, "b1", "shortlist:b1", {"snapshot_hash": md5, "models": {}}, "daily training")
    refresh_trending()
    return md5


def test_a_quiet_hour_then_one_with_drift_and_a_service_that_is_down(
    run_airflow: Callable[..., dict[str, Any]],
    slow_plane: Any,
    serving: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with listening() as (hook, webhook):
        monkeypatch.setenv("SHORTLIST_WEBHOOK_URL", f"http://127.0.0.1:{hook}/")
        with listening() as (port, service):
            monkeypatch.setenv("SHORTLIST_SERVICE_PORT", str(port))
            quiet = run_airflow(RUN)
        conn = psycopg2.connect(slow_plane.database.dsn)
        with conn, conn.cursor() as cursor:
            cursor.execute(OTHER_TASTES)
        conn.close()
        told_before = list(webhook.posted)
        loud = run_airflow(RUN)

    assert quiet["state"] == "success", quiet["log"][-6000:]
    assert set(service.asked) == {"/readyz"} and told_before == []
    assert {name for name, state in quiet["tasks"].items() if state == "skipped"} == {
        "train",
        "drift_triggered",
    }
    assert quiet["started"] == []

    assert loud["state"] == "failed"
    (told,) = webhook.posted
    assert (told["dag_id"], told["task_id"]) == ("monitoring", "check_quality")
    assert f"127.0.0.1:{port}/readyz does not respond" in told["error"]
    assert {name for name, state in loud["tasks"].items() if state != "success"} == {"check_quality"}
    (started,) = loud["started"]
    assert started["conf"] == {"reason": "drift"}
    with connect() as conn:
        reports = drift_reports(conn, 2)
    assert [report.triggered for report in reports] == [True, False]
