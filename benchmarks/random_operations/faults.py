"""What goes wrong: workers die; the database hangs, is slow or locked; months are added beside a reader."""

import asyncio
import signal
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import psutil
import psycopg2

from benchmarks.random_operations.seen import Phase
from benchmarks.random_operations.shop import Shop
from database.partitions import INTERACTIONS, ensure_partitions

WORKERS = 2
READY = "serving.plane: ready"
"""What a worker logs when it is."""
WORKER = "_bentoml_impl.worker.service"
"""The module that BentoML runs for each; the embedding model's process is none."""
LOADING_SECONDS = 300.0
"""How long a worker may take until then, on a machine that is busy with other things."""


async def kill_worker(shop: Shop) -> None:
    """kill -9 of one of the two workers, if both are ready: the other has to answer meanwhile."""
    if len(workers := _ready_workers(shop)) == WORKERS:
        with shop.seen.during(Phase.DEAD):
            _kill(shop, [shop.random.choice(workers)])


async def kill_both_workers(shop: Shop) -> None:
    """kill -9 of both: the next answer comes when one has loaded again."""
    if len(workers := _ready_workers(shop)) == WORKERS:
        with shop.seen.during(Phase.NO_WORKER):
            ready = _times_ready(shop)
            _kill(shop, workers)
            give_up = time.monotonic() + LOADING_SECONDS
            while _times_ready(shop) == ready and time.monotonic() < give_up:
                await asyncio.sleep(0.5)


async def stop_database(shop: Shop) -> None:
    """SIGSTOP of PostgreSQL's processes for some seconds."""
    with shop.seen.during(Phase.SILENT):
        try:
            _signal(shop.postgres, signal.SIGSTOP)
            await asyncio.sleep(shop.random.uniform(1, 8))
        finally:
            _signal(shop.postgres, signal.SIGCONT)


async def slow_database(shop: Shop) -> None:
    """PostgreSQL's processes run a fifth of the time for some seconds, in pieces."""
    ends = time.monotonic() + shop.random.uniform(3, 10)
    with shop.seen.during(Phase.SLOW):
        while time.monotonic() < ends:
            try:
                _signal(shop.postgres, signal.SIGSTOP)
                await asyncio.sleep(0.2)
            finally:
                _signal(shop.postgres, signal.SIGCONT)
            await asyncio.sleep(0.05)


async def hold_lock(shop: Shop) -> None:
    """A transaction that holds the row of the catalogue's number, as a long ingestion would."""
    with shop.seen.during(Phase.LOCKED):
        async with shop.pool.acquire() as conn, conn.transaction():
            await conn.execute("select * from change_state for update")
            await asyncio.sleep(shop.random.uniform(1, 4))


async def partition(shop: Shop) -> None:
    """New months beside a reader that keeps its transaction open."""
    start = datetime.now(UTC) + timedelta(days=31 * (2 + next(shop.numbers) % 40))

    def make() -> None:
        with psycopg2.connect(shop.dsn) as conn, suppress(psycopg2.errors.LockNotAvailable):
            ensure_partitions(conn, INTERACTIONS, start, start + timedelta(days=40))
        conn.close()

    with shop.seen.during(Phase.PARTITION):
        async with shop.pool.acquire() as conn, conn.transaction():
            await conn.fetchval("select count(*) from interactions")
            await asyncio.to_thread(make)
            await asyncio.sleep(shop.random.uniform(0.5, 3))


def _ready_workers(shop: Shop) -> list[psutil.Process]:
    """The workers, if every one that was ever started is ready or was killed."""
    children = psutil.Process(shop.server.pid).children()
    workers = [child for child in children if WORKER in child.cmdline()]
    return workers if _times_ready(shop) == WORKERS + shop.killed else []


def _times_ready(shop: Shop) -> int:
    return (shop.folder / "server.log").read_text().count(READY)


def _kill(shop: Shop, workers: list[psutil.Process]) -> None:
    for worker in workers:
        shop.killed += 1
        shop.seen.operations["killed"] += 1
        worker.kill()


def _signal(postgres: int, number: signal.Signals) -> None:
    server = psutil.Process(postgres)
    for process in [server, *server.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
