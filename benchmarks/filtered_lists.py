"""Lists of /v1 in one worker, with filters and without, by the number of items; the real database, no HTTP.

Items have attributes, a price and a vector of a cluster, in an index as a bundle has it; there are no learned
models, so a session's list is made of meaning, titles and popular items. Every figure includes the round trip
that reads the state. The filters let through about a half, a tenth, a thousandth and a ten-thousandth of the
items; `after a change` is the first list after one item's price has changed. `cpu` is what the worker itself
computed. Catalogues of several sizes are all in one process and asked in turns, a few lists each: other work
on the machine, which can double what a short list takes, then falls on all of them alike.
"""

import asyncio
import io
import logging
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time

import click
import numpy as np
import psutil
from psycopg2.extensions import connection as Connection  # noqa: N812

from benchmarks.report import table
from benchmarks.rows import Row, page_option, tell_rows
from benchmarks.speed.vectors import DIMENSION, clustered, one_thread
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
from serving.vectors.index import VectorBase
from training.models.core.types import FloatArray
from training.models.core.vector_index import build_index
from training.models.embeddings import EmbeddingsConfig
from training.params import load_params

MOST = 4.0
"""Times the cost of a list of 1,000 items that it may have at 1,000,000."""

ITEMS = 100_000
TIMES = 100
ROUNDS = 5
"""Times that each catalogue has its turn."""
WARM_UP = 5
"""Lists of each turn that are not counted."""
_QUERIES = 100
_CHANGED = 200
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


class Queries:
    """An encoder whose vectors are in the items' clusters, and cost nothing."""

    name = "clusters"
    dimension = DIMENSION

    def __init__(self, vectors: FloatArray) -> None:
        """`vectors`: float32[n, DIMENSION], one of which each text has."""
        self._vectors = vectors

    def close(self) -> None:
        """Nothing is held."""

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """float32[len(texts), DIMENSION], normalised."""
        found: FloatArray = self._vectors[[len(text) % len(self._vectors) for text in texts]]
        return found


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Nothing is told of lists that are shorter or slower than a shop would like."""
    logger = logging.getLogger("serving")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@click.command()
@click.option(
    "--items", "sizes", multiple=True, default=(ITEMS,), show_default=True, type=click.IntRange(1000)
)
@click.option("--times", default=TIMES, show_default=True, type=click.IntRange(1), help="Lists of each kind.")
@page_option
@one_thread()
@_without_warnings()
def run(sizes: tuple[int, ...], times: int, page: Path | None) -> None:
    """Lists of /v1 with filters and without, by the catalogue's size: p50, p99 and processor time, in ms."""
    used = asyncio.run(_measure(sizes, times))
    if len(sizes) > 1:
        columns = ("list", "filter", *(f"{size:,}" for size in sizes), "last / first")
        rows = [(*key, *found, found[-1] / found[0]) for key, found in used.items()]
        table("Processor time of a list by the size of the catalogue, ms", columns, rows)
        tell_rows([_row(sizes, used)], f"{times} lists of each of {len(_LISTS)} kinds", page)


def _row(sizes: Sequence[int], used: dict[tuple[str, str], list[float]]) -> Row:
    """Row 18: the kind of list that grows most from the smallest catalogue to the largest."""
    least, most = int(np.argmin(sizes)), int(np.argmax(sizes))
    grown = {name: used[name, "none"][most] / used[name, "none"][least] for name in _LISTS}
    worst = max(grown, key=lambda name: grown[name])
    few, many = used[worst, "none"][least], used[worst, "none"][most]
    reached = sum(each <= MOST for each in grown.values())
    return Row(
        18,
        f"one list of each kind of {sizes[most]:,} items; itself of {sizes[least]:,}; the worst is {worst}, "
        f"{reached} of {len(grown)} kinds reach it; an index of vectors, no learned models",
        f"{many:.2f} ms of processor",
        f"{few:.2f} ms",
        f"{grown[worst]:.1f}",
        f"≤ {MOST:g}",
        reached == len(grown),
    )


def _fill(conn: Connection, size: int, vectors: FloatArray) -> None:
    """Store the items, and the vectors of those that will change: all others are in the index alone."""
    with conn.cursor() as cursor:
        cursor.execute(_ITEMS.replace("n % ", "n %% "), {"colours": list(_COLOURS), "items": size})
        cursor.execute("select item_id, text_hash from items order by item_id limit %s", (_CHANGED,))
        lines = (
            f"{item_id}\t{Queries.name}\t{DIMENSION}\t{text_hash}\t\\\\x{vector.astype('<f4').tobytes().hex()}\n"
            for (item_id, text_hash), vector in zip(cursor.fetchall(), vectors[:_CHANGED], strict=True)
        )
        copy = "copy embeddings (item_id, model, dimension, text_hash, vector) from stdin"
        cursor.copy_expert(copy, io.StringIO("".join(lines)))
    conn.commit()


def _change(conn: Connection, number: int) -> None:
    """Give one item another price."""
    with conn.cursor() as cursor:
        cursor.execute(
            """update change_state set catalogue_seq = catalogue_seq + 1 returning catalogue_seq""",
        )
        [[change]] = cursor.fetchall()
        cursor.execute(
            "update items set price = price + 0.5, change_seq = %s where item_id = %s",
            (change, str(1_000_001 + number % _CHANGED)),
        )
    conn.commit()


def _base(vectors: FloatArray, plane: LivePlane) -> VectorBase:
    """The vectors as a bundle of this catalogue has them."""
    config = load_params(REPOSITORY / "params.yaml").section(EmbeddingsConfig)
    index = build_index(vectors, config.flat_below, config.nprobe, 0)
    row = plane._components.index.catalogue.row
    rows = np.array([row(str(1_000_001 + n)) for n in range(len(vectors))], dtype=np.int32)
    return VectorBase(vectors, index, rows, np.ones(len(vectors), dtype=np.bool_))


@dataclass(frozen=True, slots=True)
class _Shop:
    """A worker with a catalogue of its own."""

    size: int
    plane: LivePlane
    conn: Connection
    held: str
    """What it took to read the catalogue, in words."""


async def _opened(stack: AsyncExitStack, size: int) -> _Shop:
    vectors = clustered(size + _QUERIES)
    url, conn = stack.enter_context(temporary_database())
    _fill(conn, size, vectors)
    vectors, queries = vectors[:-_QUERIES], vectors[-_QUERIES:]
    pool = await create_pool(1, 4, Settings(_env_file=None, database_url=url))
    await stack.enter_async_context(pool)
    begun, before = process_time(), psutil.Process().memory_info().rss
    params = load_params(REPOSITORY / "params.yaml")
    plane = await LivePlane.open(pool, params, encoder=Queries(queries))
    stack.push_async_callback(plane.close)
    loaded = process_time() - begun
    # Before anything else runs, such as the task that gives vectors to items without one.
    plane._components.index.rebase(_base(vectors, plane), 1)
    memory = (psutil.Process().memory_info().rss - before) / 1e9
    return _Shop(size, plane, conn, f"loaded in {loaded:.0f} s of processor, {memory:.2f} GB more resident")


async def _measure(sizes: Sequence[int], times: int) -> dict[tuple[str, str], list[float]]:
    """Print each size's table; the median processor time of each list, by size."""
    async with AsyncExitStack() as stack:
        shops = [await _opened(stack, size) for size in sizes]
        found = {
            (name, kept): await _times(shops, name, FILTERS[kept], times)
            for name in _LISTS
            for kept in FILTERS
        }
        for name in _LISTS:
            found[name, "after a change"] = await _times(shops, name, None, times, change=_change)
        for name in ("recommend", "search", "listing"):
            found[name, "new each time"] = await _times(shops, name, None, times, fresh=True)
        for place, shop in enumerate(shops):
            table(
                f"Lists of {LENGTH} of {shop.size:,} items, ms; {shop.held}",
                ("list", "filter", "p50", "p99", "cpu", "fewest items"),
                [(*key, *measured[place]) for key, measured in found.items()],
            )
    return {key: [each[2] for each in measured] for key, measured in found.items()}


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
    shops: Sequence[_Shop],
    name: str,
    condition: str | None,
    times: int,
    *,
    fresh: bool = False,
    change: Callable[[Connection, int], None] | None = None,
) -> list[tuple[float, float, float, int]]:
    """Of each shop p50, p99, the median of the processor time, and the fewest items of a list.

    Args:
        fresh: with another filter for each list.
        change: called with a number before each list, and not timed.
    """
    places = [random.Random(1) for _ in shops]
    taken: list[list[tuple[float, float, int]]] = [[] for _ in shops]
    for numbers in np.array_split(np.arange(times), min(ROUNDS, times)):
        first = int(numbers[0])
        for shop, place, own in zip(shops, places, taken, strict=True):
            for number in range(first - WARM_UP, first + len(numbers)):
                least = 1 + (number + WARM_UP) / 10
                asked = f"price < {least} and attributes.colour = 'red'" if fresh else condition
                wanted = _wanted(name, asked, place, shop.size)
                if change is not None:
                    change(shop.conn, number)
                    await shop.plane.catch_up()
                begun, used = perf_counter(), process_time()
                made = await shop.plane.lists.answer(wanted)
                took = 1000 * (perf_counter() - begun), 1000 * (process_time() - used), len(made.items)
                if number >= first:
                    own.append(took)
    return [_summed_up(*zip(*own, strict=True)) for own in taken]


def _summed_up(
    took: Sequence[float], computed: Sequence[float], items: Sequence[int]
) -> tuple[float, float, float, int]:
    p50, p99 = np.percentile(took, [50, 99]).tolist()
    return p50, p99, float(np.median(computed)), min(items)
