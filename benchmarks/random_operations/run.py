"""The whole run: a shop, its service, readers, and one operation after another."""

import asyncio
import os
import random
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import asyncpg
import httpx
import psutil

from benchmarks.random_operations.learning import activate
from benchmarks.random_operations.operations import OPERATIONS
from benchmarks.random_operations.readers import read
from benchmarks.random_operations.report import tell, tell_errors
from benchmarks.random_operations.seen import Seen
from benchmarks.random_operations.shop import CONTENTS, Shop
from benchmarks.service import served
from benchmarks.shop import RandomVectors, make_bundle, service_environment
from benchmarks.temporary_database import temporary_database
from database.connection import libpq_url
from database.embeddings import index_items
from training.params import load_params
from training.release.bundle import StoredBundle

READERS = 4
PAUSE_SECONDS = (0.2, 2.0)


def run(minutes: float = 10.0, seed: int = 0) -> None:
    """Let readers and operations run for some minutes, and print what they met."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="shortlist-")))
        url, conn = stack.enter_context(temporary_database())
        environment = service_environment(folder, url) | {"SHORTLIST_SERVICE_WORKERS": "2"}
        os.environ["BENTOML_HOME"] = environment["BENTOML_HOME"]
        with conn, conn.cursor() as cursor:
            cursor.execute(CONTENTS)
        index_items(conn, load_params().embeddings.model, RandomVectors().encode)
        conn.commit()
        bundles = []
        for name in ("a", "b"):
            (folder / name).mkdir()
            bundles.append(make_bundle(conn, folder / name, folder / "home"))
            activate(libpq_url(url), bundles[-1])
        command = ("-m", "bentoml", "serve", "serving.service:Shortlist", "--host", "127.0.0.1")
        port, server = stack.enter_context(served(command, environment, folder))
        work = _work(
            port,
            server,
            dsn=libpq_url(url),
            folder=folder,
            bundles=bundles,
            seconds=60 * minutes,
            seed=seed,
        )
        tell(asyncio.run(work), minutes, READERS)
        tell_errors(folder / "server.log")


async def _work(
    port: int,
    server: subprocess.Popen[bytes],
    *,
    dsn: str,
    folder: Path,
    bundles: list[StoredBundle],
    seconds: float,
    seed: int,
) -> Seen:
    pool = await asyncpg.create_pool(dsn, min_size=1, max_size=3)
    limits = httpx.Limits(max_keepalive_connections=0)  # each request meets any worker
    async with httpx.AsyncClient(base_url=f"http://localhost:{port}", timeout=60, limits=limits) as http:
        postgres = (await pool.fetchval("select pg_backend_pid()")) or 0
        parent = psutil.Process(postgres).ppid()
        shop = Shop(http, pool, dsn, server, parent, folder, bundles, random.Random(seed))
        await shop.learn()
        until = time.monotonic() + seconds
        await asyncio.gather(_operate(shop, until), *(read(shop, until) for _ in range(READERS)))
    pool.terminate()
    return shop.seen


async def _operate(shop: Shop, until: float) -> None:
    while time.monotonic() < until:
        operation = shop.random.choices(list(OPERATIONS), list(OPERATIONS.values()))[0]
        shop.seen.operations[getattr(operation, "__name__", str(operation))] += 1
        shop.seen.loads.append(os.getloadavg()[0])
        await operation(shop)
        await asyncio.sleep(shop.random.uniform(*PAUSE_SECONDS))
