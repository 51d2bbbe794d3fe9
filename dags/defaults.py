"""Defaults of every task and run: owner, retries with back-off, timeouts, deadlines, alerts."""

import asyncio
import logging
from datetime import timedelta
from typing import Any

logger = logging.getLogger(__name__)

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


async def tell_late_run(context: dict[str, Any]) -> None:
    """Report a run that is not over at its deadline; the triggerer calls this.

    A run that failed has been told of: Airflow keeps its deadline all the same.
    """
    from watch.alerts import post_late_run

    run = context["dag_run"]
    if run["state"] in ("queued", "running"):
        due = str(context["deadline"]["deadline_time"])
        # In a thread, because the triggerer's event loop serves others too.
        await asyncio.to_thread(post_late_run, run["dag_id"], run["dag_run_id"], run["state"], due)


def late_after(key: str) -> timedelta:
    """How long after it was queued a run is late, by a key of `monitoring` that ends in its unit.

    While params.yaml can't be used it is the default: a DAG that can't be parsed is not run at all, and it is
    the tasks of a run that say what is wrong.
    """
    from training.params import ParamsError, load_params
    from training.params.operating import MonitoringParams

    try:
        number = getattr(load_params().monitoring, key)
    except ParamsError as problem:
        number = MonitoringParams.model_fields[key].default
        logger.warning("%s: %s, the default, because of %s", key, number, problem)
    return timedelta(**{key.rpartition("_")[2]: number})


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
