"""Runs of the DAGs in Airflow: started on the month's date, followed to their end, and what came of them."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from operations.airflow import FINAL, AirflowApi

_POLL_SECONDS = 0.3
_LONGEST_SECONDS = 900.0


@dataclass(frozen=True)
class Ended:
    """A run that is over."""

    dag_id: str
    run_id: str
    state: str
    seconds: float
    tasks: dict[str, dict[str, Any]]
    errors: dict[str, str]
    """Of each task that failed, what its last attempt raised."""

    def tried_again(self) -> dict[str, int]:
        """Tasks that ended well, but not at the first attempt, with how many they took."""
        return {
            name: int(task["try_number"])
            for name, task in self.tasks.items()
            if task["state"] == "success" and int(task["try_number"]) > 1
        }

    def in_words(self) -> str:
        """Name, how it ended and how long it took."""
        skipped = [name for name, task in self.tasks.items() if task["state"] == "skipped"]
        how = f"skipped at `{_first(self.tasks, skipped)}`" if self._nothing_new() else self.state
        if self.errors:
            how = f"failed at `{', '.join(self.errors)}`"
        return f"`{self.dag_id}` {how}, {self.seconds:.0f} s"

    def _nothing_new(self) -> bool:
        return self.dag_id == "daily_training" and self.tasks["deploy"]["state"] == "skipped"


def start(airflow: AirflowApi, dag_id: str, number: int, at: datetime, note: str) -> str:
    """Ask Airflow for the run of a DAG at a simulated moment; returns its id."""
    return airflow.trigger(dag_id, note, {}, run_id=f"day-{number:02}-{at:%Hh}", at=at)


def wait(airflow: AirflowApi, dag_id: str, run_id: str) -> Ended:
    """Follow a run to its end. Raises TimeoutError when it took more than 15 minutes."""
    _await(lambda: airflow.run_state(dag_id, run_id) in FINAL, f"{dag_id} {run_id} does not end")
    tasks = {str(task["task_id"]): task for task in airflow.tasks(dag_id, run_id)}
    failed = {name: task for name, task in tasks.items() if task["state"] == "failed"}
    errors = {
        name: airflow.failure(dag_id, run_id, name, int(task["try_number"])).partition(": ")[2]
        for name, task in failed.items()
    }
    return Ended(dag_id, run_id, airflow.run_state(dag_id, run_id), _seconds(tasks.values()), tasks, errors)


def await_task(airflow: AirflowApi, dag_id: str, run_id: str, task_id: str) -> int | None:
    """Wait until a task runs; returns the process id of its attempt, None when the run ends without it.

    Raises TimeoutError after 15 minutes.
    """
    pids: list[int] = []

    def runs() -> bool:
        over = airflow.run_state(dag_id, run_id) in FINAL
        pids.extend(
            int(task["pid"])
            for task in airflow.tasks(dag_id, run_id)
            if task["task_id"] == task_id and task["state"] == "running" and task["pid"]
        )
        return over or bool(pids)

    _await(runs, f"{dag_id}.{task_id} of {run_id} does not start")
    return pids[0] if pids else None


def _await(true: Callable[[], bool], problem: str) -> None:
    """Wait for Airflow to say so; that it does not answer in time, on a busy machine, is no answer yet."""
    give_up = time.monotonic() + _LONGEST_SECONDS
    while time.monotonic() < give_up:
        try:
            if true():
                return
        except httpx.TransportError:
            pass
        time.sleep(_POLL_SECONDS)
    raise TimeoutError(problem)


def _seconds(tasks: Iterable[dict[str, Any]]) -> float:
    """From the first task's start to the last one's end."""
    times = [(task["start_date"], task["end_date"]) for task in tasks if task["start_date"]]
    first, last = min(start for start, _ in times), max(end for _, end in times)
    return (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()


def _first(tasks: dict[str, dict[str, Any]], names: list[str]) -> str:
    """The task that was skipped by itself: the one with a process, or else the first."""
    return next((name for name in names if tasks[name].get("pid")), names[0])
