"""### From new data to the bundle that serves, every night

`ingest` loads what was dropped into the inbox; `index` encodes the texts that have no vector yet.
`snapshot` exports the database at a watermark, and ends the run as *skipped* when nothing happened since
the bundle that serves. `validate` stops everything behind it when the data breaks an expectation (its
log names which). The models are fitted in parallel, each as a run in MLflow; `evaluate` compares them,
and the blend of them; `bundle` puts them together; `record` writes dvc.lock; `gate` compares the bundle
with the one that serves and fails when it must not replace it; `deploy` makes the change, all or
nothing. Every task may be cleared and run again.

Configuration of a run: `{"force": true}` learns although nothing is new. What else a request for training
carries (`model_type`, `retrain_cf`, `regenerate_embeddings`) is kept with the run for the record: models of
one snapshot belong together, so all of them are trained.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import chain, dag, task

from dags.assets import BUNDLE, DEPLOYMENT, SNAPSHOT
from dags.defaults import BASELINES, MODELS, TASK_DEFAULTS, TRAINING_POOL


@dag(
    schedule="0 3 * * *",
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args=TASK_DEFAULTS,
    dagrun_timeout=timedelta(hours=6),
    tags=["training", "daily"],
    doc_md=__doc__,
)
def daily_training() -> None:
    @task
    def step(*names: str, dag_run: Any = None) -> None:
        from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

        from training.pipeline import NothingNewError, StoppedError, run_steps

        try:
            run_steps(names, force=bool((dag_run.conf or {}).get("force")))
        except NothingNewError as reason:
            raise AirflowSkipException(str(reason)) from reason
        except StoppedError as reason:
            raise AirflowFailException(str(reason)) from reason

    fit = step.override(pool=TRAINING_POOL)
    models = [fit.override(task_id=f"train_{name}")(name) for name in MODELS]
    chain(
        step.override(task_id="ingest")("ingest"),
        step.override(task_id="index")("index"),
        step.override(task_id="snapshot", outlets=[SNAPSHOT])("snapshot"),
        step.override(task_id="validate")("validate"),
        step.override(task_id="prepare")("prepare"),
        [*models, fit.override(task_id="train_baselines")(*BASELINES)],
        step.override(task_id="evaluate")("evaluate"),
        step.override(task_id="bundle", outlets=[BUNDLE])("bundle"),
        step.override(task_id="record")("record"),
        step.override(task_id="gate")("gate"),
        step.override(task_id="deploy", outlets=[DEPLOYMENT])("deploy"),
    )


daily_training()
