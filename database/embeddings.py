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
"""Vectors stored in one transaction: what a crash makes the next run do again."""


@dataclass(frozen=True, slots=True)
class Unindexed:
    """An item that needs a vector, and the text to make it of."""

    item_id: str
    text: str
    text_hash: str


def index_items(
    conn: Connection,
    model: str,
    encode: Callable[[list[str]], NDArray[np.float32]],
    batch: int = BATCH,
) -> int:
    """Store a vector of `model` for every item whose text has none; returns how many were stored.

    Commits after each batch: what is done stays done when it is stopped, and the live plane sees it.

    Args:
        conn: has no transaction open.
        model: what the vectors are of.
        encode: texts → float32[n, dimension]; only called when there is something to encode.
        batch: items of one transaction.
    """
    stored = 0
    while items := unindexed(conn, model, batch):
        conn.commit()  # encoding takes long: no transaction stays open meanwhile
        stored += store(conn, model, items, encode([item.text for item in items]))
        conn.commit()
    conn.commit()
    logger.info("Stored vectors of %d items (%s).", stored, model)
    return stored


def unindexed(conn: Connection, model: str, limit: int) -> list[Unindexed]:
    """Items without a vector of `model` for their present text; bare and deleted items need none."""
    with conn.cursor() as cursor:
        cursor.execute(
            """select i.item_id, embedding_text(title, category, sub_category, tags, description), i.text_hash
            from items i left join embeddings e on e.item_id = i.item_id
            where i.deleted_at is null and i.text_hash is not null
                and (e.item_id is null or e.text_hash <> i.text_hash or e.model <> %s)
            order by i.item_id limit %s""",
            (model, limit),
        )
        return [Unindexed(*row) for row in cursor.fetchall()]


def store(conn: Connection, model: str, items: Sequence[Unindexed], vectors: NDArray[np.float32]) -> int:
    """Store vectors, float32[n, dimension], for `items`, and announce them in the change feed.

    An item whose text has changed meanwhile is left out: it is found as unindexed again. Returns how
    many were stored; the caller commits.

    Raises:
        ValueError: there are not as many vectors as items.
    """
    if len(items) != len(vectors):
        raise ValueError(f"{len(items)} items and {len(vectors)} vectors")
    if not items:
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
                (item.item_id, model, len(vector), item.text_hash, vector.astype("<f4").tobytes())
                for item, vector in zip(items, vectors, strict=True)
            ],
            fetch=True,
        )
        ids = [row[0] for row in stored]
        cursor.execute(
            "update items set change_seq = (select catalogue_seq from change_state) where item_id = any(%s)",
            (ids,),
        )
    return len(ids)
