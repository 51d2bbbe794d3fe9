"""A Python environment with what a model asks for and no checkout, where registered versions answer."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

LOAD = """
import json, sys
import mlflow, pandas
asked = pandas.DataFrame({"history": [["i02", "i04"], ["nobody knows it"], []]})
found = {uri: mlflow.pyfunc.load_model(uri).predict(asked, params={"k": 3}) for uri in sys.argv[1:]}
print(json.dumps(found))
"""


def installed(requirements: str, folder: Path, tracking_uri: str) -> tuple[Path, dict[str, str]]:
    """Its Python, and the variables of a process there."""
    uv = Path(sys.executable).with_name("uv")
    python = folder / "bin" / "python"
    for command in (
        [uv, "venv", "-q", "--python", sys.executable, folder],
        [uv, "pip", "install", "-q", "--python", python, "-r", requirements],
    ):
        subprocess.run(list(map(str, command)), check=True, timeout=600)
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": tracking_uri,
        "VIRTUAL_ENV": str(folder),
        "PATH": f"{python.parent}:{os.environ['PATH']}",
    }
    environment.pop("PYTHONPATH", None)
    return python, environment


def predictions(uris: Sequence[str], python: Path, environment: Mapping[str, str], folder: Path) -> Any:
    """What each version answers to `LOAD`'s histories, by its address."""
    answer = subprocess.run(
        [str(python), "-c", LOAD, *uris],
        cwd=folder,
        env=environment,
        check=True,
        timeout=300,
        capture_output=True,
        text=True,
    )
    return json.loads(answer.stdout.splitlines()[-1])


@contextmanager
def serving_of(uri: str, python: Path, environment: dict[str, str], folder: Path) -> Iterator[str]:
    """Address of `mlflow models serve`, once it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["models", "serve", "-m", uri, "--env-manager", "local", "--port", str(port), "--workers", "1"]
    log = (folder / "serve.log").open("w")
    with (
        log,
        subprocess.Popen(
            [str(python), "-m", "mlflow", *words],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        ) as server,
    ):
        try:
            url, until = f"http://127.0.0.1:{port}", time.monotonic() + 180
            while time.monotonic() < until and server.poll() is None:
                try:
                    if httpx.get(f"{url}/ping", timeout=5).status_code == 200:
                        break
                except httpx.TransportError:
                    time.sleep(0.5)
            else:
                raise AssertionError((folder / "serve.log").read_text())
            yield url
        finally:
            os.killpg(server.pid, signal.SIGTERM)
