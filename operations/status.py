"""The table of `make status`: processes and their memory."""

import psutil

from operations import processes
from operations.errors import SupervisorError
from operations.supervisor import Supervisor

MEGABYTE = 1024**2


def memory(found: list[psutil.Process]) -> int:
    """Bytes of memory of these processes; shared pages are divided among their users (PSS)."""
    total = 0
    for process in found:
        try:
            total += process.memory_full_info().pss
        except processes.GONE:
            continue
    return total


def table(supervisor: Supervisor) -> list[str]:
    """One line per process of circus.ini with its state, process ids and memory."""
    found = supervisor.leftovers()
    if not found:
        return []
    lines = []
    try:
        states = supervisor.states()
    except SupervisorError as error:
        return [f"{error}.", *(processes.describe(process) for process in found)]
    for name, state in sorted(states.items()):
        own = [process for process in found if _watcher(process) == name]
        ids = " ".join(str(pid) for pid in supervisor.process_ids(name))
        lines.append(f"{name:<22} {state:<9} {ids:<8} {memory(own) / MEGABYTE:7.0f} MB")
    lines.append(f"{'all':<22} {'':<9} {'':<8} {memory(found) / MEGABYTE:7.0f} MB")
    return lines


def _watcher(process: psutil.Process) -> str | None:
    try:
        name: str | None = process.environ().get(processes.PROCESS)
    except processes.GONE:
        return None
    return name
