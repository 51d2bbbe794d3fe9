"""Circus hooks: what the supervisor does before it starts a process and after one has died."""

import os
import signal
from typing import Any

from operations import processes
from operations.environment import MARKER


def end_leftovers(watcher: Any, **_: Any) -> bool:
    """Label the process about to start, and end whatever an earlier one with its name left behind.

    A killed server can leave children holding its port; a killed scheduler, tasks that would run twice.
    Called by circusd as `before_spawn`; returning True lets it continue.
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
    """Log the remaining output of a dead process, and stop watching its pipe.

    circus closes the pipe of a process it reaps, but keeps watching the file descriptor if it had not seen
    the end of the pipe. The next process to get that descriptor can then never be started (compare
    https://github.com/circus-tent/circus/issues/979). It happens when several processes die at once, as they
    do when the database dies. Called by circusd as `before_reap`; the return value is ignored.
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
    """Output available now; empty if a child of the dead process still holds the other end open."""
    try:
        return os.read(pipe, size)
    except BlockingIOError:
        return b""
