"""One-off commands beside the supervised processes: migrations, loading the sample."""

import subprocess
import threading
from collections.abc import Mapping, Sequence

from database.settings import REPOSITORY
from operations.environment import Layout
from operations.errors import OperationsError, StartError
from operations.logs import cause

POLL_SECONDS = 0.1


class AbortedError(OperationsError):
    """The start was cancelled while this part was waiting."""


def run_once(
    name: str, command: Sequence[str], environment: Mapping[str, str], place: Layout, abort: threading.Event
) -> str:
    """Run a command to completion; its output goes to the log `name` and is returned.

    Raises StartError, with the error from its log, if it fails, and AbortedError if the start is cancelled.
    The command carries the platform's marker, so stopping the platform ends it too.
    """
    log = place.logs / f"{name}.log"
    with log.open("w") as output:
        running = subprocess.Popen(
            list(command),
            cwd=REPOSITORY,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        while True:
            try:
                code = running.wait(POLL_SECONDS)
                break
            except subprocess.TimeoutExpired:
                if abort.is_set():
                    running.terminate()
                    raise AbortedError(name) from None
    if code != 0:
        raise StartError(f"'{name}' failed: {cause(log)}", f"See {log}")
    return log.read_text(errors="replace")
