"""An installation of its own for the month: the platform as `make up` starts it, under a folder."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from benchmarks.installation import lay_out, require_own_servers
from benchmarks.thirty_days.alerts import Alerts, listen
from database.settings import REPOSITORY, Settings, get_settings
from operations.airflow import AirflowApi
from operations.environment import layout
from operations.processes import GONE
from operations.supervisor import Supervisor

SMALL: dict[str, dict[str, Any]] = {
    "evaluation": {"bootstrap_samples": 200},
    "gate": {"smoke_queries": 20},
}
"""Params of the month that differ from the checkout's, for speed."""

_QUICK = {"AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1"}
"""Look for work ten times a second, not once."""


@dataclass
class World:
    """The running installation."""

    root: Path
    settings: Settings
    airflow: AirflowApi
    supervisor: Supervisor
    alerts: Alerts

    @property
    def address(self) -> str:
        """Of the service."""
        return f"http://127.0.0.1:{self.settings.service_port}"

    def write_params(self, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """params.yaml of the installation: the checkout's made small, with `changes` by section."""
        write_params(self.settings.workspace, changes)

    def workers(self) -> list[psutil.Process]:
        """The service's workers: the processes that have loaded the models."""
        (server,) = self.supervisor.process_ids("service")
        children = psutil.Process(server).children(recursive=True)
        return [child for child in children if _is_worker(child)]

    def signal(self, process: str, sign: signal.Signals) -> None:
        """Send a signal to one of circus.ini's processes and to all below it."""
        for pid in self.supervisor.process_ids(process):
            parent = psutil.Process(pid)
            for each in (parent, *parent.children(recursive=True)):
                each.send_signal(sign)


def write_params(workspace: Path, changes: Mapping[str, Mapping[str, Any]]) -> None:
    """Write a workspace's params.yaml: the checkout's, made small, with `changes` by section."""
    content = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    for sections in (SMALL, changes):
        for section, values in sections.items():
            content[section] |= values
    (workspace / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))


@contextmanager
def open_world(root: Path, workers: int, *, keep: bool) -> Iterator[World]:
    """Start everything under `root`, an empty folder; stop everything at the end, unless it is to be kept."""
    workspace, environment = lay_out(root, workers)
    write_params(workspace, {})
    with ExitStack() as stack:
        alerts = stack.enter_context(listen())
        os.environ |= environment | _QUICK | {"SHORTLIST_WEBHOOK_URL": alerts.address}
        get_settings.cache_clear()
        settings = get_settings()
        require_own_servers(settings)
        settings.inbox.mkdir()
        if not keep:
            stack.callback(_operations, "down")
        _operations("up", "--detach", "--no-sample")
        airflow = stack.enter_context(AirflowApi(settings))
        airflow.sign_in()
        yield World(root, settings, airflow, Supervisor(layout(settings)), alerts)


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "_bentoml_impl.worker.service" in process.cmdline()
    except GONE:
        return False


def _operations(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "operations", *words], cwd=REPOSITORY, check=True)
