"""Finds and ends the processes of this platform.

Every process of a platform inherits the environment variable MARKER from the supervisor. It identifies them
more reliably than a pid file or a name: it survives the death of a parent and never matches other processes.
"""

import logging
import os
import signal
from collections.abc import Callable, Sequence

import psutil

logger = logging.getLogger(__name__)

PROCESS = "SHORTLIST_PROCESS"
"""Environment variable with the name of the circus watcher that started a process."""

GONE = (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess)


def carriers(test: Callable[[dict[str, str]], bool]) -> list[psutil.Process]:
    """All running processes whose environment passes `test`, with their descendants.

    This process and its ancestors are never included.
    """
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        try:
            if process.pid in spared or process.status() == psutil.STATUS_ZOMBIE:
                continue
            if test(process.environ()):
                below = [child for child in process.children(recursive=True) if child.pid not in spared]
                found.update({one.pid: one for one in (process, *below)})
        except GONE:
            continue
    return list(found.values())


def end(
    processes: Sequence[psutil.Process], *, sign: signal.Signals = signal.SIGTERM, patience: float = 10
) -> None:
    """Signal processes to end; kill those still running after `patience` seconds."""
    _signal(processes, sign)
    _, stubborn = psutil.wait_procs(processes, timeout=patience)
    if stubborn:
        logger.warning("killing %s", ", ".join(str(process.pid) for process in stubborn))
        _signal(stubborn, signal.SIGKILL)
        psutil.wait_procs(stubborn, timeout=5)


def _signal(processes: Sequence[psutil.Process], sign: signal.Signals) -> None:
    for process in processes:
        try:
            process.send_signal(sign)
        except GONE:
            continue


def describe(process: psutil.Process) -> str:
    """Process id and name, for messages."""
    try:
        return f"{process.pid} ({process.name()})"
    except GONE:
        return str(process.pid)
