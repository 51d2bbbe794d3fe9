"""A run of a DAG: started through Airflow, with progress task by task."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from database.connection import connect
from database.deployments import current
from database.gate_decisions import decisions
from database.settings import Settings
from operations.airflow import FINAL, AirflowApi
from operations.commands import AbortedError
from operations.errors import RunFailedError, StartError
from operations.platform import Platform
from operations.reporter import Reporter

POLL_SECONDS = 1.0
PATIENCE_SECONDS = 60
"""How long Airflow's API may be unreachable (during a restart, for example) while a run is followed."""


@dataclass(frozen=True)
class Outcome:
    """Final state of a run, and the error of each failed task's last attempt."""

    state: str
    failed: dict[str, str]


GATE = "gate"
"""The task that can fail without anything being broken: it rejected the bundle."""

ENDED = {"success", "failed", "skipped", "upstream_failed", "removed"}


def deployed_bundle(settings: Settings) -> str | None:
    """Id of the bundle in service; None before the first."""
    with connect(settings) as conn:
        deployment = current(conn)
    return None if deployment is None else deployment.bundle_id


def gate_reasons(settings: Settings) -> list[str]:
    """Why the gate rejected the latest bundle; empty if it accepted it or has not decided yet."""
    with connect(settings) as conn:
        latest = decisions(conn, 1)
    return [
        str(reason) for decision in latest if not decision.accepted for reason in decision.report["reasons"]
    ]


def start_run(api: AirflowApi, dag_id: str, *, force: bool = False, note: str = "make up") -> str:
    """Id of the run to follow: one that is under way or waits to begin, or a new one.

    A forced run is always new; it trains even if nothing has changed. `note` is the command, for Airflow.
    """
    if force:
        return api.trigger(dag_id, note, {"force": True})
    return api.unfinished_run(dag_id) or api.trigger(dag_id, note, {})


def require_unpaused(api: AirflowApi, dag_id: str) -> None:
    """Raises StartError if a DAG is paused: its runs neither begin nor end."""
    if api.is_paused(dag_id):
        remedy = f"Unpause it at {api.address}/dags/{dag_id}"
        raise StartError(f"{dag_id} is paused in Airflow: its runs would wait", remedy)


def finish_running(platform: Platform, api: AirflowApi, dag_id: str) -> None:
    """Follow a run that is under way to its end, whatever that is: what begins later reads what is there now.

    It may have read the database before the latest data was there: the run of 03:00, for example, in a shop
    whose files are loaded a minute later.

    Raises StartError if the DAG is paused, and AbortedError if the start is cancelled.
    """
    run_id = api.running_run(dag_id)
    if run_id is None:
        return
    require_unpaused(api, dag_id)
    platform.report.line(
        f"{dag_id} is running already ({_link(api, dag_id, run_id)}). It may not have seen the latest data: "
        "following it to its end first"
    )
    outcome = follow(api, dag_id, run_id, platform.report, platform.abort)
    if outcome.state != "success":
        platform.report.line(f"That run of {dag_id} failed")


def _link(api: AirflowApi, dag_id: str, run_id: str) -> str:
    return f"{api.address}/dags/{dag_id}/runs/{run_id}"


def run_to_end(
    platform: Platform, api: AirflowApi, dag_id: str, *, force: bool = False, note: str = "make up"
) -> None:
    """Run a DAG through Airflow and show its progress; with `force`, even if nothing has changed.

    `note` is the command that asks for it. A run that is under way is followed in place of a new one: see
    `finish_running`.

    Raises RunFailedError if it does not succeed, and AbortedError if the start is cancelled.
    """
    run_id = start_run(api, dag_id, force=force, note=note)
    platform.report.line(f"{dag_id} started in Airflow ({_link(api, dag_id, run_id)})")
    outcome = follow(api, dag_id, run_id, platform.report, platform.abort)
    if outcome.state != "success":
        why = [f"{name} ({reason})" if reason else name for name, reason in outcome.failed.items()]
        logs = platform.place.logs / "airflow" / f"dag_id={dag_id}" / f"run_id={run_id}"
        raise RunFailedError(
            f"{dag_id} failed in {', '.join(why) or 'no task (it timed out or was stopped)'}",
            f"See {logs}, fix the cause, then run `{note}` again",
            frozenset(outcome.failed),
        )


def follow(api: AirflowApi, dag_id: str, run_id: str, report: Reporter, abort: threading.Event) -> Outcome:
    """Show the tasks of a run as they change, until it ends.

    Raises AbortedError if the start is cancelled.
    """
    shown: dict[str, str] = {}
    answered = time.monotonic()
    while True:
        try:
            state, tasks = api.run_state(dag_id, run_id), api.tasks(dag_id, run_id)
            answered = time.monotonic()
        except httpx.HTTPError:
            if time.monotonic() - answered > PATIENCE_SECONDS:
                raise
            state, tasks = "unknown", []
        for task in _show(dag_id, tasks, shown, report):
            if why := _why(api, dag_id, run_id, task):
                report.plain(f"          {why}")
        if state in FINAL:
            report.status("")
            failed = [task for task in tasks if task["state"] == "failed"]
            return Outcome(state, {task["task_id"]: _why(api, dag_id, run_id, task) for task in failed})
        if abort.wait(POLL_SECONDS):
            raise AbortedError(dag_id)


def _show(
    dag_id: str, tasks: list[dict[str, Any]], shown: dict[str, str], report: Reporter
) -> list[dict[str, Any]]:
    """Show what changed; returns the tasks whose latest attempt just failed."""
    failed = []
    for task in tasks:
        name, state = str(task["task_id"]), str(task["state"])
        if state in {"running", "up_for_retry", *ENDED} and shown.get(name) != state:
            shown[name] = state
            report.line(f"{dag_id}  {name:<18} {state}{_took(task)}")
            if state in {"up_for_retry", "failed"}:
                failed.append(task)
    running = [name for name, state in shown.items() if state == "running"]
    ended = sum(state in ENDED for state in shown.values())
    if tasks:
        report.status(
            f"{dag_id}: {ended} of {len(tasks)} tasks done, running: {', '.join(running) or 'none'}"
        )
    return failed


def _why(api: AirflowApi, dag_id: str, run_id: str, task: Mapping[str, Any]) -> str:
    """The error of the task's last attempt; empty if its log has none or can't be read."""
    try:
        return api.failure(dag_id, run_id, str(task["task_id"]), int(task["try_number"]))
    except httpx.HTTPError:
        return ""


def _took(task: Mapping[str, Any]) -> str:
    if task["state"] not in ENDED or not task.get("duration"):
        return ""
    return f" in {float(task['duration']):.1f} s"
