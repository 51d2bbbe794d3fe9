"""The service under BentoML against its own app under bare uvicorn and against raw ASGI, two workers each.

The load generator is on the same machine and asks over loopback: what it costs is in every figure alike.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from benchmarks.load import LoadResult, drive, get, post
from benchmarks.report import table
from benchmarks.shop import ITEM, prepare_shop
from database.settings import REPOSITORY

WORKERS = 2
CONNECTIONS = 8
SECONDS = 3.0
REQUIRED_RATE = 10_000 / 60
"""Requests a second that the shop API's specification asks for."""
_READY_SECONDS = 180
_STOP_SECONDS = 60


def run() -> None:
    """Serve the sample with freshly fitted models three ways, and print rates, times and ratios."""
    bento = ("-m", "bentoml", "serve", "serving.service:Shortlist", "--host", "127.0.0.1")
    bare = ("-m", "uvicorn", "--workers", str(WORKERS), "--no-access-log", "--log-level", "warning")
    commands = {
        "BentoML": bento,
        "app": (*bare, "serving.service:app"),
        "raw ASGI": (*bare, "benchmarks.raw:app"),
    }
    found = {}
    with (
        tempfile.TemporaryDirectory(prefix="shortlist-") as folder,
        prepare_shop(Path(folder)) as (environment, users),
    ):
        asked = _requests(users)
        for name, command in commands.items():
            with served(command, environment, Path(folder)) as (port, _):
                found[name] = _measure(port, asked)
    _tell(found)


def _requests(users: list[str]) -> dict[str, list[bytes]]:
    homes = [get(f"/recommendations/home?user_id={user_id}") for user_id in users]
    words = ("red mug", "tea towel", "christmas lights", "something to keep tea warm", "paper chain kit")
    searches = [
        get(f"/recommendations/search?response_limit=20&query={text.replace(' ', '+')}") for text in words
    ]
    als = [post("/matrix_factor/user", b'{"user_id": "%s", "n": 10}' % user.encode()) for user in users]
    likes = [get(f"/recommendations/product/{ITEM}")]
    mixed = [each for part in zip(homes, als, strict=True) for each in (*part, likes[0], searches[0])]
    return {"home": homes, "search": searches, "als": als, "product": likes, "mixed": mixed}


def _measure(port: int, asked: Mapping[str, list[bytes]]) -> dict[str, LoadResult]:
    measured = {}
    asyncio.run(drive(port, asked["mixed"], 2.0, CONNECTIONS))
    for name, requests in asked.items():
        measured[name] = asyncio.run(drive(port, requests, SECONDS, CONNECTIONS))
    paced = drive(port, asked["mixed"], 2 * SECONDS, 4 * CONNECTIONS, REQUIRED_RATE)
    measured["mixed, 10,000 a minute"] = asyncio.run(paced)
    return measured


def _tell(found: Mapping[str, Mapping[str, LoadResult]]) -> None:
    rows: list[tuple[object, ...]] = []
    for endpoint in found["BentoML"]:
        for name, measured in found.items():
            one = measured[endpoint]
            ratio = found["raw ASGI"][endpoint].rate / one.rate
            rows.append((endpoint, name, one.rate, ratio, one.p50_ms, one.p95_ms, one.failed))
    columns = ("endpoint", "server", "req/s", "raw ASGI / it", "p50 ms", "p95 ms", "failed")
    table(f"{WORKERS} workers, {CONNECTIONS} connections in a closed loop", columns, rows)


@contextmanager
def served(
    command: tuple[str, ...], environment: Mapping[str, str], folder: Path
) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A server on a free port, and its process: ready when the block begins and ended when it ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, *command, "--port", str(port)],
            cwd=REPOSITORY,
            env=os.environ | environment | {"SHORTLIST_SERVICE_PORT": str(port)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait(port, process, folder / "server.log")
        yield port, process
    finally:
        _stop(process)


def unwind_on_sigterm() -> None:
    """Let SIGTERM end this process as Ctrl-C does: what it started is stopped on the way out."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a server, with its workers if it does not end them itself."""
    workers = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        for each in (*workers, process):
            with suppress(psutil.NoSuchProcess):
                each.kill()
        process.wait()


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up = time.monotonic() + _READY_SECONDS
    while time.monotonic() < give_up and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise RuntimeError(f"the server did not start:\n{log.read_text()[-2000:]}")
