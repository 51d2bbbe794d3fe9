"""Lists of /v1 in one worker, with filters and without, by the number of items; the real database, no HTTP.

Items have attributes, a price and a random vector; there is no bundle, so a session's list is made of popular
items. Every figure includes the round trip that reads the state. The filters let through about a half, a
tenth, a thousandth and a ten-thousandth of the items. `cpu` is what the worker itself computed: on a busy
machine it changes little.
"""

import asyncio
import io
import logging
import random
from time import perf_counter, process_time

import click
import numpy as np
import psutil
from numpy.typing import NDArray
from psycopg2.extensions import connection as Connection  # noqa: N812

from benchmarks.report import table
from benchmarks.temporary_database import temporary_database
from database.connection import create_pool
from database.settings import REPOSITORY, Settings
from serving.lists.list_requests import (
    ItemsListRequest,
    ListRequest,
    RerankListRequest,
    SearchListRequest,
    SessionEvent,
    SimilarListRequest,
    TrendingListRequest,
    UserListRequest,
)
from serving.plane import LivePlane
from training.params import load_params

ITEMS = 100_000
TIMES = 100
WARM_UP = 5
LENGTH = 20
RERANKED = 101
FILTERS = {
    "none": None,
    "half": "price < 50",
    "tenth": 'price < 50 and attributes.colour in ["red", "blue"] and labels != "old"',
    "thousandth": 'attributes.colour = "red" and attributes.size > 90 and price < 10',
    "ten-thousandth": "price < 0.01",
}
_COLOURS = ("red", "blue", "green", "black", "white", "grey", "pink", "brown", "gold", "lime")
_ITEMS = """
    insert into items (item_id, title, category, tags, price, attributes, change_seq)
    select (1000000 + n)::text, 'cup ' || n || ' of ' || colour, 'Category ' || n % 50,
        case when n % 3 = 0 then array['old'] else array['new', 'sale'] end, (n * 7919 %% 10000) / 100.0,
        jsonb_build_object('colour', colour, 'size', (n * 104729 %% 4000) / 40.0, 'sold_out', n % 9 = 0), 1
    from (
        select n, (%(colours)s::text[])[1 + n * 31 %% 10] as colour
        from generate_series(1::bigint, %(items)s) n
    ) made;
    update change_state set catalogue_seq = 1;
"""


class RandomVectors:
    """An encoder whose vectors say nothing, and cost nothing."""

    name = "random"
    dimension = 384

    def close(self) -> None:
        """Nothing is held."""

    def encode(self, texts: list[str]) -> NDArray[np.float32]:
        """float32[len(texts), dimension], normalised."""
        vectors = np.random.default_rng(len(texts[0])).normal(size=(len(texts), self.dimension))
        found: NDArray[np.float32] = vectors.astype(np.float32)
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        return found


@click.command()
@click.option(
    "--items", "sizes", multiple=True, default=(ITEMS,), show_default=True, type=click.IntRange(1000)
)
@click.option("--times", default=TIMES, show_default=True, type=click.IntRange(1), help="Lists of each kind.")
def run(sizes: tuple[int, ...], times: int) -> None:
    """Lists of /v1 with filters and without, by the catalogue's size: p50, p99 and processor time, in ms."""
    logging.getLogger("serving").setLevel(logging.ERROR)
    used: dict[tuple[str, str], list[float]] = {}
    for size in sizes:
        with temporary_database() as (url, conn):
            _fill(conn, size)
            for (name, kept), measured in asyncio.run(_measure(url, size, times)).items():
                used.setdefault((name, kept), []).append(measured)
    if len(sizes) > 1:
        columns = ("list", "filter", *(f"{size:,}" for size in sizes), "last / first")
        rows = [(*key, *found, found[-1] / found[0]) for key, found in used.items()]
        table("Processor time of a list by the size of the catalogue, ms", columns, rows)


def _fill(conn: Connection, size: int) -> None:
    with conn.cursor() as cursor:
        cursor.execute(_ITEMS.replace("n % ", "n %% "), {"colours": list(_COLOURS), "items": size})
        cursor.execute("select item_id, text_hash from items order by item_id")
        rows = cursor.fetchall()
        for start in range(0, len(rows), 10_000):
            part = rows[start : start + 10_000]
            vectors = np.random.default_rng(start).normal(size=(len(part), RandomVectors.dimension))
            vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype("<f4")
            lines = (
                f"{item_id}\trandom\t{RandomVectors.dimension}\t{text_hash}\t\\\\x{vector.tobytes().hex()}\n"
                for (item_id, text_hash), vector in zip(part, vectors, strict=True)
            )
            copy = "copy embeddings (item_id, model, dimension, text_hash, vector) from stdin"
            cursor.copy_expert(copy, io.StringIO("".join(lines)))
    conn.commit()


async def _measure(url: str, size: int, times: int) -> dict[tuple[str, str], float]:
    """Print one size's table; the median processor time of each list."""
    params = load_params(REPOSITORY / "params.yaml")
    settings = Settings(_env_file=None, database_url=url)
    begun = perf_counter()
    async with await create_pool(1, 4, settings) as pool:
        plane = await LivePlane.open(pool, params, encoder=RandomVectors())  # type: ignore[arg-type]
        loaded = perf_counter() - begun
        try:
            asked = [(name, kept) for name in _LISTS for kept in FILTERS]
            found = {
                (name, kept): await _times(plane, name, FILTERS[kept], size, times) for name, kept in asked
            }
            found["recommend", "new each time"] = await _times(
                plane, "recommend", None, size, times, fresh=True
            )
        finally:
            await plane.close()
    memory = psutil.Process().memory_info().rss / 1e9
    table(
        f"Lists of {LENGTH} of {size:,} items, ms; loaded in {loaded:.0f} s, {memory:.2f} GB resident",
        ("list", "filter", "p50", "p99", "cpu", "fewest items"),
        [(*key, *measured) for key, measured in found.items()],
    )
    return {key: measured[2] for key, measured in found.items()}


def _wanted(name: str, condition: str | None, place: random.Random, size: int) -> ListRequest:
    item_id, *others = (str(1_000_000 + place.randrange(1, size)) for _ in range(RERANKED))
    wanted: dict[str, ListRequest] = {
        "recommend": UserListRequest(n=LENGTH, filter=condition, session=(SessionEvent(item_id),)),
        "items": ItemsListRequest(n=LENGTH, filter=condition, item_ids=(item_id, *others[:2])),
        "similar by meaning": SimilarListRequest(n=LENGTH, filter=condition, item_id=item_id, by="meaning"),
        "similar by title": SimilarListRequest(n=LENGTH, filter=condition, item_id=item_id, by="title"),
        "trending": TrendingListRequest(n=LENGTH, filter=condition),
        "search": SearchListRequest(n=LENGTH, query=f"cup of {place.choice(_COLOURS)}", filter=condition),
        "listing": SearchListRequest(n=LENGTH, sort="-price", facets=("category",), filter=condition),
        "rerank": RerankListRequest(
            n=LENGTH, filter=condition, item_ids=tuple(others), session=(SessionEvent(item_id),)
        ),
    }
    return wanted[name]


_LISTS = (
    "recommend",
    "items",
    "similar by meaning",
    "similar by title",
    "trending",
    "search",
    "listing",
    "rerank",
)


async def _times(
    plane: LivePlane, name: str, condition: str | None, size: int, times: int, *, fresh: bool = False
) -> tuple[float, float, float, int]:
    """p50, p99, the median of the processor time, and the fewest items of a list."""
    place = random.Random(1)
    took, computed, items = [], [], []
    for number in range(times + WARM_UP):
        asked = f"price < {1 + number / 10} and attributes.colour = 'red'" if fresh else condition
        wanted = _wanted(name, asked, place, size)
        begun, used = perf_counter(), process_time()
        made = await plane.lists.answer(wanted)
        took.append(1000 * (perf_counter() - begun))
        computed.append(1000 * (process_time() - used))
        items.append(len(made.items))
    p50, p99 = np.percentile(took[WARM_UP:], [50, 99]).tolist()
    return p50, p99, float(np.median(computed[WARM_UP:])), min(items)
