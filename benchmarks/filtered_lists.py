"""Lists of /v1 in one worker of 100,000 items, with filters and without; the real database, no HTTP.

Items have attributes, a price and a random vector; there is no bundle, so a session's list is made of popular
items. Every figure includes the round trip that reads the state. The filters let through about a half, a
tenth and a thousandth of the items. `cpu` is what the worker itself computed: on a busy machine it changes
little.
"""

import asyncio
import io
import logging
import random
from time import perf_counter, process_time

import numpy as np
from numpy.typing import NDArray
from psycopg2.extensions import connection as Connection  # noqa: N812

from benchmarks.report import table
from benchmarks.temporary_database import temporary_database
from database.connection import create_pool
from database.settings import REPOSITORY, Settings
from serving.lists.list_requests import (
    ListRequest,
    SearchListRequest,
    SessionEvent,
    TrendingListRequest,
    UserListRequest,
)
from serving.plane import LivePlane
from training.params import load_params

ITEMS = 100_000
TIMES = 100
FILTERS = {
    "none": None,
    "half": "price < 50",
    "tenth": 'price < 50 and attributes.colour in ["red", "blue"] and labels != "old"',
    "thousandth": 'attributes.colour = "red" and attributes.size > 90 and price < 10',
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


def run() -> None:
    """Print the median and the 99th percentile of each list, and the median of its processor time, in ms."""
    logging.getLogger("serving").setLevel(logging.ERROR)
    with temporary_database() as (url, conn):
        _fill(conn)
        asyncio.run(_measure(url))


def _fill(conn: Connection) -> None:
    with conn.cursor() as cursor:
        cursor.execute(_ITEMS.replace("n % ", "n %% "), {"colours": list(_COLOURS), "items": ITEMS})
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


async def _measure(url: str) -> None:
    params = load_params(REPOSITORY / "params.yaml")
    settings = Settings(_env_file=None, database_url=url)
    async with await create_pool(1, 4, settings) as pool:
        plane = await LivePlane.open(pool, params, encoder=RandomVectors())  # type: ignore[arg-type]
        try:
            rows = [
                (name, kept, *await _times(plane, name, condition))
                for name in _LISTS
                for kept, condition in FILTERS.items()
            ]
            rows.append(("recommend", "new each time", *await _times(plane, "recommend", None, fresh=True)))
        finally:
            await plane.close()
    table(f"Lists of 20 of {ITEMS:,} items, ms", ("list", "filter", "p50", "p99", "cpu"), rows)


def _wanted(name: str, condition: str | None, place: random.Random) -> ListRequest:
    item_id = str(1_000_000 + place.randrange(1, ITEMS))
    if name == "recommend":
        return UserListRequest(n=20, filter=condition, session=(SessionEvent(item_id),))
    if name == "trending":
        return TrendingListRequest(n=20, filter=condition)
    if name == "search":
        return SearchListRequest(n=20, query=f"cup of {place.choice(_COLOURS)}", filter=condition)
    return SearchListRequest(n=20, sort="-price", facets=("category",), filter=condition)


_LISTS = ("recommend", "trending", "search", "listing")


async def _times(
    plane: LivePlane, name: str, condition: str | None, *, fresh: bool = False
) -> tuple[float, float, float]:
    place = random.Random(1)
    took, computed = [], []
    for number in range(TIMES + 5):
        asked = f"price < {1 + number / 10} and attributes.colour = 'red'" if fresh else condition
        wanted = _wanted(name, asked, place)
        begun, used = perf_counter(), process_time()
        await plane.lists.answer(wanted)
        took.append(1000 * (perf_counter() - begun))
        computed.append(1000 * (process_time() - used))
    return (
        float(np.percentile(took[5:], 50)),
        float(np.percentile(took[5:], 99)),
        float(np.percentile(computed[5:], 50)),
    )
