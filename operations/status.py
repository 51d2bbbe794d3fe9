"""What `make status` shows: processes with their memory, and schedules that are switched off."""

import httpx
import psutil

from database.settings import Settings
from operations import processes
from operations.airflow import AirflowApi
from operations.errors import SupervisorError
from operations.supervisor import Supervisor

MEGABYTE = 1024**2
SCHEDULED = ("daily_training", "hourly_trending", "monitoring")
"""The DAGs without which lists grow old; `weekly_blend` may be paused to keep weights as they are."""


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


def schedules(settings: Settings) -> list[str]:
    """A line for each DAG that does not run, with what to press; or that Airflow does not answer."""
    try:
        with AirflowApi(settings) as api:
            api.sign_in()
            return [line for dag_id in SCHEDULED if (line := _obstacle(api, dag_id)) is not None]
    except httpx.HTTPError as error:
        return [f"Airflow does not answer at {settings.airflow_address} ({error}): are its schedules on?"]


def _obstacle(api: AirflowApi, dag_id: str) -> str | None:
    paused = api.is_paused(dag_id)
    if paused is None:
        return (
            f"{dag_id} is unknown to Airflow. One that was deleted comes back within minutes; otherwise see "
            "airflow-dag-processor.log."
        )
    page = f"{api.address}/dags/{dag_id}"
    return f"{dag_id} is paused in Airflow and does not run. Switch it on: {page}" if paused else None


def _watcher(process: psutil.Process) -> str | None:
    try:
        name: str | None = process.environ().get(processes.PROCESS)
    except processes.GONE:
        return None
    return name
