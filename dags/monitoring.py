"""### Is what serves still right? Every hour

`make_partitions` makes room for the coming days' data. `guard` takes the serving bundle back when users
click significantly less on its lists than on its predecessor's. `mirror_registry` points MLflow's aliases
at what serves, which a rollback over HTTP does not wait for. `record_online` writes the click rate to
the bundle's run in MLflow. `check_quality` fails, and so tells, when bundle or trending are too old or the
service is slow. `measure_drift` compares the database with the snapshot that the bundle learned from; over
a threshold, and not again within the cooldown, `train` starts the daily training. `retention` deletes what
is old. Thresholds: sections `monitoring`, `guard`, `experiments` and `retention` of params.yaml.
"""

from datetime import timedelta

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import dag, task

from dags.defaults import TASK_DEFAULTS


@dag(
    schedule="30 * * * *",
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args={**TASK_DEFAULTS, "execution_timeout": timedelta(minutes=20)},
    dagrun_timeout=timedelta(minutes=55),
    tags=["monitoring", "hourly"],
    doc_md=__doc__,
)
def monitoring() -> None:
    @task
    def step(name: str) -> None:
        from training import monitoring as steps

        getattr(steps, name)()

    @task.short_circuit
    def measure_drift() -> bool:
        from training.monitoring import measure_drift

        return measure_drift()

    made = step.override(task_id="make_partitions")("make_partitions")
    guarded = step.override(task_id="guard")("guard")
    train = TriggerDagRunOperator(task_id="train", trigger_dag_id="daily_training", conf={"reason": "drift"})
    made >> guarded >> step.override(task_id="record_online")("record_online")
    guarded >> step.override(task_id="mirror_registry", trigger_rule="all_done")("mirror_registry")
    made >> step.override(task_id="check_quality", retries=1)("check_quality")
    guarded >> measure_drift() >> train >> step.override(task_id="drift_triggered")("drift_triggered")
    made >> step.override(task_id="retention")("apply_retention")


monitoring()
