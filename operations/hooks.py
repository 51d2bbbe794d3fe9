"""What the supervisor does before it starts a process."""

import signal
from typing import Any

from operations import processes
from operations.environment import MARKER


def end_leftovers(watcher: Any, **_: Any) -> bool:
    """Name the process to come, and end what an earlier one of that name left behind.

    A killed server can leave children that hold its port, and a killed scheduler tasks that would
    run twice. Called by circusd as `before_spawn`; True lets it go on.
    """
    marker, name = watcher.env[MARKER], watcher.name
    watcher.env[processes.PROCESS] = name
    leftovers = processes.carriers(
        lambda env: env.get(MARKER) == marker and env.get(processes.PROCESS) == name
    )
    if leftovers:
        processes.end(leftovers, sign=signal.Signals(watcher.stop_signal), patience=watcher.graceful_timeout)
    return True
