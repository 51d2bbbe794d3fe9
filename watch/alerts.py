"""Reports scheduled runs that fail or are late: always to the log, and to a webhook if one is set."""

import json
import logging
from http.client import HTTPException
from typing import Any
from urllib.request import Request, urlopen

from database.settings import get_settings

logger = logging.getLogger(__name__)

_TIMEOUT_SECONDS = 10


def post_failure(
    dag_id: str, task_id: str | None, run_id: str, error: str, attempt: int | None = None
) -> None:
    """Log the failure and post it as JSON to the webhook of the settings.

    A webhook that does not answer is logged: the task has failed already, and telling of it may not
    hide why.

    Args:
        dag_id: whose run it is.
        task_id: what failed; None for a run that failed as a whole.
        run_id: of Airflow.
        error: why.
        attempt: the task's last.
    """
    failed = f"{dag_id}.{task_id}" if task_id else dag_id
    logger.error("%s failed after all retries in run %s: %s", failed, run_id, error)
    event = "task_failed" if task_id else "run_failed"
    _post(_event(event, dag_id, run_id, error) | {"task_id": task_id, "attempt": attempt})


def post_late_run(dag_id: str, run_id: str, state: str, deadline: str) -> None:
    """Log that a run is not over at its deadline, and post that to the webhook of the settings.

    Args:
        dag_id: whose run it is.
        run_id: of Airflow.
        state: of the run, queued or running.
        deadline: by when it should have been over.
    """
    error = f"still {state} at its deadline, {deadline}"
    logger.warning("%s is late in run %s: %s", dag_id, run_id, error)
    _post(_event("run_late", dag_id, run_id, error))


def _event(kind: str, dag_id: str, run_id: str, error: str) -> dict[str, Any]:
    """What is told of a run as a whole; a task's event has the same fields."""
    return {
        "event": kind,
        "dag_id": dag_id,
        "task_id": None,
        "run_id": run_id,
        "attempt": None,
        "error": error,
    }


def _post(event: dict[str, Any]) -> None:
    """Post an event to the webhook of the settings; without one the log is all that tells."""
    url = get_settings().webhook_url
    if url is None:
        return
    try:
        request = Request(url, json.dumps(event).encode(), {"Content-Type": "application/json"})
        with urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
            logger.info("The webhook responded with status %d.", response.status)
    except (OSError, HTTPException, ValueError) as reason:
        # Of the network; of an answer that is none; of an address that is none.
        logger.error("Posting to the webhook %s failed: %s", url, reason)
