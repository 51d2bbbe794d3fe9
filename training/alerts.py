"""Tell somebody that a scheduled run failed: a log line always, a webhook when one is set."""

import json
import logging
from urllib.error import URLError
from urllib.request import Request, urlopen

from database.settings import get_settings

logger = logging.getLogger(__name__)

_TIMEOUT_SECONDS = 10


def post_failure(dag_id: str, task_id: str, run_id: str, attempt: int, error: str) -> None:
    """Log the failure and post it as JSON to the webhook of the settings.

    A webhook that does not answer is logged: the task has failed already, and telling of it may not
    hide why.
    """
    logger.error("%s.%s failed for good at attempt %d: %s", dag_id, task_id, attempt, error)
    url = get_settings().webhook_url
    if url is None:
        return
    event = {
        "event": "task_failed",
        "dag_id": dag_id,
        "task_id": task_id,
        "run_id": run_id,
        "attempt": attempt,
        "error": error,
    }
    request = Request(url, json.dumps(event).encode(), {"Content-Type": "application/json"})
    try:
        with urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
            logger.info("The webhook answered %d.", response.status)
    except (URLError, TimeoutError) as reason:
        logger.error("The webhook %s did not take the message: %s", url, reason)
