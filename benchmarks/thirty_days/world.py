"""An installation of its own for the month: database, checkout, MLflow, store, the service as a process."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from database.connection import database_url, embedded_url
from database.embedded import EmbeddedServer
from database.schema import migrate
from database.settings import REPOSITORY, Settings, get_settings

SMALL: dict[str, dict[str, Any]] = {
    "als": {"factors": 32, "iterations": 8},
    "nmf": {"factors": 16, "iterations": 10},
    "evaluation": {"bootstrap_samples": 200},
    "gate": {"smoke_queries": 20},
}
"""Params of the month that differ from the checkout's, for speed."""

_TRACKED = ("training", "data_checks", "database")
_SERVICE_SECONDS = 180.0
_STOP_SECONDS = 30.0


@dataclass
class World:
    """The running installation."""

    root: Path
    settings: Settings
    address: str

    def write_params(self, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """params.yaml of the checkout, made small, with `changes` by section."""
        content = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
        for sections in (SMALL, changes):
            for section, values in sections.items():
                content[section] |= values
        (self.settings.workspace / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))


@contextmanager
def open_world(root: Path, workers: int) -> Iterator[World]:
    """Start everything under `root`, an empty folder; stop everything at the end."""
    workspace = root / "checkout"
    for name in _TRACKED:
        ignored = shutil.ignore_patterns("__pycache__", "*.parquet")
        shutil.copytree(REPOSITORY / name, workspace / name, ignore=ignored)
    for name in ("params.yaml", "dvc.yaml", ".dvc/config"):
        (workspace / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(REPOSITORY / name, workspace / name)
    port = _free_port()
    os.environ |= {
        "DATABASE_URL": embedded_url(root / "postgres", "shortlist"),
        "SHORTLIST_WORKSPACE": str(workspace),
        "SHORTLIST_HOME": str(root / "home"),
        "SHORTLIST_INBOX": str(root / "inbox"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{root / 'mlflow.db'}",
        "BENTOML_HOME": str(root / "home" / "bentoml"),
        "SHORTLIST_SERVICE_PORT": str(port),
        "SHORTLIST_SERVICE_WORKERS": str(workers),
        "HF_HUB_OFFLINE": "1",
    }
    os.chdir(root)
    get_settings.cache_clear()
    settings = get_settings()
    settings.inbox.mkdir()
    with ExitStack() as stack:
        stack.enter_context(EmbeddedServer(root / "postgres"))
        migrate(database_url(settings))
        world = World(root, settings, f"http://127.0.0.1:{port}")
        world.write_params({})
        stack.enter_context(_service(world, workers))
        yield world


@contextmanager
def _service(world: World, workers: int) -> Iterator[None]:
    command = [sys.executable, "-m", "bentoml", "serve", "serving.service:Shortlist", "--host", "127.0.0.1"]
    command += ["--port", str(world.settings.service_port), "--api-workers", str(workers)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "BENTOML_DO_NOT_TRACK": "True"}
    with (world.root / "service.log").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait(f"{world.address}/status", process)
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + _SERVICE_SECONDS
    while time.monotonic() < give_up:
        if process.poll() is not None:
            raise RuntimeError(f"the service ended with {process.returncode}; see service.log")
        try:
            if httpx.get(url, timeout=5).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise TimeoutError(f"{url} did not answer within {_SERVICE_SECONDS:.0f} s")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
