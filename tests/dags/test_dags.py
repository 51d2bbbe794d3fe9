"""The DAGs as Airflow sees them, and one run of each on real parts."""

from collections.abc import Callable
from typing import Any

import pytest

RunAirflow = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.platform

LOAD = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
print("RESULT", json.dumps({"errors": {str(k): v for k, v in bag.import_errors.items()}, "dags": {
    d.dag_id: {
        "doc": bool(d.doc_md), "about": d.description, "tags": sorted(d.tags), "runs": d.max_active_runs,
        "params": {name: d.params.get_param(name).schema["type"] for name in d.params},
        "at_once": d.max_active_tasks,
        "late": [alert.interval.total_seconds() for alert in d.deadline or []],
        "assets": [asset.name for asset in getattr(d.timetable.asset_condition, "objects", [])],
        "told": bool(d.on_failure_callback), "catchup": d.catchup,
        "tasks": {t.task_id: {
            "owner": t.owner, "retries": t.retries, "pool": t.pool, "doc": bool(t.doc_md),
            "backoff": bool(t.retry_exponential_backoff),
            "timeout": t.execution_timeout.total_seconds(), "callback": bool(t.on_failure_callback),
            "rule": t.trigger_rule.value,
            "reads": [a.name for a in t.inlets], "writes": [a.name for a in t.outlets],
            "before": sorted(t.upstream_task_ids)} for t in d.tasks},
    } for d in bag.dags.values()}}))
"""

RUN = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
dag = {d.dag_id: d for d in DagBag(sys.argv[1]).dags.values()}[sys.argv[2]]
dag.deadline = None  # Airflow 3.3.2 fails at its end with one: github.com/apache/airflow/issues/73428
run = dag.test(run_conf=json.loads(sys.argv[3]) if len(sys.argv) > 3 else None)
states = {t.task_id: str(t.state) for t in run.get_task_instances()}
print("RESULT", json.dumps({"state": str(run.state), "tasks": states}))
"""

# Every task of the hourly watch, with what it waits for.
WATCHING = {
    "make_partitions": [],
    "guard": ["make_partitions"],
    "mirror_registry": ["guard"],
    "log_clicks": ["guard"],
    "check_quality": ["make_partitions"],
    "measure_drift": ["guard"],
    "train": ["measure_drift"],
    "drift_triggered": ["train"],
    "retention": ["make_partitions"],
}


def test_every_dag_loads_and_says_what_it_is(run_airflow: RunAirflow) -> None:
    found = run_airflow(LOAD)

    assert found["errors"] == {}
    assert set(found["dags"]) == {"hourly_trending", "daily_training", "monitoring", "weekly_blend"}
    for name, dag in found["dags"].items():
        assert dag["about"], name
        assert dag["doc"] and dag["told"] and dag["tags"] and dag["runs"] == 1 and not dag["catchup"], name
        for task in dag["tasks"].values():
            assert task["owner"] == "shortlist"
            assert task["retries"] > 0 and task["backoff"] and task["doc"]
            assert task["timeout"] > 0
            assert task["callback"]
    assert found["dags"]["daily_training"]["params"] == {"force": "boolean"}
    training = found["dags"]["daily_training"]["tasks"]
    fitted = [name for name in training if name.startswith("train_")]
    assert training["evaluate"]["before"] == sorted(fitted)
    assert found["dags"]["daily_training"]["at_once"] == 2
    late = {name: dag["late"] for name, dag in found["dags"].items() if dag["late"]}
    assert late == {"daily_training": [4 * 3600], "hourly_trending": [1800], "monitoring": [1800]}
    assert {name: dag["assets"] for name, dag in found["dags"].items() if dag["assets"]} == {
        "monitoring": ["deployment"]
    }
    tasks = [task for dag in found["dags"].values() for task in dag["tasks"].values()]
    # Airflow's UI deletes every pool but this one, and tasks of a pool that is gone never start.
    assert {task["pool"] for task in tasks} == {"default_pool"}
    written = sorted(name for task in tasks for name in task["writes"])
    assert written == ["bundle", "deployment", "snapshot", "trending"], "each asset by one task"
    assert {name for task in tasks for name in task["reads"]} == set(written)
    watching = found["dags"]["monitoring"]["tasks"]
    assert {name: task["before"] for name, task in watching.items()} == WATCHING
    assert watching["mirror_registry"]["rule"] == "all_done"  # a guard that failed may have rolled back


def test_daily_training_deploys_then_skips_when_nothing_is_new_unless_forced(
    run_airflow: RunAirflow, slow_plane: Any
) -> None:
    first = run_airflow(RUN, "daily_training")

    assert first["state"] == "success", first["log"][-8000:]
    assert set(first["tasks"].values()) == {"success"}

    second = run_airflow(RUN, "daily_training")

    assert second["tasks"]["snapshot"] == "skipped"
    assert second["tasks"]["deploy"] == "skipped"

    forced = run_airflow(RUN, "daily_training", '{"force": true, "model_type": "mf"}')

    assert set(forced["tasks"].values()) == {"success"}, forced["log"][-8000:]


def test_hourly_trending_scores_the_items(run_airflow: RunAirflow, slow_plane: Any, connection: Any) -> None:
    found = run_airflow(RUN, "hourly_trending")

    assert found["state"] == "success", found["log"][-8000:]
    with connection.cursor() as cursor:
        cursor.execute("select count(*), (select trending_version from change_state) from trending_scores")
        scored, version = cursor.fetchone()
    assert scored > 0
    assert version == 1
