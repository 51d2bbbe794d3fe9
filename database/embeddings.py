"""Vectors of items: which are missing or of an older text, and storing many at once."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import numpy as np
from numpy.typing import NDArray
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import execute_values

from database.locks import VECTORS, session_lock

logger = logging.getLogger(__name__)

BATCH = 512
"""Vectors stored in one transaction: what a crash makes the next run do again."""
# The texts are made of these few alone, and a vector of the same text is looked up by the index.
_UNINDEXED = """
    with missing as (
        select i.item_id, i.text_hash, title, category, sub_category, tags, description
        from items i left join embeddings e on e.item_id = i.item_id
        where i.deleted_at is null and i.text_hash is not null
            and (e.item_id is null or e.text_hash <> i.text_hash or e.model <> {model}{older}) {which}
    ), texts as (
        select text_hash, array_agg(item_id order by item_id) as item_ids,
            min(embedding_text(title, category, sub_category, tags, description)) as text
        from missing group by text_hash
    )
    select text_hash, text, item_ids, (
        select vector from embeddings e where e.text_hash = t.text_hash and e.model = {model} limit 1
    ) from texts t order by item_ids[1]
"""
_BYTES = 4
"""Of a number in a vector."""


@dataclass(frozen=True, slots=True)
class Unindexed:
    """A text whose items, one or more, need a vector of it."""

    text_hash: str
    text: str
    vector: bytes | None
    """float32 little-endian, where another item of the same text has one already."""
    item_ids: tuple[str, ...]


def index_items(
    conn: Connection,
    model: str,
    encode: Callable[[list[str]], NDArray[np.float32]],
    batch: int = BATCH,
) -> int:
    """Store a vector of `model` for every item whose text has none; returns how many were stored.

    Items of one text share its vector: it is encoded once. Commits after each batch: what is done stays done
    when it is stopped, and the live plane sees it, whose workers leave the rest to this meanwhile.

    Args:
        conn: has no transaction open.
        model: what the vectors are of.
        encode: texts → float32[n, dimension]; only called when there is something to encode.
        batch: items of one transaction.
    """
    stored = 0
    with session_lock(conn, VECTORS):  # the service's workers make no vectors meanwhile
        while texts := unindexed(conn, model, batch):
            conn.commit()  # encoding takes long: no transaction stays open meanwhile
            stored += store(conn, model, texts, _vectors(texts, encode))
            conn.commit()
    logger.info("Stored vectors of %d items (%s).", stored, model)
    return stored


async def alone_at_vectors(conn: asyncpg.Connection) -> bool:
    """Whether nobody else makes vectors until the transaction under way ends: then others wait."""
    return bool(await conn.fetchval("select pg_try_advisory_xact_lock($1)", VECTORS))


def _vectors(texts: Sequence[Unindexed], encode: Callable[[list[str]], NDArray[np.float32]]) -> list[bytes]:
    """A vector of each text, as it is stored: the one that there is, or else a new one."""
    new = [text.text for text in texts if text.vector is None]
    encoded = iter(encode(new)) if new else iter(())
    return [next(encoded).astype("<f4").tobytes() if text.vector is None else text.vector for text in texts]


def unindexed(conn: Connection, model: str, limit: int) -> list[Unindexed]:
    """Texts of the first `limit` items without a vector of `model`; bare and deleted ones need none."""
    statement = _UNINDEXED.format(model="%(model)s", older="", which="order by i.item_id limit %(limit)s")
    with conn.cursor() as cursor:
        cursor.execute(statement, {"model": model, "limit": limit})
        return [_unindexed(row) for row in cursor.fetchall()]


async def unindexed_among(
    conn: asyncpg.Connection, item_ids: Sequence[str], model: str, before: datetime
) -> list[Unindexed]:
    """Texts of those of the items that have no vector of `model`; bare and deleted ones need none.

    A vector of another model counts if it was stored at or after `before`.
    """
    statement = _UNINDEXED.format(model="$1", older=" and e.updated_at < $3", which="and i.item_id = any($2)")
    return [_unindexed(tuple(row)) for row in await conn.fetch(statement, model, list(item_ids), before)]


def _unindexed(row: tuple[Any, ...]) -> Unindexed:
    text_hash, text, item_ids, vector = row
    return Unindexed(text_hash, text, None if vector is None else bytes(vector), tuple(item_ids))


def store(conn: Connection, model: str, texts: Sequence[Unindexed], vectors: Sequence[bytes]) -> int:
    """Store the vector of each text for its items, and announce them in the change feed.

    Items whose text has changed meanwhile are left out: they are found as unindexed again. Returns for how
    many items vectors were stored; the caller commits. Raises ValueError when there are not as many vectors
    (float32[dimension] each, little-endian) as texts.
    """
    if len(texts) != len(vectors):
        raise ValueError(f"{len(texts)} texts and {len(vectors)} vectors")
    if not texts:
        return 0
    with conn.cursor() as cursor:
        cursor.execute("update change_state set catalogue_seq = catalogue_seq + 1 returning catalogue_seq")
        stored = execute_values(
            cursor,
            """insert into embeddings (item_id, model, dimension, text_hash, vector)
            select v.item_id, v.model, v.dimension, v.text_hash, v.vector
            from (values %s) v (item_id, model, dimension, text_hash, vector)
            join items i on i.item_id = v.item_id and i.text_hash = v.text_hash and i.deleted_at is null
            on conflict (item_id) do update set model = excluded.model, dimension = excluded.dimension,
                text_hash = excluded.text_hash, vector = excluded.vector, updated_at = now()
            returning item_id""",
            [
                (item_id, model, len(vector) // _BYTES, text.text_hash, vector)
                for text, vector in zip(texts, vectors, strict=True)
                for item_id in text.item_ids
            ],
            fetch=True,
        )
        ids = [row[0] for row in stored]
        cursor.execute(
            "update items set change_seq = (select catalogue_seq from change_state) where item_id = any(%s)",
            (ids,),
        )
    return len(ids)
