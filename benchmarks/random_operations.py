"""Random operations on the running service under load, each answer held against a plain model of the shop.

    python -m benchmarks random --minutes 10

Two workers serve a small shop while bundles are deployed and rolled back, experiments start and stop, items
are made, changed, deleted and ingested, workers are killed, and the database is stopped, locked and given
partitions. What an answer may hold is told by what was acknowledged before it was asked for: `shop_model.py`.
"""

import asyncio
import os
import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import click
import httpx
import psutil
import psycopg2

from benchmarks.report import table
from benchmarks.service import served
from benchmarks.shop import RandomVectors, make_bundle, service_environment
from benchmarks.shop_model import ShopModel
from benchmarks.temporary_database import temporary_database
from database import deployments, items
from database.connection import libpq_url
from database.embeddings import index_items
from database.experiments import Arm, ExperimentError, start_experiment, stop_experiment
from database.ingest.adapters import ADAPTERS
from database.ingest.run import ingest_file
from database.items import ItemContent
from database.partitions import INTERACTIONS, ensure_partitions
from database.trending import compute_trending
from training.params import load_params
from training.release.bundle import StoredBundle

PRODUCTS, USERS, READERS, BULK = 200, 40, 4, 3000
PAUSE_SECONDS = (0.2, 2.0)
LOGGED = 150
"""Lines of the service's log that are printed from its first error on: a traceback is among them."""
READY = "serving.plane: ready"
"""What a worker logs when it is."""
UNSETTLED_SECONDS = 5.0
"""After a kill or a stop: requests that waited in it count apart."""
EXPERIMENT_SECONDS = 15.0
"""Until every worker has surely noticed an experiment."""
ASKED_BY_POST = frozenset({"/matrix_factor/user", "/matrix_factor/similar", "/recommendations", "/search"})
WORDS = ("tea", "garden", "paper", "lamp", "mug", "blue", "tray")

_SHOP = f"""
insert into items (item_id, kind, title, category, price, rating, rating_count, change_seq)
select 'ITEM' || lpad(n::text, 6, '0'), 'product',
    (array['tea','garden','paper','lamp','mug','blue','tray'])[1 + n % 7] || ' number ' || n,
    'category ' || n % 5, 1 + n, 4, n % 50, 1
from generate_series(0, {PRODUCTS - 1}) n;
insert into users (user_id) select 'user' || u from generate_series(0, {USERS - 1}) u;
insert into interactions (user_id, item_id, event_type, value, session_id, occurred_at, source)
select 'user' || u, 'ITEM' || lpad((u % 4 * 50 + (u * 7 + b * 3 + line * 5) % 50)::text, 6, '0'),
    'purchase', 1, 'basket-' || u || '-' || b, now() - make_interval(days => 20 - b * 2), 'shop'
from generate_series(0, {USERS - 1}) u, generate_series(0, 9) b, generate_series(0, 1) line;
update change_state set catalogue_seq = 1;
"""


@dataclass
class Seen:
    """What clients saw."""

    statuses: Counter[str] = field(default_factory=Counter)
    stale: int = 0
    dropped: int = 0
    """Connections that a killed worker had open."""
    waits: list[tuple[float, float]] = field(default_factory=list)
    """When each read was sent, and how long it took."""
    wrong: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    """Answers of 500 and above, but 503 of what can't be done while the database is away."""
    operations: Counter[str] = field(default_factory=Counter)
    unsettled: list[tuple[float, float]] = field(default_factory=list)
    """From when until when a worker was dead or the database silent."""

    def calm(self, sent: float, seconds: float) -> bool:
        """Whether a request met neither."""
        return all(sent > end or sent + seconds < start for start, end in self.unsettled)


@dataclass
class Shop:
    """The running service, the database under it, and what is known of both."""

    http: httpx.AsyncClient
    pool: asyncpg.Pool
    dsn: str
    server: subprocess.Popen[bytes]
    postgres: int
    folder: Path
    bundles: list[StoredBundle]
    random: random.Random
    model: ShopModel = field(default_factory=ShopModel)
    seen: Seen = field(default_factory=Seen)
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(10**9)))
    killed: int = 0
    """Workers that were killed."""
    experiment: str | None = None
    changed: float = 0.0
    """When the experiments were last changed."""

    async def ask(self, method: str, path: str, **body: Any) -> tuple[float, httpx.Response | None]:
        """Send a request on a connection of its own choice; gives when it was sent. None: it was dropped."""
        sent = time.monotonic()
        try:
            answer = await self.http.request(method, path, **body)
        except httpx.TransportError as error:
            self.seen.dropped += 1
            if self.seen.calm(sent, time.monotonic() - sent):
                self.seen.failed.append(f"{method} {path}: {error!r}")
            return sent, None
        took = time.monotonic() - sent
        self.seen.statuses[f"{'read' if _reads(method, path) else 'write'} {answer.status_code}"] += 1
        if _reads(method, path):
            self.seen.waits.append((sent, took))
        silent = answer.status_code == 503 and not _reads(method, path)
        if answer.status_code >= 500 and not (silent and not self.seen.calm(sent, took)):
            self.seen.failed.append(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        return sent, answer


def _reads(method: str, path: str) -> bool:
    return method == "GET" or path.partition("?")[0] in ASKED_BY_POST


def run(minutes: float = 10.0, seed: int = 0) -> None:
    """Let readers and operations run for some minutes, and print what they met."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="shortlist-")))
        url, conn = stack.enter_context(temporary_database())
        environment = service_environment(folder, url) | {"SHORTLIST_SERVICE_WORKERS": "2"}
        os.environ["BENTOML_HOME"] = environment["BENTOML_HOME"]
        with conn, conn.cursor() as cursor:
            cursor.execute(_SHOP)
        index_items(conn, load_params().embeddings.model, RandomVectors().encode)
        conn.commit()
        bundles = []
        for name in ("a", "b"):
            (folder / name).mkdir()
            bundles.append(make_bundle(conn, folder / name, folder / "home"))
            _activate(libpq_url(url), bundles[-1])
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
        seen = asyncio.run(work)
        log = (folder / "server.log").read_text()
    _tell(seen, minutes)
    lines = log.splitlines()
    errors = [number for number, line in enumerate(lines) if " ERROR " in line]
    click.echo(f"{len(errors)} errors in the service's log")
    if errors:
        click.echo("\n".join(lines[errors[0] : errors[0] + LOGGED]))


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
        await _learn(shop)
        until = time.monotonic() + seconds
        await asyncio.gather(_operate(shop, until), *(_read(shop, until) for _ in range(READERS)))
    pool.terminate()
    return shop.seen


async def _learn(shop: Shop) -> None:
    """The shop's items and what users have seen, as they are before anything happens."""
    for row in await shop.pool.fetch("select item_id, title from items"):
        shop.model.live(row["item_id"], row["title"], 0.0)
    for row in await shop.pool.fetch("select distinct user_id, item_id from interactions"):
        shop.model.saw(row["user_id"], row["item_id"], 0.0)


async def _read(shop: Shop, until: float) -> None:
    while time.monotonic() < until:
        user = f"user{shop.random.randrange(USERS)}"
        item = f"ITEM{shop.random.randrange(PRODUCTS):06}"
        method, path, body, own = shop.random.choice(
            [
                ("GET", f"/recommendations/home?user_id={user}&response_limit=10", None, "home"),
                ("POST", "/matrix_factor/user", {"user_id": user, "n": 20}, "list"),
                ("POST", "/recommendations?kind=product", {"user_id": user, "n_recommendations": 20}, "list"),
                ("GET", f"/recommendations/product/{item}?response_limit=10", None, None),
                ("POST", "/matrix_factor/similar", {"item_id": item, "n": 10}, None),
                ("GET", f"/recommendations/search?query={shop.random.choice(WORDS)}", None, None),
                ("POST", "/search", {"query": shop.random.choice(WORDS), "top_k": 10}, None),
            ]
        )
        sent, answer = await shop.ask(method, path, **({} if body is None else {"json": body}))
        if answer is None or answer.status_code >= 500:
            continue
        stale = "X-Stale" in answer.headers
        shop.seen.stale += stale
        if answer.status_code == 404 and item in path + str(body):
            if not stale and shop.model.surely_live(item, sent):
                shop.seen.wrong.append(f"{path}: 404 for {item}, which is live")
            continue
        if answer.status_code != 200:
            shop.seen.wrong.append(f"{method} {path} {body}: {answer.status_code} {answer.text[:200]}")
            continue
        found = shop.model.faults(answer.json(), sent, None if own is None else user, stale=stale)
        shop.seen.wrong += [f"{method} {path} {body}: {fault}" for fault in found]


Operation = Callable[[Shop], Awaitable[None]]


async def _operate(shop: Shop, until: float) -> None:
    chosen: dict[Operation, int] = {
        save_item: 8,
        delete_item: 4,
        interact: 12,
        article: 6,
        deploy: 2,
        roll_back: 2,
        experiment: 2,
        trending: 2,
        ingest: 1,
        kill_worker: 2,
        stop_database: 1,
        hold_lock: 1,
        partition: 1,
        compare_workers: 4,
    }
    while time.monotonic() < until:
        operation = shop.random.choices(list(chosen), list(chosen.values()))[0]
        shop.seen.operations[operation.__name__] += 1
        await operation(shop)
        await asyncio.sleep(shop.random.uniform(*PAUSE_SECONDS))


async def save_item(shop: Shop) -> None:
    """Make an item, or give one a new title."""
    item_id, title = f"ITEM{shop.random.randrange(PRODUCTS):06}", f"mug renamed {next(shop.numbers)}"
    async with shop.pool.acquire() as conn:
        shop.model.may_live(item_id)
        if shop.model.is_live(item_id):
            await items.update_item(conn, item_id, {"title": title}, None)
        else:
            await items.insert_item(conn, item_id, ItemContent(kind="product", title=title, price=3.0), None)
        shop.model.live(item_id, title, time.monotonic())


async def delete_item(shop: Shop) -> None:
    """Delete an item that is live."""
    item_id = f"ITEM{shop.random.randrange(PRODUCTS):06}"
    if shop.model.is_live(item_id):
        async with shop.pool.acquire() as conn:
            shop.model.may_die(item_id)
            await items.delete_item(conn, item_id)
            shop.model.died(item_id, time.monotonic())


async def interact(shop: Shop) -> None:
    """A click, which counts from its answer on."""
    user, item_id = f"user{shop.random.randrange(USERS)}", f"ITEM{shop.random.randrange(PRODUCTS):06}"
    event = {"user_id": user, "product_id": item_id, "event_type": "product_click"}
    _, answer = await shop.ask("POST", "/api/v1/interactions/interactions", json=event)
    if answer is not None and answer.is_success:
        shop.model.saw(user, item_id, time.monotonic())


async def article(shop: Shop) -> None:
    """Make, read, change and delete an article; each answer holds for every worker at once."""
    words = {"title": f"lace {next(shop.numbers)}", "content": "knots"}
    _, made = await shop.ask("POST", "/api/articles", json=words)
    if made is None or not made.is_success:
        return
    path = f"/api/articles/{made.json()['id']}"
    for method, body, status in (
        ("GET", None, 200),
        ("PATCH", {"title": f"bobbin {next(shop.numbers)}"}, 200),
        ("GET", None, 200),
        ("DELETE", None, 204),
        ("GET", None, 404),
    ):
        _, answer = await shop.ask(method, path, **({} if body is None else {"json": body}))
        if answer is None or answer.status_code == 503:
            return
        if answer.status_code != status and "X-Stale" not in answer.headers:
            shop.seen.wrong.append(f"{method} {path}: {answer.status_code}, not {status}")


async def deploy(shop: Shop) -> None:
    """Put one of the two bundles into service."""
    await asyncio.to_thread(_activate, shop.dsn, shop.random.choice(shop.bundles))


async def roll_back(shop: Shop) -> None:
    """Through the API; there may be nothing to go back to."""
    _, answer = await shop.ask("POST", "/training/rollback", json={"reason": "random"})
    if answer is not None and answer.status_code not in (200, 202, 409, 503):
        shop.seen.wrong.append(f"rollback: {answer.status_code} {answer.text[:200]}")


async def experiment(shop: Shop) -> None:
    """Start one on the other bundle, or stop the one that runs."""

    def change() -> None:
        with psycopg2.connect(shop.dsn) as conn, suppress(ExperimentError):
            if shop.experiment is not None:
                stop_experiment(conn, shop.experiment, "over")
                shop.experiment = None
            else:
                name = f"e{next(shop.numbers)}"
                arms = (
                    Arm("now", 0.5),
                    Arm("other", 0.5, bundle_id=shop.random.choice(shop.bundles).bundle_id),
                )
                start_experiment(conn, name, "ab", arms)
                shop.experiment = name
        conn.close()

    await asyncio.to_thread(change)
    shop.changed = time.monotonic()


async def trending(shop: Shop) -> None:
    """As the hourly run does."""

    def compute() -> None:
        params = load_params()
        with psycopg2.connect(shop.dsn) as conn:
            compute_trending(
                conn,
                datetime.now(UTC),
                decay_rate=params.trending.decay_rate,
                step_hours=params.trending.step_hours,
                window_days=params.trending.window_days,
                weights=params.interactions.weights.model_dump(),
                neutral_stars=params.interactions.neutral_stars,
            )
        conn.close()

    await asyncio.to_thread(compute)


async def ingest(shop: Shop) -> None:
    """A file of products, in a connection of its own, beside everything else."""
    first = BULK * (shop.seen.operations["ingest"] - 1)
    ids = [f"BULK{first + number:06}" for number in range(BULK)]
    file = shop.folder / "products.csv"
    head = "id,name,main_category,sub_category,image,link,ratings,no_of_ratings,discount_price,actual_price"
    rows = [f"{item_id},paper number {item_id},bulk,,,,4.0,1,5.0,10.0" for item_id in ids]
    file.write_text("\n".join([head + ",discount_ratio", *(row + ",0.5" for row in rows)]) + "\n")
    for item_id in ids:
        shop.model.may_live(item_id)

    def load() -> None:
        encoder = RandomVectors(load_params().embeddings.model)
        with psycopg2.connect(shop.dsn) as conn:
            ingest_file(conn, ADAPTERS["products"], file, encoder=encoder)
        conn.close()

    await asyncio.to_thread(load)
    now = time.monotonic()
    for item_id in ids:
        shop.model.live(item_id, f"paper number {item_id}", now)
    _, answer = await shop.ask("GET", f"/recommendations/product/{ids[0]}?response_limit=5")
    if answer is not None and answer.status_code == 404:
        shop.seen.wrong.append(f"{ids[0]} was ingested, and is not found")


async def kill_worker(shop: Shop) -> None:
    """kill -9 of one of the two workers, if both are ready: the other has to answer meanwhile."""
    ready = (shop.folder / "server.log").read_text().count(READY)
    workers = psutil.Process(shop.server.pid).children()
    if ready == 2 + shop.killed and len(workers) == 2:
        shop.killed += 1
        shop.seen.operations["killed"] += 1
        with unsettled(shop):
            shop.random.choice(workers).kill()


async def stop_database(shop: Shop) -> None:
    """SIGSTOP of PostgreSQL's processes for some seconds."""
    with unsettled(shop):
        try:
            _signal(shop.postgres, signal.SIGSTOP)
            await asyncio.sleep(shop.random.uniform(1, 8))
        finally:
            _signal(shop.postgres, signal.SIGCONT)


async def hold_lock(shop: Shop) -> None:
    """A transaction that holds the row of the catalogue's number, as a long ingestion would."""
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

    async with shop.pool.acquire() as conn, conn.transaction():
        await conn.fetchval("select count(*) from interactions")
        await asyncio.to_thread(make)
        await asyncio.sleep(shop.random.uniform(0.5, 3))


async def compare_workers(shop: Shop) -> None:
    """While nothing else happens every worker gives the same list."""
    if time.monotonic() - shop.changed < EXPERIMENT_SECONDS or shop.experiment is not None:
        return  # workers follow within seconds, and X-Bundle names the deployed bundle alone
    user = f"user{shop.random.randrange(USERS)}"
    lists: dict[str, set[str]] = {}
    for _ in range(6):
        _, answer = await shop.ask("POST", "/matrix_factor/user", json={"user_id": user, "n": 20})
        if answer is None or answer.status_code != 200 or "X-Stale" in answer.headers:
            return
        bundle = answer.headers["X-Bundle"]
        shown = [each["item_id"] for each in answer.json()["recommendations"]]
        lists.setdefault(bundle, set()).add(" ".join(shown))
    shop.seen.wrong += [
        f"als of {user} by {name}: {len(each)} lists" for name, each in lists.items() if len(each) > 1
    ]


@contextmanager
def unsettled(shop: Shop) -> Iterator[None]:
    """While this lasts, and a while after it, waits and dropped connections count apart."""
    start = time.monotonic()
    shop.seen.unsettled.append((start, start + 60))
    try:
        yield
    finally:
        shop.seen.unsettled[-1] = (start, time.monotonic() + UNSETTLED_SECONDS)


def _signal(postgres: int, number: signal.Signals) -> None:
    server = psutil.Process(postgres)
    for process in [server, *server.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _activate(dsn: str, bundle: StoredBundle) -> None:
    with psycopg2.connect(dsn) as conn:
        deployments.activate(conn, bundle.bundle_id, bundle.tag, bundle.manifest, "random")
    conn.close()


def _tell(seen: Seen, minutes: float) -> None:
    calm = sorted(took for sent, took in seen.waits if seen.calm(sent, took))
    rough = sorted(took for sent, took in seen.waits if not seen.calm(sent, took))
    table(
        f"{minutes:g} minutes of random operations, {READERS} readers, two workers",
        ("reads", "count", "p50 ms", "p99 ms", "longest ms"),
        [
            (name, len(each), *(1000 * each[int(share * (len(each) - 1))] for share in (0.5, 0.99, 1.0)))
            for name, each in (("in calm", calm), ("a worker dead, the database silent", rough))
            if each
        ],
    )
    answers = ", ".join(f"{count} x {name}" for name, count in sorted(seen.statuses.items()))
    click.echo(f"answers: {answers}; {seen.stale} stale, {seen.dropped} dropped")
    click.echo("operations: " + ", ".join(f"{count} x {name}" for name, count in seen.operations.items()))
    click.echo(f"{len(seen.failed)} failed, {len(seen.wrong)} wrong")
    for line in [*seen.failed[:10], *seen.wrong[:20]]:
        click.echo(f"  {line}")
