"""Vectors of items: which are missing or of an older text, and storing many at once."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import execute_values

logger = logging.getLogger(__name__)

BATCH = 512
"""Texts whose vectors are stored in one transaction: what a crash makes the next run do again."""
_BYTES = 4
"""Of a number in a vector."""


@dataclass(frozen=True, slots=True)
class Unindexed:
    """A text whose items, one or more, need a vector of it."""

    text_hash: str
    text: str
    vector: bytes | None
    """float32 little-endian, where another item of the same text has one already."""


def index_items(
    conn: Connection,
    model: str,
    encode: Callable[[list[str]], NDArray[np.float32]],
    batch: int = BATCH,
) -> int:
    """Store a vector of `model` for every item whose text has none; returns how many were stored.

    Items of one text share its vector: it is encoded once. Commits after each batch: what is done stays done
    when it is stopped, and the live plane sees it.

    Args:
        conn: has no transaction open.
        model: what the vectors are of.
        encode: texts → float32[n, dimension]; only called when there is something to encode.
        batch: texts of one transaction.
    """
    stored = 0
    while texts := unindexed(conn, model, batch):
        conn.commit()  # encoding takes long: no transaction stays open meanwhile
        stored += store(conn, model, texts, _vectors(texts, encode))
        conn.commit()
    conn.commit()
    logger.info("Stored vectors of %d items (%s).", stored, model)
    return stored


def _vectors(texts: Sequence[Unindexed], encode: Callable[[list[str]], NDArray[np.float32]]) -> list[bytes]:
    """A vector of each text, as it is stored: the one that there is, or else a new one."""
    new = [text.text for text in texts if text.vector is None]
    encoded = iter(encode(new)) if new else iter(())
    return [next(encoded).astype("<f4").tobytes() if text.vector is None else text.vector for text in texts]


def unindexed(conn: Connection, model: str, limit: int) -> list[Unindexed]:
    """Texts of items without a vector of `model` for them; bare and deleted items need none."""
    with conn.cursor() as cursor:
        cursor.execute(
            """with missing as (
                select i.text_hash,
                    min(embedding_text(title, category, sub_category, tags, description)) as text
                from items i left join embeddings e on e.item_id = i.item_id
                where i.deleted_at is null and i.text_hash is not null
                    and (e.item_id is null or e.text_hash <> i.text_hash or e.model <> %(model)s)
                group by i.text_hash order by i.text_hash limit %(limit)s
            )
            select distinct on (m.text_hash) m.text_hash, m.text, e.vector
            from missing m left join embeddings e on e.text_hash = m.text_hash and e.model = %(model)s
            order by m.text_hash""",
            {"model": model, "limit": limit},
        )
        return [
            Unindexed(text_hash, text, None if vector is None else bytes(vector))
            for text_hash, text, vector in cursor.fetchall()
        ]


def store(conn: Connection, model: str, texts: Sequence[Unindexed], vectors: Sequence[bytes]) -> int:
    """Store the vector of each text for all items that have it, and announce them in the change feed.

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
            select i.item_id, v.model, v.dimension, v.text_hash, v.vector
            from (values %s) v (model, dimension, text_hash, vector)
            join items i on i.text_hash = v.text_hash and i.deleted_at is null
            left join embeddings e on e.item_id = i.item_id
            where e.item_id is null or e.text_hash <> i.text_hash or e.model <> v.model
            on conflict (item_id) do update set model = excluded.model, dimension = excluded.dimension,
                text_hash = excluded.text_hash, vector = excluded.vector, updated_at = now()
            returning item_id""",
            [
                (model, len(vector) // _BYTES, text.text_hash, vector)
                for text, vector in zip(texts, vectors, strict=True)
            ],
            page_size=len(texts),
            fetch=True,
        )
        ids = [row[0] for row in stored]
        cursor.execute(
            "update items set change_seq = (select catalogue_seq from change_state) where item_id = any(%s)",
            (ids,),
        )
    return len(ids)
