"""The catalogue: one row an item, and a change feed by sequence number.

Every writing transaction takes the next number of `change_state.catalogue_seq` first, whose row lock it
holds until it commits: the order of the numbers is the order of the commits, and a reader that has
applied number n has seen every change up to n. A deleted item stays as a row that says so.

A *bare* item has no title: only interactions mention it. Creating an item under its id fills it.
"""

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import asyncpg
import numpy as np
from numpy.typing import NDArray

from database.errors import DatabaseError

CONTENT = (
    "kind",
    "title",
    "description",
    "category",
    "sub_category",
    "tags",
    "image_url",
    "link",
    "rating",
    "rating_count",
    "price",
    "original_price",
    "discount_ratio",
)
"""The columns that describe an item."""

TEXT = ("title", "category", "sub_category", "tags", "description")
"""Those of which the text is made that an item's vector stands for; see `embedding_text`."""

LISTING = ("hidden", "available", "publish_at", "expire_at")
"""The columns that say whether a live item may be in lists."""

WRITTEN = (*CONTENT, *LISTING)
"""What a writer sets, and no other column."""

PRICES = ("price", "original_price", "discount_ratio")
"""They are one statement: whoever gives a price says at once whether it is a reduced one."""

VARIANT_OF = "variant_of"
"""The attribute that makes items variants of one another: all that have it in common, and whom it names."""

ROUNDED = 0.015
"""By how much a stated discount ratio may differ from the one that its two prices give."""

_COLUMNS = ", i.".join(
    [
        *("item_id", *WRITTEN),
        *(
            "article_id",
            "text_hash",
            "attributes::text",
            "categories",
            "stock",
            "dated_at",
            "created_at",
            "updated_at",
            "deleted_at",
            "change_seq",
        ),
    ]
)
_SELECT = f"""
    select i.{_COLUMNS}, e.model as vector_model, e.vector from items i
    left join embeddings e on e.item_id = i.item_id and e.text_hash = i.text_hash and i.deleted_at is null
"""
_AFTER = f"""
    select i.{_COLUMNS}, e.model as vector_model, e.vector from (
        select * from items where deleted_at is null and item_id > $1 order by item_id limit {{limit}}
    ) i left join embeddings e on e.item_id = i.item_id and e.text_hash = i.text_hash order by i.item_id
"""
"""The limit in the text and before the join: the plan is that of so many rows, found by their keys."""
_SHARED = (
    *("kind", "title", "category", "sub_category", "tags", "categories"),
    *("publish_at", "expire_at", "dated_at", "created_at", "updated_at"),
)
"""Texts and times that many items have in common: never a number, whose type an equal one may not have."""
_LOAD_SECONDS = 60.0
"""How long a batch of them may take: nobody waits for an answer yet, and a busy machine must not end it."""
_NEXT_SEQ = "update change_state set catalogue_seq = catalogue_seq + 1 returning catalogue_seq"
_ARTICLE_ID = "A{:09d}"
_DISBELIEVE = f"""
    update items set discount_ratio = null where item_id = $1 and original_price > 0
    and abs(discount_ratio - (1 - price / original_price)) > {ROUNDED}
"""


class StaleEmbeddingError(DatabaseError):
    """The item's text is no longer the one that its new vector was made of: read it, encode, try again."""

    def __init__(self, item_id: str) -> None:
        super().__init__(f"the text of {item_id} changed while it was encoded")
        self.item_id = item_id


@dataclass(frozen=True, slots=True)
class Embedding:
    """The vector of one text: float32[dimension], of length 1."""

    model: str
    text_hash: str
    vector: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemContent:
    """What describes an item. Prices are in the source's currency; `discount_ratio` is 0..1."""

    kind: str
    title: str | None = None
    description: str | None = None
    category: str | None = None
    sub_category: str | None = None
    tags: tuple[str, ...] = ()
    image_url: str | None = None
    link: str | None = None
    rating: float | None = None
    rating_count: int | None = None
    price: float | None = None
    original_price: float | None = None
    discount_ratio: float | None = None
    hidden: bool | None = None
    """Taken out of every list by its owner; None was never said: no."""
    available: bool | None = None
    """Whether it can be had (in stock); None was never said: yes."""
    publish_at: datetime | None = None
    """It is in no list before this moment."""
    expire_at: datetime | None = None
    """It is in no list from this moment on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRow(ItemContent):
    """An item as stored. `vector` is float32 little-endian bytes, None when missing or of an older text."""

    item_id: str
    article_id: int | None
    text_hash: str | None
    attributes: str = field(default="{}")
    """JSON text of what the source said beside the columns."""
    categories: tuple[str, ...] = ()
    stock: int | None = None
    dated_at: datetime | None = None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    change_seq: int
    vector_model: str | None = None
    vector: bytes | None = None


def embedding_text(
    title: str | None,
    category: str | None,
    sub_category: str | None,
    tags: Sequence[str],
    description: str | None,
) -> str:
    """The text that an item's vector is made of: its non-empty parts joined by ". ".

    The SQL function of the same name in the schema says the same; `items.text_hash` is made by it.
    """
    parts = (title, category, sub_category, ", ".join(tags), description)
    return ". ".join(part for part in parts if part)


def text_hash(text: str) -> str:
    """Hash that tells whether a stored vector still belongs to its item's text (MD5, hexadecimal)."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


async def get_item(conn: asyncpg.Connection, item_id: str) -> ItemRow | None:
    """One item, deleted or not; None when the id is unknown."""
    record = await conn.fetchrow(f"{_SELECT} where i.item_id = $1", item_id)
    return None if record is None else _row(record)


async def get_article(conn: asyncpg.Connection, article_id: int) -> ItemRow | None:
    """The item of an article's number, deleted or not; None when there is none."""
    record = await conn.fetchrow(f"{_SELECT} where i.article_id = $1", article_id)
    return None if record is None else _row(record)


async def insert_item(
    conn: asyncpg.Connection, item_id: str | None, content: ItemContent, embedding: Embedding | None
) -> ItemRow | None:
    """Create an item and store its vector, in one transaction; an article without an id is numbered.

    A bare or deleted item of that id is filled anew. Returns None when a described one stands there.
    Raises StaleEmbeddingError when the vector is of another text, ValueError for no id and no article.
    """
    async with conn.transaction():
        seq = await conn.fetchval(_NEXT_SEQ)
        if item_id is None and content.kind != "article":
            raise ValueError("only articles are numbered by the database")
        article_id = (
            await conn.fetchval("select nextval('article_id_seq')") if content.kind == "article" else None
        )
        found = item_id if item_id is not None else _ARTICLE_ID.format(article_id)
        values = [getattr(content, name) for name in WRITTEN]
        marks = ", ".join(f"${number}" for number in range(4, 4 + len(WRITTEN)))
        updates = ", ".join(f"{name} = excluded.{name}" for name in WRITTEN)
        created = await conn.fetchval(
            f"""insert into items (item_id, article_id, change_seq, {", ".join(WRITTEN)})
            values ($1, $2, $3, {marks})
            on conflict (item_id) do update set {updates}, change_seq = excluded.change_seq,
                article_id = coalesce(items.article_id, excluded.article_id),
                deleted_at = null, created_at = now(), updated_at = now()
            where items.deleted_at is not null or items.title is null
            returning item_id""",
            found,
            article_id,
            seq,
            *values,
        )
        if created is None:
            return None
        await conn.execute(_DISBELIEVE, found)
        return await finish(conn, found, embedding)


async def update_item(
    conn: asyncpg.Connection, item_id: str, changes: Mapping[str, Any], embedding: Embedding | None
) -> ItemRow | None:
    """Set the columns named in `changes` (see WRITTEN) and store the new vector, in one transaction.

    A new price ends the sale of the old one: of PRICES, what is not named with it is cleared. A discount
    ratio that contradicts the item's prices is not stored.

    `embedding` None keeps the stored vector, right when the text is unchanged. Returns None when the
    id is unknown or deleted. Raises StaleEmbeddingError; ValueError for a column that is none of WRITTEN.
    """
    unknown = set(changes) - set(WRITTEN)
    if unknown:
        raise ValueError(f"not columns of an item: {', '.join(sorted(unknown))}")
    if "price" in changes:
        changes = dict.fromkeys(PRICES) | dict(changes)
    names = list(changes)
    sets = "".join(f"{name} = ${number}, " for number, name in enumerate(names, start=3))
    async with conn.transaction():
        seq = await conn.fetchval(_NEXT_SEQ)
        status = await conn.execute(
            f"""update items set {sets} updated_at = now(), change_seq = $2
            where item_id = $1 and deleted_at is null""",
            item_id,
            seq,
            *(changes[name] for name in names),
        )
        if status == "UPDATE 0":
            return None
        if not changes.keys().isdisjoint(PRICES):
            await conn.execute(_DISBELIEVE, item_id)
        return await finish(conn, item_id, embedding)


async def delete_item(conn: asyncpg.Connection, item_id: str) -> int | None:
    """Mark an item deleted and drop its vector, in one transaction.

    Returns the change's sequence number; None when the id is unknown or already deleted.
    """
    async with conn.transaction():
        seq: int = await conn.fetchval(_NEXT_SEQ)
        deleted = await conn.fetchval(
            """update items set deleted_at = now(), updated_at = now(), change_seq = $2
            where item_id = $1 and deleted_at is null returning true""",
            item_id,
            seq,
        )
        await conn.execute("delete from embeddings where item_id = $1", item_id)
        return seq if deleted else None


async def delete_kind(conn: asyncpg.Connection, kind: str) -> int:
    """Mark every item of a kind deleted and drop their vectors, in one transaction; returns how many."""
    async with conn.transaction():
        seq = await conn.fetchval(_NEXT_SEQ)
        rows = await conn.fetch(
            """update items set deleted_at = now(), updated_at = now(), change_seq = $2
            where kind = $1 and deleted_at is null returning item_id""",
            kind,
            seq,
        )
        ids = [row["item_id"] for row in rows]
        await conn.execute("delete from embeddings where item_id = any($1)", ids)
        return len(ids)


async def fetch_changes(
    conn: asyncpg.Connection, after_seq: int, limit: int, after_item: str | None = None
) -> list[ItemRow]:
    """Up to `limit` changed items, deleted ones among them, ordered by (change_seq, item_id).

    One transaction may change many items under one number: go on within it by passing the last row's
    number and id. `changes` does so for the caller.
    """
    if after_item is None:
        rows = await conn.fetch(
            f"{_SELECT} where i.change_seq > $1 order by i.change_seq, i.item_id limit $2", after_seq, limit
        )
    else:
        rows = await conn.fetch(
            f"{_SELECT} where (i.change_seq, i.item_id) > ($1, $2) order by i.change_seq, i.item_id limit $3",
            after_seq,
            after_item,
            limit,
        )
    return [_row(row) for row in rows]


async def changes(
    conn: asyncpg.Connection, after_seq: int, batch: int = 2000
) -> AsyncIterator[list[ItemRow]]:
    """Every change after `after_seq`, in batches. Only at the end is the last row's number wholly applied."""
    rows = await fetch_changes(conn, after_seq, batch)
    while rows:
        yield rows
        if len(rows) < batch:
            return
        rows = await fetch_changes(conn, rows[-1].change_seq, batch, rows[-1].item_id)


async def load_catalogue(conn: asyncpg.Connection, batch: int = 2000) -> AsyncIterator[list[ItemRow]]:
    """Every item that is not deleted, bare ones among them, in batches.

    They are as of one moment inside a REPEATABLE READ transaction; to know the moment, read the state in it.
    What items of a batch have in common, such as a category, is one object: whoever keeps all holds less.
    """
    # Batches by key: one statement for all sorts a large catalogue with its vectors before it gives a row,
    # which for a million items takes longer than a statement may. After a load, before the database has
    # counted the table, it would sort it for each batch, too.
    await conn.execute("set local enable_sort = off")
    after = ""
    while records := await conn.fetch(_AFTER.format(limit=batch), after, timeout=_LOAD_SECONDS):
        known: dict[Any, Any] = {}
        yield [_row(record, known) for record in records]
        after = records[-1]["item_id"]


async def finish(conn: asyncpg.Connection, item_id: str, embedding: Embedding | None) -> ItemRow:
    """Store an item's vector, if there is one, and read the item, in the caller's transaction.

    Raises StaleEmbeddingError when the vector is of another text.
    """
    if embedding is not None:
        await _store(conn, item_id, embedding)
    row = await get_item(conn, item_id)
    if row is None:
        raise LookupError(item_id)
    if embedding is not None and row.text_hash != embedding.text_hash:
        raise StaleEmbeddingError(item_id)
    return row


async def _store(conn: asyncpg.Connection, item_id: str, embedding: Embedding) -> None:
    vector = np.ascontiguousarray(embedding.vector, dtype="<f4")
    await conn.execute(
        """insert into embeddings (item_id, model, dimension, text_hash, vector) values ($1, $2, $3, $4, $5)
        on conflict (item_id) do update set model = excluded.model, dimension = excluded.dimension,
            text_hash = excluded.text_hash, vector = excluded.vector, updated_at = now()""",
        item_id,
        embedding.model,
        vector.size,
        embedding.text_hash,
        vector.tobytes(),
    )


def _row(record: asyncpg.Record, known: dict[Any, Any] | None = None) -> ItemRow:
    """A record as a row; `known` are the values of others that it may share, and gets its own."""
    fields = dict(record)
    fields["tags"] = tuple(fields["tags"])
    fields["categories"] = tuple(fields["categories"])
    if known is not None:
        for name in _SHARED:
            fields[name] = known.setdefault(fields[name], fields[name])
    return ItemRow(**fields)
