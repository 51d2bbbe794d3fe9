"""Defaults of every task and run: owner, retries with back-off, timeouts, failure alerts."""

from datetime import timedelta
from typing import Any

FITTED_AT_ONCE = 2
"""How many models are fitted at once, one per core. Not a pool: one that is deleted in Airflow's UI lets its
tasks wait until the run times out."""


def tell_failure(context: dict[str, Any]) -> None:
    """Log a task that failed after all retries, and post it to the webhook in the settings."""
    from watch.alerts import post_failure

    task = context["task_instance"]
    post_failure(
        dag_id=task.dag_id,
        task_id=task.task_id,
        run_id=task.run_id,
        attempt=task.try_number,
        error=str(context.get("exception")),
    )


def tell_failed_run(context: dict[str, Any]) -> None:
    """Report a run that failed although none of its tasks did: it timed out or got stuck."""
    from watch.alerts import post_failure

    if context["reason"] != "task_failure":
        post_failure(
            dag_id=context["dag"].dag_id, task_id=None, run_id=context["run_id"], error=context["reason"]
        )


TASK_DEFAULTS: dict[str, Any] = {
    "owner": "shortlist",
    "retries": 2,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=10),
    "execution_timeout": timedelta(hours=1),
    "on_failure_callback": tell_failure,
}

RUN_DEFAULTS: dict[str, Any] = {
    "catchup": False,
    "max_active_runs": 1,
    "is_paused_upon_creation": False,
    "on_failure_callback": tell_failed_run,
}
