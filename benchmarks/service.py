"""The service under BentoML against its own app under bare uvicorn and against raw ASGI, two workers each.

All three run side by side and are asked in turns. Raw ASGI answers with as many bytes as a home page has.

The load generator is on the same machine and asks over loopback: what it costs is in every figure alike.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import quote_plus

import click
import psutil

from benchmarks.load import LoadResult, Request, drive
from benchmarks.raw import SIZE
from benchmarks.report import table
from benchmarks.rows import Row, page_option, tell_rows
from benchmarks.shop import ITEM, SEARCHES, prepare_shop
from database.settings import REPOSITORY

WORKERS = 2
CONNECTIONS = 8
SECONDS = 2
ROUNDS = 9
_READY_SECONDS = 600
_STOP_SECONDS = 60


@dataclass(frozen=True)
class Target:
    """A row of the table: one server's requests a second over another's, of one kind of request."""

    number: int
    what: str
    kind: str
    ours: str
    reference: str
    least: float


TARGETS = (
    Target(3, "home of a known user, and as many constant bytes", "home", "BentoML", "raw ASGI", 0.4),
    *(
        Target(4, f"{kind}: the service, and its app alone", kind, "BentoML", "app", 0.95)
        for kind in ("home", "search", "als", "product", "mixed")
    ),
)


@click.command()
@click.option(
    "--rounds", default=ROUNDS, show_default=True, type=click.IntRange(1), help="Each side, in turns."
)
@click.option("--seconds", default=SECONDS, show_default=True, help="Of each kind of request, each round.")
@page_option
def run(rounds: int, seconds: int, page: Path | None) -> None:
    """Serve the sample with freshly fitted models three ways, and print rates, times and ratios."""
    bento = ("-m", "bentoml", "serve", "serving.service:Shortlist", "--host", "127.0.0.1")
    bare = (
        *("-m", "uvicorn", "--workers", str(WORKERS), "--no-access-log", "--log-level", "warning"),
        # It ends workers that do not answer it for five seconds, as while they start on a busy machine.
        *("--timeout-worker-healthcheck", str(_READY_SECONDS)),
    )
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="shortlist-")))
        environment, users = stack.enter_context(prepare_shop(folder))
        asked = _requests(users)

        def start(name: str, command: tuple[str, ...], more: Mapping[str, str]) -> int:
            own = folder / name.replace(" ", "-")
            own.mkdir()
            return stack.enter_context(served(command, {**environment, **more}, own))[0]

        ports = {"BentoML": start("BentoML", bento, {})}
        size = _size_of(ports["BentoML"], asked["home"][0])
        ports["app"] = start("app", (*bare, "serving.service:app"), {})
        ports["raw ASGI"] = start("raw ASGI", (*bare, "benchmarks.raw:app"), {SIZE: str(size)})
        for port in ports.values():
            drive(port, asked["mixed"], seconds, CONNECTIONS)
        found: dict[str, dict[str, list[LoadResult]]] = {kind: {name: [] for name in ports} for kind in asked}
        for number in range(rounds):
            for kind, requests in asked.items():
                # One after the other, and who begins changes: what else the machine does falls on all alike.
                for name in sorted(ports, reverse=number % 2 == 1):
                    found[kind][name].append(drive(ports[name], requests, seconds, CONNECTIONS))
    _tell(found, rounds)
    tell_rows(_compared(found), f"{rounds} rounds of {seconds} s", page)


def _requests(users: list[str]) -> dict[str, list[Request]]:
    homes = [Request("GET", f"/recommendations/home?user_id={quote_plus(user_id)}") for user_id in users]
    searches = [
        Request("GET", f"/recommendations/search?response_limit=20&query={quote_plus(text)}")
        for text in SEARCHES
    ]
    als = [Request("POST", "/matrix_factor/user", json.dumps({"user_id": user, "n": 10})) for user in users]
    likes = [Request("GET", f"/recommendations/product/{ITEM}")]
    mixed = [each for part in zip(homes, als, strict=True) for each in (*part, likes[0], searches[0])]
    return {"home": homes, "search": searches, "als": als, "product": likes, "mixed": mixed}


def _size_of(port: int, request: Request) -> int:
    """How many bytes the body of an answer has. Raises HTTPError for an answer that is an error."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{request.path}", timeout=60) as answer:
        return len(answer.read())


def _tell(found: Mapping[str, Mapping[str, Sequence[LoadResult]]], rounds: int) -> None:
    rows: list[tuple[object, ...]] = []
    for kind, servers in found.items():
        for name, results in servers.items():
            rates = [one.rate for one in results]
            p50, p95 = median(one.p50_ms for one in results), median(one.p95_ms for one in results)
            failed = sum(one.failed for one in results)
            rows.append((kind, name, median(rates), min(rates), p50, p95, failed))
    columns = ("requests", "server", "req/s", "worst", "p50 ms", "p95 ms", "failed")
    table(
        f"{WORKERS} workers, {CONNECTIONS} connections in a closed loop, medians of {rounds}", columns, rows
    )


def _compared(found: Mapping[str, Mapping[str, Sequence[LoadResult]]]) -> list[Row]:
    rows = []
    for each in TARGETS:
        sides = [[one.rate for one in found[each.kind][name]] for name in (each.ours, each.reference)]
        ours, reference = (f"{median(rates):,.0f}/s (worst {min(rates):,.0f})" for rates in sides)
        ratio = median(sides[0]) / median(sides[1])
        target = f"≥ {each.least:g}"
        rows.append(Row(each.number, each.what, ours, reference, f"{ratio:.3f}", target, ratio >= each.least))
    return rows


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
