"""The whole platform: `make up` to the first recommendation, and the daily DAG beside its functions alone.

An installation of its own with the sample, under a folder and on ports of its own; stopped at the end. How
long tasks took is what Airflow recorded of them; a daily run is timed from the request for it to its end.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import click

from benchmarks.installation import lay_out, require_own_servers
from benchmarks.report import table
from benchmarks.rows import Row, page_option, tell_rows
from benchmarks.service import WORKERS
from benchmarks.thirty_days.nights import wait
from benchmarks.thirty_days.world import write_params
from database.settings import REPOSITORY, Settings, get_settings
from operations.airflow import AirflowApi
from operations.platform import DAILY

MOST_OF_DAG, MOST_OF_UP = 1.25, 2.0
SMALL = {"gate": {"max_smoke_ms": 5000}}
"""On top of what makes a month quick: a busy machine is no reason to refuse a bundle."""
_NOTE = "benchmark"


@click.command()
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(0), help="Of the daily run.")
@click.option("--small", is_flag=True, help="Few resamples and smoke queries, for a busy machine.")
@page_option
def run(rounds: int, small: bool, page: Path | None) -> None:
    """Rows 17 and 14: `make up`, then the daily run by Airflow and by one process, in turns."""
    with tempfile.TemporaryDirectory(prefix="shortlist-") as name:
        root = Path(name)
        # PostgreSQL runs as an account of its own, so all may enter.
        root.chmod(0o755)
        workspace, environment = lay_out(root, WORKERS)
        if small:
            write_params(workspace, SMALL)
        else:
            shutil.copyfile(REPOSITORY / "params.yaml", workspace / "params.yaml")
        os.environ |= environment
        get_settings.cache_clear()
        settings = get_settings()
        require_own_servers(settings)
        settings.inbox.mkdir()
        try:
            _measure(settings, rounds, ", made small" if small else "", page)
        finally:
            _make("down")


def _measure(settings: Settings, rounds: int, size: str, page: Path | None) -> None:
    started = time.perf_counter()
    _make("up", "DETACH=1")
    up = time.perf_counter() - started
    with AirflowApi(settings) as airflow:
        airflow.sign_in()
        # Of the last 03:00, which Airflow starts late and `make up` then follows, or one of its own.
        first = airflow.first_run(DAILY)
        if first is None:
            raise RuntimeError(f"Airflow has no run of {DAILY}")
        tasks = airflow.tasks(DAILY, first)
        if unfinished := [task["task_id"] for task in tasks if task["state"] != "success"]:
            raise RuntimeError(f"the first training ended without {', '.join(unfinished)}")
        table(
            "The first training", ("task", "seconds"), [(t["task_id"], float(t["duration"])) for t in tasks]
        )
        tell_rows([up_row(up, tasks)], f"once{size}", page)
        dag: list[float] = []
        alone: list[float] = []
        for number in range(rounds):
            for in_airflow in (number % 2 == 0, number % 2 == 1):
                airflow.sign_in()  # a token does not last for all rounds
                if in_airflow:
                    dag.append(_by_airflow(airflow))
                else:
                    alone.append(_in_one_process())
    if rounds:
        table("The daily run, seconds", ("Airflow", "one process"), [*zip(dag, alone, strict=True)])
        tell_rows([dag_row(dag, alone)], f"{rounds} rounds{size}", page)


def _make(*words: str) -> None:
    _run("make", *words)


def _run(*command: str) -> None:
    """Run a command of this checkout. What interrupts this process ends the command first, in its own way."""
    with subprocess.Popen(command, cwd=REPOSITORY) as process:
        try:
            code = process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if code != 0:
        raise subprocess.CalledProcessError(code, command)


def _by_airflow(airflow: AirflowApi) -> float:
    """Seconds of a whole run, with all that the scheduler does before its first task and between tasks."""
    started = time.perf_counter()
    ended = wait(airflow, DAILY, airflow.trigger(DAILY, _NOTE, {"force": True}))
    if ended.state != "success":
        raise RuntimeError(f"{ended.in_words()}: {ended.errors}")
    return time.perf_counter() - started


def _in_one_process() -> float:
    """Seconds of the same steps by hand, one after the other, with the start of their process."""
    started = time.perf_counter()
    _run(sys.executable, "-m", "training.pipeline", "--force")
    return time.perf_counter() - started


def up_row(seconds: float, tasks: list[dict[str, Any]]) -> Row:
    """Row 17, of `make up` and the tasks that it ran."""
    trained = sum(float(task["duration"]) for task in tasks)
    return Row(
        17,
        "`make up` to the first recommendation; the sum of its training tasks",
        f"{seconds:.1f} s",
        f"{trained:.1f} s",
        f"{seconds / trained:.2f}",
        f"≤ {MOST_OF_UP:g}",
        seconds <= MOST_OF_UP * trained,
    )


def dag_row(dag: list[float], alone: list[float]) -> Row:
    """Row 14, of rounds of both."""
    ours, theirs = median(dag), median(alone)
    return Row(
        14,
        "the daily DAG; the same functions in one process",
        f"{ours:.1f} s (worst {max(dag):.1f})",
        f"{theirs:.1f} s (worst {max(alone):.1f})",
        f"{ours / theirs:.2f}",
        f"≤ {MOST_OF_DAG:g}",
        ours <= MOST_OF_DAG * theirs,
    )
