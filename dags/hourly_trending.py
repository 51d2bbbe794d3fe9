"""### Trending, every hour

Computes one trending score per item from recent interactions, whose weight decays with age, and writes it
to the database. The service's workers use the new scores from their next request on; nothing restarts.

Weights, decay and window: sections `trending` and `interactions` of `params.yaml`.
"""

from datetime import timedelta

from airflow.sdk import dag, task

from dags.assets import TRENDING
from dags.deadlines import hourly_deadline
from dags.defaults import RUN_DEFAULTS, TASK_DEFAULTS
from dags.descriptions import TASKS


@dag(
    schedule="@hourly",
    default_args={**TASK_DEFAULTS, "execution_timeout": timedelta(minutes=10)},
    dagrun_timeout=timedelta(minutes=50),
    deadline=hourly_deadline(),
    tags=["serving", "trending"],
    doc_md=__doc__,
    description="Every hour: recompute what is trending from recent interactions.",
    **RUN_DEFAULTS,
)
def hourly_trending() -> None:
    @task(outlets=[TRENDING], doc_md=TASKS["compute_trending"])
    def compute_trending() -> int:
        from training.pipeline.trending import refresh_trending

        return refresh_trending()

    compute_trending()


hourly_trending()
