"""Reports failures of scheduled runs: always to the log, and to a webhook if one is set."""

import json
import logging
from urllib.error import URLError
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
    url = get_settings().webhook_url
    if url is None:
        return
    event = {
        "event": "task_failed" if task_id else "run_failed",
        "dag_id": dag_id,
        "task_id": task_id,
        "run_id": run_id,
        "attempt": attempt,
        "error": error,
    }
    request = Request(url, json.dumps(event).encode(), {"Content-Type": "application/json"})
    try:
        with urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
            logger.info("The webhook responded with status %d.", response.status)
    except (URLError, TimeoutError) as reason:
        logger.error("Posting to the webhook %s failed: %s", url, reason)
