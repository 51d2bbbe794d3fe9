"""Vectors of items that came without one, by file or in a batch: made in the background, by one worker."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from datetime import datetime
from time import monotonic

import asyncpg
import numpy as np

from database.embeddings import Unindexed, alone_at_vectors, unindexed_among
from database.item_writes import store_vectors
from database.items import Embedding
from serving.catalogue.feed import ChangeFeed
from serving.catalogue.index import LiveIndex
from serving.database_pool import Lane, LiveDatabase
from serving.errors import DatabaseUnavailableError, EncoderUnavailableError
from serving.types import Vector
from serving.vectors.encoder_thread import LiveEncoder

logger = logging.getLogger(__name__)

_STORED_AT_ONCE = 64
_ENCODED_AT_ONCE = 4
"""So many texts a query may have to wait for, or one that is long."""
_LETTERS_AT_ONCE = 800
_LOOKS_EVERY = 0.5
_RETRY_SECONDS = 2.0
_REPORT_SECONDS = 60.0
_REFUSALS = 10_000
_REFUSALS_TOLD = 100


class BackgroundVectors:
    """Gives a vector to every item of the index that has a title and none.

    What is to do is read from the index, so it is bounded by it, and goes on where a worker that was killed
    left off. Whatever a step does is in one transaction, whose lock no other worker and no training run has:
    it ends with the connection.
    """

    def __init__(
        self, database: LiveDatabase, encoder: LiveEncoder, index: LiveIndex, feed: ChangeFeed
    ) -> None:
        self._database = database
        self._encoder = encoder
        self._index = index
        self._feed = feed
        self._task: asyncio.Task[None] | None = None
        self._done_at = -1
        """The change up to which nothing was left to do."""
        self._refused: set[str] = set()
        """Hashes of texts that the model can't read."""
        self._began: datetime | None = None
        """By the database's clock. Vectors of another model are replaced if they are older; newer ones are of
        a training run that has newer params."""
        self._complaint: str | None = None

    @property
    def left(self) -> int:
        """Items that have not got their vector yet."""
        return int(self._index.without_vector().sum())

    def open(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Give up: what is left is done after the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            pause = _LOOKS_EVERY
            try:
                if self._feed.applied != self._done_at:
                    await self._give_all(self._feed.applied)
                    self._complaint = None
            except (DatabaseUnavailableError, EncoderUnavailableError) as error:
                self._complain(error, logging.INFO)
                pause = _RETRY_SECONDS
            except Exception as error:  # noqa: BLE001  the boundary of a task that nobody waits for
                self._complain(error, logging.ERROR)
                pause = _RETRY_SECONDS
            await asyncio.sleep(pause)

    def _complain(self, error: Exception, level: int) -> None:
        """Say why items wait: once, and not at each attempt."""
        if repr(error) != self._complaint:
            self._complaint = repr(error)
            seen = error if level == logging.ERROR else None
            logger.log(level, "%d items wait for their vectors: %s", self.left, error, exc_info=seen)

    async def _give_all(self, applied: int) -> None:
        """One round over the items without a vector as of a change, given up where another is at it.

        Those that the last round could do nothing for are left out until they change.
        """
        catalogue = self._index.catalogue
        changed = catalogue.column("change_seq") > self._done_at
        missing = np.flatnonzero(self._index.without_vector() & changed)
        stored, told_at = 0, monotonic()
        for start in range(0, len(missing), _STORED_AT_ONCE):
            async with self._database.connection("making vectors", Lane.VECTORS) as conn, conn.transaction():
                if not await alone_at_vectors(conn):
                    return
                if self._began is None:
                    self._began = await conn.fetchval("select now()")
                if not start:
                    logger.info("%d items without a vector get one in the background", len(missing))
                rows = missing[start : start + _STORED_AT_ONCE].tolist()
                stored += await self._give(conn, [catalogue.id_of(row) for row in rows], self._began)
            if monotonic() > told_at + _REPORT_SECONDS:
                told_at = monotonic()
                logger.info("vectors of %d items made, %d left", stored, self.left)
        if stored:
            logger.info("vectors of %d items made in the background", stored)
        self._done_at = applied

    async def _give(self, conn: asyncpg.Connection, item_ids: Sequence[str], began: datetime) -> int:
        """Store the vectors of those that need one; for how many. Equal texts are encoded once."""
        texts = await unindexed_among(conn, item_ids, self._encoder.name, began)
        vectors = await self._vectors([text for text in texts if text.text_hash not in self._refused])
        made = {
            item_id: Embedding(self._encoder.name, text.text_hash, vectors[text.text_hash])
            for text in texts
            if text.text_hash in vectors
            for item_id in text.item_ids
        }
        return await store_vectors(conn, made, self._encoder.dimension) if made else 0

    async def _vectors(self, texts: Sequence[Unindexed]) -> dict[str, Vector]:
        """The vector of each text, by its hash: the one that there is, or else a new one."""
        found = {
            text.text_hash: np.frombuffer(text.vector, dtype="<f4")
            for text in texts
            if text.vector is not None
        }
        new = [text for text in texts if text.vector is None]
        for part in _few_at_once(new):
            made = await self._encoder.encode_behind_others([text.text for text in part])
            for text, vector in zip(part, made, strict=True):
                if isinstance(vector, Exception):
                    if len(self._refused) < _REFUSALS_TOLD:
                        logger.error("items %s get no vector: %s", ", ".join(text.item_ids[:5]), vector)
                    if len(self._refused) < _REFUSALS:
                        self._refused.add(text.text_hash)
                else:
                    found[text.text_hash] = vector
        return found


def _few_at_once(texts: Sequence[Unindexed]) -> Iterator[list[Unindexed]]:
    """The texts in parts that are encoded soon."""
    part: list[Unindexed] = []
    letters = 0
    for text in texts:
        letters += len(text.text)
        if part and (len(part) == _ENCODED_AT_ONCE or letters > _LETTERS_AT_ONCE):
            yield part
            part, letters = [], len(text.text)
        part.append(text)
    if part:
        yield part
