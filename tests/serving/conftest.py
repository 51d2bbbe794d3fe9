"""The service as a process of its own (BentoML on a free port, two workers), and workers within the test."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from database.settings import REPOSITORY
from tests.ports import free_ports
from tests.serving.worker import clock, deploy, open_plane, plane, pool, shop, small_params

__all__ = ["clock", "deploy", "open_plane", "plane", "pool", "run_service", "shop", "small_params"]

READY_SECONDS = 180
SERVE = [str(Path(sys.executable).with_name("bentoml")), "serve", "serving.service:Shortlist"]


@dataclass(frozen=True)
class Running:
    """The service, ready."""

    address: str
    process: subprocess.Popen[bytes]


RunService = Callable[[Mapping[str, str]], AbstractContextManager[Running]]


@pytest.fixture
def run_service(tmp_path: Path) -> RunService:
    """`with run_service(variables) as running`: two workers, with these variables set."""

    @contextmanager
    def run(variables: Mapping[str, str]) -> Iterator[Running]:
        (port,) = free_ports(1)
        environment = os.environ | {
            "SHORTLIST_SERVICE_PORT": str(port),
            "SHORTLIST_SERVICE_WORKERS": "2",
            "BENTOML_DO_NOT_TRACK": "True",
            "OMP_NUM_THREADS": "1",
            **variables,
        }
        log = tmp_path / "service.log"
        with log.open("w") as out:
            process = subprocess.Popen(
                [*SERVE, "--host", "127.0.0.1", "--port", str(port)],
                cwd=REPOSITORY,
                env=environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait(address, process, log)
            yield Running(address, process)
        finally:
            _stop(process)
            sys.stdout.write(log.read_text()[-20_000:])  # pytest shows it where the test failed

    return run


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up = time.monotonic() + READY_SECONDS
    while time.monotonic() < give_up and process.poll() is None:
        try:
            if httpx.get(f"{address}/readyz", timeout=30).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    pytest.fail(f"the service did not become ready:\n{log.read_text()[-4000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
