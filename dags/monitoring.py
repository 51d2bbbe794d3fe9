"""### Check the bundle in service, every hour and as soon as a training has put one into service

- `make_partitions` creates database partitions for the coming months.
- `guard` rolls the bundle back if its click rate is significantly below that of the previous bundle.
- `mirror_registry` updates MLflow's aliases to match the bundle in service.
- `log_clicks` logs the click rate to the bundle's run in MLflow.
- `check_quality` fails, and so raises an alert, if the bundle or the trending scores are too old or the
  service is slow.
- `measure_drift` compares the catalogue with the bundle's snapshot, and the newest day and week of
  interactions with those before. If something has drifted, `train` starts `daily_training`, at most once
  per cooldown.
- `retention` deletes old data.

Thresholds: sections `monitoring`, `guard`, `experiments` and `retention` of `params.yaml`.
"""

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, dag, task

from dags.assets import DEPLOYMENT, TRENDING
from dags.deadlines import hourly_deadline
from dags.defaults import RUN_DEFAULTS, TASK_DEFAULTS
from dags.descriptions import TASKS

HOURLY = CronTriggerTimetable("30 * * * *", timezone="UTC")


@dag(
    schedule=AssetOrTimeSchedule(timetable=HOURLY, assets=[DEPLOYMENT]),
    default_args={**TASK_DEFAULTS, "execution_timeout": timedelta(minutes=20)},
    dagrun_timeout=timedelta(minutes=55),
    deadline=hourly_deadline(),
    tags=["monitoring", "hourly"],
    doc_md=__doc__,
    description="Hourly, and after a deployment: roll back a worse bundle, look for drift, delete old data.",
    **RUN_DEFAULTS,
)
def monitoring() -> None:
    @task
    def step(name: str) -> None:
        from watch import monitoring as steps

        getattr(steps, name)()

    def run(task_id: str, name: str | None = None, **more: Any) -> Any:
        return step.override(task_id=task_id, doc_md=TASKS[task_id], **more)(name or task_id)

    @task.short_circuit(doc_md=TASKS["measure_drift"])
    def measure_drift() -> bool:
        from watch.monitoring import measure_drift

        return measure_drift()

    made, guarded = run("make_partitions"), run("guard", inlets=[DEPLOYMENT])
    train = TriggerDagRunOperator(
        task_id="train", trigger_dag_id="daily_training", conf={"reason": "drift"}, doc_md=TASKS["train"]
    )
    made >> guarded >> run("log_clicks")
    guarded >> run("mirror_registry", trigger_rule="all_done")
    made >> run("check_quality", retries=1, inlets=[DEPLOYMENT, TRENDING])
    guarded >> measure_drift() >> train >> run("drift_triggered")
    made >> run("retention", "apply_retention")


monitoring()
