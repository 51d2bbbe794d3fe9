"""The mixed load: 10,000 requests a minute, with trending and a bundle swap within, and as fast as it goes.

60 % home pages, 15 % a product's list, 10 % searches, 10 % clicks, 5 % ALS lists; two workers, the generator
on the same machine: Locust where each request has its moment, wrk, which takes less of the machine, where all
is asked that can be answered. What fails counts as an error, and so does what is due and never answered.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from urllib.parse import quote_plus

import click
import psutil
import psycopg2

from benchmarks import load
from benchmarks.mixed.disk import DiskWaits
from benchmarks.mixed.generator import SHOPPERS, install
from benchmarks.mixed.memory import WorkerMemory
from benchmarks.report import table
from benchmarks.rows import Row, page_option, tell_rows
from benchmarks.service import WORKERS, served
from benchmarks.shop import SEARCHES, USERS, prepare_shop
from database import deployments
from database.connection import libpq_url
from database.settings import REPOSITORY, Settings
from training.models.bundle import read_manifest, write_manifest
from training.release.bundle import StoredBundle, store_bundle

A_MINUTE = 10_000
"""Requests that the shop API's specification asks for."""
REQUIRED_P95_MS = 150.0
LIMITS_MS = (10.0, 25.0, 150.0)
"""Of P95, P99 and the worst."""
FULL_A_MINUTE, FULL_P95_MS = 120_000, 100.0
MIX = {"home": 12, "product": 3, "search": 2, "click": 2, "als": 1}
"""Of twenty requests."""
WAITING, FULL_CONNECTIONS = 100, 16
_WARM_SECONDS = 5
_TRENDING = "from training.pipeline.trending import refresh_trending; refresh_trending()"

Request = tuple[str, str, str, str | None]
"""Kind, method, path, body."""


@dataclass(frozen=True)
class Asked:
    """The answers of one load."""

    times: list[float]
    """Of all requests, in seconds, sorted."""
    kinds: dict[str, list[float]]
    errors: Mapping[tuple[str, str], int]
    """Of each kind of request and what came of it."""
    slow: Mapping[int, list[float]]
    """Of each second in which requests were asked that took longer than any may: their times, in seconds."""

    @property
    def failed(self) -> int:
        """Requests that were answered with an error, or not at all."""
        return sum(self.errors.values())

    def ms(self, share: float) -> float:
        """A percentile of all times."""
        return percentile_ms(self.times, share)


def percentile_ms(times: Sequence[float], share: float) -> float:
    """A percentile of sorted seconds, in milliseconds."""
    return 1000 * times[round(share * (len(times) - 1))]


@click.command()
@click.option("--seconds", default=300.0, show_default=True, help="At so many a minute.")
@click.option("--a-minute", default=A_MINUTE, show_default=True, help="Another rate is no row of the table.")
@click.option("--memory", is_flag=True, help="Look at the workers' memory: it stops each for up to 16 ms.")
@click.option("--users", default=USERS, show_default=True, type=click.IntRange(1), help="Who ask.")
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1), help="As fast as it goes.")
@click.option(
    "--full-seconds", default=10, show_default=True, type=click.IntRange(1), help="Of each of these rounds."
)
@page_option
def run(
    *,
    seconds: float,
    a_minute: int,
    users: int,
    memory: bool,
    rounds: int,
    full_seconds: int,
    page: Path | None,
) -> None:
    """The mixed load on the sample: rows 1 and 2."""
    command = ("-m", "bentoml", "serve", "serving.service:Shortlist", "--host", "127.0.0.1")
    with tempfile.TemporaryDirectory(prefix="shortlist-") as name:
        folder = Path(name)
        python = install(folder)
        with prepare_shop(folder, users) as (environment, asking):
            dsn = libpq_url(environment["DATABASE_URL"])
            items, second = _popular_items(dsn), _same_again(folder)
            mixed, requests = mix(asking, items), folder / "requests.json"
            requests.write_text(json.dumps(mixed))
            variables = {**environment, "SHORTLIST_SERVICE_WORKERS": str(WORKERS)}
            with served(command, variables, folder) as (port, process):
                asked = [load.Request(method, path, body) for _, method, path, body in mixed]
                drive_full = partial(load.drive, port, asked, connections=FULL_CONNECTIONS)
                drive_full(seconds=_WARM_SECONDS)
                _settle(dsn, folder)
                within = (lambda: _refresh_trending(variables), lambda: _activate(dsn, second))
                workers, disk = WorkerMemory(psutil.Process(process.pid)), DiskWaits(folder)
                with workers.watched() if memory else nullcontext(), disk.watched():
                    paced = _ask(python, port, requests, seconds=seconds, rate=a_minute / 60, within=within)
                _require_bundle(port, second)
                full = [drive_full(seconds=full_seconds) for _ in range(rounds)]
    _tell_kinds(f"At {a_minute:,} a minute", paced)
    if memory:
        workers.tell()
    if a_minute == A_MINUTE:
        tell_rows([_paced_row(paced, disk)], f"{seconds:.0f} s", page)
    tell_rows([_full_row(full)], f"{rounds} rounds of {full_seconds} s", page)


def mix(users: Sequence[str], items: Sequence[str], seed: int = 0) -> list[Request]:
    """Twenty requests of each user, in the shares of MIX, in a drawn order."""
    draw = random.Random(seed)
    made = [_request(kind, user, draw) for user in users for kind, times in MIX.items() for _ in range(times)]
    filled = [
        (kind, method, path.replace("{item}", item), body and body.replace("{item}", item))
        for (kind, method, path, body), item in zip(made, draw.choices(items, k=len(made)), strict=True)
    ]
    draw.shuffle(filled)
    return filled


def _request(kind: str, user: str, draw: random.Random) -> Request:
    if kind == "home":
        return kind, "GET", f"/recommendations/home?user_id={quote_plus(user)}", None
    if kind == "product":
        return kind, "GET", "/recommendations/product/{item}", None
    if kind == "search":
        query = quote_plus(draw.choice(SEARCHES))
        return kind, "GET", f"/recommendations/search?response_limit=20&query={query}", None
    if kind == "click":
        body = {"user_id": user, "event_type": "product_click", "product_id": "{item}"}
        return kind, "POST", "/api/v1/interactions/interactions", json.dumps(body)
    return kind, "POST", "/matrix_factor/user", json.dumps({"user_id": user, "n": 10})


def _same_again(folder: Path) -> StoredBundle:
    """The shop's bundle under another id, to swap to: to load it is as much work as to load any."""
    first = read_manifest(folder / "bundle")
    write_manifest(
        folder / "bundle",
        watermark=first.watermark,
        snapshot_hash=first.snapshot_hash,
        params=first.params,
        git_commit=first.git_commit,
        models=first.models,
        created_at=datetime.fromisoformat(first.created_at) + timedelta(seconds=1),
    )
    return store_bundle(Settings(home=folder / "home"), folder / "bundle", {})


def _popular_items(dsn: str) -> list[str]:
    """Items to ask about."""
    with psycopg2.connect(dsn) as conn, conn.cursor() as cursor:
        cursor.execute(
            """select item_id from interactions join items using (item_id)
            where title is not null and deleted_at is null group by item_id
            order by count(*) desc, item_id limit 500"""
        )
        items = [str(row[0]) for row in cursor.fetchall()]
    conn.close()
    return items


def _settle(dsn: str, folder: Path) -> None:
    """Have on disk what was written to make the shop, and the disk at rest: clicks would wait for it."""
    conn = psycopg2.connect(dsn)
    conn.autocommit = True
    with conn.cursor() as cursor:
        cursor.execute("checkpoint")
    conn.close()
    os.sync()
    if not DiskWaits(folder).await_calm():
        click.echo("the disk has not come to rest: what clicks wait for it is in the figures")


def _activate(dsn: str, bundle: StoredBundle) -> None:
    with psycopg2.connect(dsn) as conn:
        deployments.activate(conn, bundle.bundle_id, bundle.tag, bundle.manifest, "benchmark")
    conn.close()


def _refresh_trending(environment: dict[str, str]) -> None:
    """In a process of its own that gives way to others, as Airflow does it (circus.ini)."""
    command = ["nice", "-n", "5", sys.executable, "-c", _TRENDING]
    subprocess.run(command, cwd=REPOSITORY, env=os.environ | environment, check=True)


def _ask(
    python: Path,
    port: int,
    requests: Path,
    *,
    seconds: float,
    rate: float,
    within: Sequence[Callable[[], None]],
) -> Asked:
    """Let Locust ask; what is to happen within is spread evenly over the time."""
    command = [str(python), str(SHOPPERS), f"http://127.0.0.1:{port}"]
    command += ["--requests", str(requests), "--seconds", str(seconds)]
    command += ["--rate", str(rate), "--users", str(WAITING)]
    failures: list[BaseException] = []

    def happen() -> None:
        try:
            for each in within:
                time.sleep(seconds / (len(within) + 1))
                each()
        except Exception as error:  # noqa: BLE001, told by the thread that waits
            failures.append(error)

    thread = threading.Thread(target=happen, daemon=True)
    thread.start()
    said = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, check=True).stdout
    thread.join()
    if failures:
        raise failures[0]
    return read(json.loads(said), seconds, round(seconds * rate))


def read(found: Sequence[tuple[str, float, int, float]], seconds: float, due: int) -> Asked:
    """The answers as Locust's process tells them; those that were due and are missing are errors.

    Raises RuntimeError where there are none.
    """
    if not found:
        raise RuntimeError("nothing was answered")
    kinds: dict[str, list[float]] = {}
    slow: dict[int, list[float]] = {}
    for kind, took, _, asked in found:
        kinds.setdefault(kind, []).append(took)
        if 1000 * took > LIMITS_MS[-1]:
            slow.setdefault(int(asked), []).append(took)
    wrong = Counter((kind, _in_words(status)) for kind, _, status, _ in found if not 200 <= status < 400)
    missing = max(due - len(found), 0)
    if missing:
        wrong["any", "not answered"] = missing
    times = sorted([took for _, took, _, _ in found] + [seconds] * missing)
    return Asked(times, {kind: sorted(each) for kind, each in kinds.items()}, wrong, slow)


def _in_words(status: int) -> str:
    return str(status) if status else "connection broken"  # Locust's 0


def _require_bundle(port: int, bundle: StoredBundle) -> None:
    """Raises RuntimeError where the swap did not take place."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=30) as answer:
        if answer.headers["X-Bundle"] != bundle.bundle_id:
            raise RuntimeError(f"bundle {bundle.bundle_id} was not swapped in")


def _tell_kinds(name: str, asked: Asked) -> None:
    rows = [
        (kind, len(times), *(percentile_ms(times, share) for share in (0.5, 0.95, 0.99, 1.0)))
        for kind, times in sorted(asked.kinds.items())
    ]
    table(name, ("kind", "requests", "p50 ms", "p95 ms", "p99 ms", "worst ms"), rows)
    if asked.slow:
        slow = [(moment, len(times), 1000 * max(times)) for moment, times in sorted(asked.slow.items())]
        table(f"{name}, above {LIMITS_MS[-1]:.0f} ms", ("second", "requests", "worst ms"), slow)
    if asked.errors:
        wrong = [(*key, times) for key, times in sorted(asked.errors.items())]
        table(f"{name}, errors", ("kind", "answer", "times"), wrong)


def _paced_row(asked: Asked, disk: DiskWaits) -> Row:
    """A click is answered when it is on disk: what that takes without the service stands beside the worst."""
    found = (asked.ms(0.95), asked.ms(0.99), asked.ms(1.0))
    reached = asked.failed == 0 and all(time <= limit for time, limit in zip(found, LIMITS_MS, strict=True))
    said = ", ".join(f"{time:.1f}" for time in found)
    lists = 1000 * max(max(times) for kind, times in asked.kinds.items() if kind != "click")
    limits = ", ".join(f"{limit:.0f}" for limit in LIMITS_MS)
    return Row(
        1,
        "mixed load at 10,000 a minute, trending and a bundle swap within",
        f"P95, P99, worst {said} ms (worst list {lists:.1f}, to sync 8 KB {disk.worst_ms:.1f});"
        f" {asked.failed} errors of {len(asked.times):,}",
        f"P95 {REQUIRED_P95_MS:.0f} ms (specification)",
        f"{found[0] / REQUIRED_P95_MS:.3f}",
        f"≤ {limits} ms, no errors",
        reached,
    )


def _full_row(rounds: Sequence[load.LoadResult]) -> Row:
    rates = [60 * (each.requests - each.failed) / each.seconds for each in rounds]
    p95 = median(each.p95_ms for each in rounds)
    errors = sum(each.failed for each in rounds)
    return Row(
        2,
        "the same mix as fast as it goes",
        f"{median(rates):,.0f} a minute (worst round {min(rates):,.0f}) at P95 {p95:.0f} ms; {errors} errors",
        f"{A_MINUTE:,} a minute",
        f"{median(rates) / A_MINUTE:.1f}",
        f"≥ {FULL_A_MINUTE:,} at P95 ≤ {FULL_P95_MS:.0f} ms",
        median(rates) >= FULL_A_MINUTE and p95 <= FULL_P95_MS and errors == 0,
    )
