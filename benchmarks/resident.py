"""What two workers hold in memory of their own, beside the bundle on disk, for a generated shop of any size.

A page that both workers map from the bundle's files is counted once by the system, and here not at all: what
is not shared is what another worker would cost. What a worker holds without any shop is told apart, by
`--items` and `--users` of a few: Python and its libraries.
"""

import os
import tempfile
from pathlib import Path

import click
import psutil
import psycopg2

from benchmarks.load import Request, drive
from benchmarks.rows import Row, page_option, tell_rows
from benchmarks.service import CONNECTIONS, served
from benchmarks.shop import RandomVectors, make_bundle, service_environment
from benchmarks.temporary_database import temporary_database
from database import deployments
from database.embeddings import index_items
from training.params import load_params

MOST = 1.3
"""Of the bundle's bytes that two workers may hold of their own."""
_USERS_ASKED = 200
_SECONDS = 5
_WORKER = "worker"
_SHOP = """
    insert into items (item_id, title, category, price, change_seq)
    select 'I' || n, 'thing ' || n || ' of ' || n %% 997, 'Category ' || n %% 50, 1 + n %% 100, 1
    from generate_series(0, %(items)s - 1) n;
    update change_state set catalogue_seq = 1;
    insert into users (user_id) select 'U' || n from generate_series(0, %(users)s - 1) n;
    insert into interactions (user_id, item_id, event_type, occurred_at, source)
    select 'U' || n, 'I' || floor(%(items)s * power(random(), 2.6))::int, 'purchase',
        now() - interval '20 days' * random(), 'benchmark'
    from generate_series(0, %(users)s - 1) n, generate_series(1, case when n %% 5 = 0 then 4 else 1 end);
"""


@click.command()
@click.option("--items", default=100_000, show_default=True, type=click.IntRange(100))
@click.option("--users", default=1_000_000, show_default=True, type=click.IntRange(100))
@page_option
def run(items: int, users: int, page: Path | None) -> None:
    """Memory of two workers of a generated shop that is not shared, and the bundle on disk."""
    params = load_params()
    with (
        tempfile.TemporaryDirectory(prefix="shortlist-") as name,
        temporary_database() as (url, conn),
    ):
        folder = Path(name)
        environment = service_environment(folder, url)
        os.environ["BENTOML_HOME"] = environment["BENTOML_HOME"]
        _fill(conn, items, users)
        index_items(conn, params.embeddings.model, RandomVectors().encode)
        stored = make_bundle(conn, folder, folder / "home")
        deployments.activate(conn, stored.bundle_id, stored.tag, stored.manifest, "benchmark")
        conn.commit()
        on_disk = sum(path.stat().st_size for path in stored.path.rglob("*") if path.is_file())
        command = ("-m", "bentoml", "serve", "serving.service:Shortlist", "--host", "127.0.0.1")
        asking = range(min(_USERS_ASKED, users // 5))
        homes = [Request("GET", f"/recommendations/home?user_id=U{5 * n}") for n in asking]
        with served(command, environment, folder) as (port, process):
            asked = drive(port, homes, _SECONDS, CONNECTIONS)
            own = own_bytes(psutil.Process(process.pid))
    ratio = sum(own) / on_disk
    row = Row(
        16,
        f"own memory of {len(own)} workers; the bundle on disk; {items:,} items, {users:,} users",
        f"{sum(own) / 1e6:,.0f} MB",
        f"{on_disk / 1e6:,.0f} MB",
        f"{ratio:.2f}",
        f"≤ {MOST:g}",
        ratio <= MOST,
    )
    tell_rows([row], f"after {asked.requests} home pages, {asked.failed} failed", page)


def own_bytes(server: psutil.Process) -> list[int]:
    """Of each worker of a BentoML server, the bytes that it shares with nobody."""
    workers = [each for each in server.children(recursive=True) if is_worker(each)]
    return [int(each.memory_full_info().uss) for each in workers]


def is_worker(process: psutil.Process) -> bool:
    """Whether a process is a worker of BentoML."""
    return any(_WORKER in part and "bento" in part for part in process.cmdline())


def _fill(conn: psycopg2.extensions.connection, items: int, users: int) -> None:
    with conn.cursor() as cursor:
        cursor.execute(_SHOP, {"items": items, "users": users})
    conn.commit()
