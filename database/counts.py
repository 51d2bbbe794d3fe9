"""How many rows the tables have: counted while they are small, estimated from a part of them otherwise.

To count 1.5 million interactions takes a second of a quiet machine and many of a busy one. Of a table of more
than EXACT_PAGES only some pages are read, and the rest is taken to be like these. How many rows it has in all
is what PostgreSQL's planner goes by: the rows a page had when it was last analysed, times its pages of now.
"""

from dataclasses import dataclass
from typing import Any

import asyncpg

EXACT_PAGES = 4096
"""Of 8 KB: a table of 32 MB, some 300,000 interactions, is counted."""
_SAMPLED_PAGES = 300

_SIZES = """
    select coalesce(sum(pages), 0)::float8 as pages,
        coalesce(sum(pages) filter (where known), 0)::float8 as known_pages,
        coalesce(sum(reltuples::float8 * pages / relpages) filter (where known), 0)::float8 as rows
    from (
        select c.reltuples, c.relpages, c.relpages > 0 and c.reltuples >= 0 as known,
            pg_relation_size(c.oid) / current_setting('block_size')::int as pages
        from pg_class c left join pg_inherits i on i.inhrelid = c.oid
        where $1::text::regclass in (c.oid, i.inhparent) and c.relkind = 'r'
    ) parts
"""
"""Pages of a table and its partitions, how many of them are of those that were analysed, and their rows."""

_COUNTS = {
    "items": """count(*) as seen,
        count(*) filter (where deleted_at is null and title is not null) as items,
        count(*) filter (where deleted_at is null and title is not null and kind = 'product') as products,
        count(*) filter (where deleted_at is null and title is null) as bare_items""",
    "users": "count(*) as seen, count(*) as users",
    "embeddings": "count(*) as seen, count(*) as embeddings",
    "interactions": """count(*) as seen, count(*) as interactions,
        count(*) filter (where user_id is not null and item_id is not null) as ratings,
        avg(value) filter (where event_type = 'rating') as average_rating""",
}
_PAGES_SEEN = ", count(distinct (tableoid, split_part(ctid::text, ',', 1))) as pages_seen"
_MEANS = ("average_rating",)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows there are to recommend from; items without a title or deleted are not counted."""

    items: int
    products: int
    bare_items: int
    users: int
    interactions: int
    ratings: int
    """Interactions between a known user and an item, of any type: what the matrix factorisation reads."""
    average_rating: float | None
    """Mean stars of the ratings that users gave; None without any."""
    embeddings: int
    estimated: tuple[str, ...] = ()
    """Tables that were too large to be counted."""


async def read_counts(conn: asyncpg.Connection, exact_pages: int = EXACT_PAGES) -> Counts:
    """Rows of the tables; of those of more than `exact_pages` an estimate, which is a few percent off at most
    where the table was analysed or its rows are of like size."""
    found: dict[str, Any] = {}
    estimated = []
    for table, columns in _COUNTS.items():
        sizes = await conn.fetchrow(_SIZES, table)
        if sizes["pages"] <= exact_pages:
            found |= dict(await conn.fetchrow(f"select {columns} from {table}"))
        else:
            found |= await _estimate(conn, table, columns, sizes)
            estimated.append(table)
    del found["seen"]
    return Counts(**found, estimated=tuple(estimated))


async def _estimate(
    conn: asyncpg.Connection, table: str, columns: str, sizes: asyncpg.Record
) -> dict[str, Any]:
    """The counts of a large table by those of some of its pages, which are the same until it changes."""
    percent = min(100.0, 100 * _SAMPLED_PAGES / sizes["pages"])
    sample = dict(
        await conn.fetchrow(
            f"select {columns}{_PAGES_SEEN} from {table} tablesample system ({percent}) repeatable (0)"
        )
    )
    pages_seen = sample.pop("pages_seen")
    a_page = sample["seen"] / pages_seen if pages_seen else 0.0
    rows = sizes["rows"] + a_page * (sizes["pages"] - sizes["known_pages"])
    times = rows / sample["seen"] if sample["seen"] else 0.0
    return {name: value if name in _MEANS else round(value * times) for name, value in sample.items()}
