"""Vectors of the catalogue's texts: those that are missing or of an older text are made and stored."""

import logging
from collections.abc import Callable

from psycopg2.extensions import connection as Connection  # noqa: N812

from database.embeddings import store, unindexed
from training.models.core.encoder import TextEncoder

logger = logging.getLogger(__name__)

BATCH = 512
"""Vectors stored in one transaction: what a crash makes the next run do again."""


def index_items(conn: Connection, model: str, load: Callable[[str], TextEncoder]) -> int:
    """Store a vector of `model` for every item whose text has none; returns how many were stored.

    Commits after each batch, so the live plane sees them as they come. The encoder is loaded, by `load`,
    only when there is something to encode.
    """
    encoder: TextEncoder | None = None
    stored = 0
    while items := unindexed(conn, model, BATCH):
        conn.commit()
        encoder = encoder or load(model)
        vectors = encoder.encode([item.text for item in items])
        stored += store(conn, model, items, vectors)
        conn.commit()
    conn.commit()
    logger.info("%d items got a vector of %s.", stored, model)
    return stored
