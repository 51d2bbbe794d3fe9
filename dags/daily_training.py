"""### Train and deploy a new bundle, every night

1. `ingest` loads the files in the inbox, and `index` computes missing item vectors.
2. `snapshot` exports the database; if nothing has changed since the last deployment, or a
   new shop has no interactions yet, the run is *skipped*.
   `validate` checks the snapshot and stops the run if it fails. `prepare` builds the matrices.
3. The `train_…` tasks fit the models, each as its own run in MLflow.
4. `evaluate` compares the models and the blend on held-out data. `bundle` packs them. `commit` writes
   `dvc.lock`.
5. `gate` compares the new bundle with the one in service and fails if it must not replace it. `deploy` puts
   the whole bundle into service.

Any task can be cleared and run again. One of an earlier run refuses if a later run has taken its snapshot
since: clear the earlier run's `snapshot` with all that follows, or start a new run.

Run configuration: `{"force": true}` trains even if nothing has changed. The other fields of a training
request (`model_type`, `retrain_cf`, `regenerate_embeddings`) are only stored with the run: all models are
always trained together, on one snapshot.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, TaskGroup, chain, dag, task

from dags.assets import BUNDLE, DEPLOYMENT, SNAPSHOT
from dags.deadlines import training_deadline
from dags.defaults import FITTED_AT_ONCE, RUN_DEFAULTS, TASK_DEFAULTS
from dags.descriptions import TASKS
from training.models.registry import names  # imports no model

FORCE = Param(False, type="boolean", title="Force", description="Train even if nothing has changed.")


@dag(
    schedule="0 3 * * *",
    default_args=TASK_DEFAULTS,
    dagrun_timeout=timedelta(hours=6),
    max_active_tasks=FITTED_AT_ONCE,
    deadline=training_deadline(),
    tags=["training", "daily"],
    doc_md=__doc__,
    description="Every night: train all models on a snapshot, and deploy them if the gate accepts.",
    params={"force": FORCE},
    **RUN_DEFAULTS,
)
def daily_training() -> None:
    @task
    def step(*steps: str, dag_run: Any = None) -> None:
        from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

        from training.pipeline.steps import NothingNewError, StoppedError, run_steps

        try:
            run_steps(steps, force=bool((dag_run.conf or {}).get("force")), run_id=dag_run.run_id)
        except NothingNewError as reason:
            raise AirflowSkipException(str(reason)) from reason
        except StoppedError as reason:
            raise AirflowFailException(str(reason)) from reason

    def run(task_id: str, *steps: str, **more: Any) -> Any:
        return step.override(task_id=task_id, doc_md=TASKS[task_id], **more)(*(steps or (task_id,)))

    with TaskGroup("collect", prefix_group_id=False, tooltip="Collect, export and check the data"):
        data = [run("ingest"), run("index"), run("snapshot", outlets=[SNAPSHOT])]
        data += [run("validate", inlets=[SNAPSHOT]), run("prepare")]
    with TaskGroup("learn", prefix_group_id=False, tooltip="Fit the models, some at a time"):
        served = names(scope="bundle", role="served")
        compared = [name for name in names(scope="bundle") if name not in served]
        models = [run(f"train_{name}", name) for name in served]
        models.append(run("train_baselines", *compared))
    with TaskGroup("decide", prefix_group_id=False, tooltip="Evaluate, then deploy if accepted"):
        rest = [run("evaluate"), run("bundle", outlets=[BUNDLE]), run("commit")]
        rest += [run("gate", inlets=[BUNDLE]), run("deploy", outlets=[DEPLOYMENT])]
    chain(*data, models, *rest)


daily_training()
