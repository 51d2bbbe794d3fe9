"""### Learn the blend's weights anew, every week

`learn_blend` searches the weights of the blend (`blend.tuned` in `params.yaml`) on the validation windows of
the latest snapshot, and writes them if they are significantly better than those in use. The run is in MLflow,
in the experiment of searches.

Nothing is deployed here: the next `daily_training` makes a bundle with the new weights, and the gate compares
it with the one in service like any other. **Skipped** before the first snapshot.

To keep weights as they are, pause this DAG.
"""

from datetime import timedelta

from airflow.sdk import dag, task

from dags.defaults import RUN_DEFAULTS, TASK_DEFAULTS
from dags.descriptions import TASKS


@dag(
    schedule="0 12 * * 0",
    default_args={**TASK_DEFAULTS, "execution_timeout": timedelta(hours=5)},
    dagrun_timeout=timedelta(hours=6),
    tags=["training", "weekly"],
    doc_md=__doc__,
    description="Every week: learn the blend's weights anew; the next daily training uses them.",
    **RUN_DEFAULTS,
)
def weekly_blend() -> None:
    @task(doc_md=TASKS["learn_blend"])
    def learn_blend() -> bool:
        from airflow.sdk.exceptions import AirflowSkipException

        from training.tuning.tune import NoSnapshotError, relearn_blend

        try:
            return relearn_blend()
        except NoSnapshotError as reason:
            raise AirflowSkipException(str(reason)) from reason

    learn_blend()


weekly_blend()
