"""What it costs to count and sort everything that fits, as searches in pages and listings do, by size.

Columns are generated: no database, no texts, no HTTP, and no items in memory. The catalogue has a popularity
and a price of every item; a tenth of the items have words of the query. It is processor time, which other
work changes little. What a worker keeps until an item changes (the order by price, the front of popularity)
is made before.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import median
from time import process_time
from types import SimpleNamespace
from typing import cast

import numpy as np

from benchmarks.report import table
from database.settings import REPOSITORY
from serving.catalogue.fields import FRONT, Numbers
from serving.lists.recipes import LISTING, SEARCH_PAGES, Recipe
from serving.lists.retrieval import retrieve
from serving.steps.context import Context, Sort
from serving.steps.scores import top
from serving.steps.table import NO_ROWS, Column
from serving.types import Mask
from training.params import Params, load_params

SIZES = (100_000, 1_000_000)
TIMES = 9
BY_PRICE = Sort("price", "number", descending=True)


def run(sizes: tuple[int, ...] = SIZES) -> None:
    """Print the median processor time of each list's filters, sources, count and order, in ms."""
    params = load_params(REPOSITORY / "params.yaml")
    rows: list[tuple[object, ...]] = []
    for size in sizes:
        search = replace(SEARCH_PAGES, sources=(_matches(size),))
        for name, recipe in (("listing", LISTING), ("search", search)):
            for order, sort in (("its own", None), ("by price", BY_PRICE)):
                context = _context(size, sort, params)
                _milliseconds(recipe, context)  # from here on orders are kept
                rows.append((name, order, size, median(_milliseconds(recipe, context) for _ in range(TIMES))))
    table("Lists that count everything, ms of processor", ("list", "order", "items", "cpu"), rows)


def _milliseconds(recipe: Recipe, context: Context) -> float:
    begun = process_time()
    retrieve(recipe, context, None)
    return 1000 * (process_time() - begun)


def _matches(size: int) -> Callable[[Context, Mask], Mapping[str, Column]]:
    """A source: words of the query in a tenth of the items, and the 500 nearest in meaning."""
    random = np.random.default_rng(1)
    words = np.where(random.random(size) < 0.1, random.random(size), 0).astype(np.float32)
    near = random.choice(size, 500, replace=False).astype(np.int32)
    found = {"words": Column(words), "meaning": Column(random.random(500, dtype=np.float32), near)}

    def matches(context: Context, allowed: Mask) -> Mapping[str, Column]:
        return found

    return matches


def _context(size: int, sort: Sort | None, params: Params) -> Context:
    """What these recipes read of a context, of so many items that may all be shown."""
    random = np.random.default_rng(0)
    live, numbers = np.ones(size, dtype=np.bool_), Numbers()
    for row, price in enumerate(np.round(random.random(size) * 100, 2).tolist()):
        numbers.put(row, price)
    catalogue = SimpleNamespace(
        listed=lambda kinds: live,
        fields=SimpleNamespace(numbers=lambda field, kind: numbers),
        reserved=0,
        given_back=0,
    )
    popularity = random.random(size, dtype=np.float32)
    identity = random.integers(0, 2**63, size, dtype=np.uint64)
    in_order = popularity, top(popularity, identity, FRONT).astype(np.int32)
    lowest = np.argsort(identity)[:FRONT].astype(np.int32)
    made = SimpleNamespace(
        index=SimpleNamespace(catalogue=catalogue),
        rankings=SimpleNamespace(popularity_in_order=lambda: in_order, lowest_identities=lambda: lowest),
        identity=identity,
        exclude=NO_ROWS,
        earlier_pages=NO_ROWS,
        permitted=None,
        kinds=None,
        variants=None,
        live=live,
        n_rows=size,
        small=False,
        n=20,
        length=20,
        brought=5 * params.ranking.candidates,
        params=params,
        sort=sort,
    )
    return cast(Context, made)
