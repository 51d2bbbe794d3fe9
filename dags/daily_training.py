"""### From new data to the bundle that serves, every night

`ingest` loads what was dropped into the inbox; `index` encodes the texts that have no vector yet.
`snapshot` exports the database at a watermark, and ends the run as *skipped* when nothing happened since
the bundle that serves. `validate` stops everything behind it when the data breaks an expectation (its
log names which). The models are fitted in parallel, each as a run in MLflow; `evaluate` compares them,
and the blend of them; `bundle` puts them together; `commit` writes dvc.lock; `gate` compares the bundle
with the one that serves and fails when it must not replace it; `deploy` makes the change, all or
nothing. Every task may be cleared and run again.

Configuration of a run: `{"force": true}` learns although nothing is new. What else a request for training
carries (`model_type`, `retrain_cf`, `regenerate_embeddings`) is kept with the run for the record: models of
one snapshot belong together, so all of them are trained.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import TaskGroup, chain, dag, task

from dags.assets import BUNDLE, DEPLOYMENT, SNAPSHOT
from dags.defaults import RUN_DEFAULTS, TASK_DEFAULTS, TRAINING_POOL
from dags.descriptions import TASKS
from training.models.registry import names  # imports no model


@dag(
    schedule="0 3 * * *",
    default_args=TASK_DEFAULTS,
    dagrun_timeout=timedelta(hours=6),
    tags=["training", "daily"],
    doc_md=__doc__,
    **RUN_DEFAULTS,
)
def daily_training() -> None:
    @task
    def step(*steps: str, dag_run: Any = None) -> None:
        from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

        from training.pipeline.steps import NothingNewError, StoppedError, run_steps

        try:
            run_steps(steps, force=bool((dag_run.conf or {}).get("force")))
        except NothingNewError as reason:
            raise AirflowSkipException(str(reason)) from reason
        except StoppedError as reason:
            raise AirflowFailException(str(reason)) from reason

    def run(task_id: str, *steps: str, **more: Any) -> Any:
        return step.override(task_id=task_id, doc_md=TASKS[task_id], **more)(*(steps or (task_id,)))

    with TaskGroup("collect", prefix_group_id=False, tooltip="What happened, as data to learn from"):
        data = [run("ingest"), run("index"), run("snapshot", outlets=[SNAPSHOT])]
        data += [run("validate", inlets=[SNAPSHOT]), run("prepare")]
    with TaskGroup("learn", prefix_group_id=False, tooltip="The models, side by side within a pool"):
        served = names(scope="bundle", role="served")
        compared = [name for name in names(scope="bundle") if name not in served]
        models = [run(f"train_{name}", name, pool=TRAINING_POOL) for name in served]
        models.append(run("train_baselines", *compared, pool=TRAINING_POOL))
    with TaskGroup("decide", prefix_group_id=False, tooltip="Whether the new bundle serves"):
        rest = [run("evaluate"), run("bundle", outlets=[BUNDLE]), run("commit")]
        rest += [run("gate", inlets=[BUNDLE]), run("deploy", outlets=[DEPLOYMENT])]
    chain(*data, models, *rest)


daily_training()
