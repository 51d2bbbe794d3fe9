"""What the supervisor does before it starts a process, and when one has died."""

import os
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


def let_go_of_output(watcher: Any, process_pid: int, **_: Any) -> bool:
    """Write down a dead process's last words, and watch its pipe no longer.

    circus closes the pipe of a process that it reaps, and goes on watching its number if the pipe's end was
    not seen before. The next process of any watcher that gets the number can't be started then, ever
    (https://github.com/circus-tent/circus/issues/979 tells of the like): with the database several die at
    once. Called by circusd as `before_reap`; what it returns says nothing.
    """
    process, redirector = watcher.processes[process_pid], watcher.stream_redirector
    if redirector is None:  # the watcher is being stopped, and has closed its log
        return True
    for name, pipe in redirector.get_process_pipes(process):
        if pipe.closed:  # it was stopped, not killed
            continue
        os.set_blocking(pipe.fileno(), False)
        while words := _read(pipe.fileno(), redirector.buffer):
            redirector.redirect[name]({"data": words, "pid": process_pid, "name": name})
    redirector.remove_redirections(process)
    return True


def _read(pipe: int, size: int) -> bytes:
    """What is there now; nothing where a child of the dead process still holds the other end."""
    try:
        return os.read(pipe, size)
    except BlockingIOError:
        return b""
