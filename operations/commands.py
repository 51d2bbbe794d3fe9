"""Commands that run once beside the supervised processes: migrations, the sample."""

import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from database.settings import REPOSITORY
from operations.environment import Layout
from operations.errors import StartError

POLL_SECONDS = 0.1


class Aborted(Exception):  # noqa: N818
    """The start was given up while this part of it waited."""


def run_once(
    name: str, command: Sequence[str], environment: Mapping[str, str], place: Layout, abort: threading.Event
) -> str:
    """Run a command to its end; what it writes goes to the log `name` and is returned.

    Raises StartError when it fails, with its last line, and Aborted when the start is given up; the
    command carries the platform's marker, so the stop that follows ends it.
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
                    raise Aborted(name) from None
    if code != 0:
        raise StartError(f"'{name}' failed: {last_line(log)}", f"See {log}")
    return log.read_text(errors="replace")


def last_line(log: Path) -> str:
    """The last line of a log that says something."""
    if not log.exists():
        return "it wrote nothing"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4000))
        lines = [line.strip() for line in file.read().decode(errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line), "it wrote nothing")[:300]
