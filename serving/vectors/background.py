"""Vectors of many items at once, made in the background by the worker that stored them."""

import asyncio
import logging
from collections.abc import Sequence

from database.item_writes import store_vectors, without_vector
from database.items import Embedding, ItemRow, embedding_text
from serving.database_pool import Lane, LiveDatabase
from serving.errors import DatabaseUnavailableError, EncoderUnavailableError
from serving.vectors.encoder_thread import LiveEncoder

logger = logging.getLogger(__name__)

_STORED_AT_ONCE = 64
_ENCODED_AT_ONCE = 16
"""So many texts a query has to wait for."""
_RETRY_SECONDS = 2.0


class BackgroundVectors:
    """What is left when the worker stops gets its vector in the next training run."""

    def __init__(self, database: LiveDatabase, encoder: LiveEncoder) -> None:
        self._database = database
        self._encoder = encoder
        self._waiting: dict[str, None] = {}
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Items that have not got their vector yet."""
        return len(self._waiting)

    def make(self, item_ids: Sequence[str]) -> None:
        """See to it that these items get their vectors."""
        self._waiting |= dict.fromkeys(item_ids)
        if self._waiting and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Give up."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while self._waiting:
            item_ids = list(self._waiting)[:_STORED_AT_ONCE]
            for item_id in item_ids:
                del self._waiting[item_id]
            try:
                await self._give(item_ids)
            except (DatabaseUnavailableError, EncoderUnavailableError) as error:
                logger.warning("vectors wait: %s", error)
                self._waiting |= dict.fromkeys(item_ids)
                await asyncio.sleep(_RETRY_SECONDS)

    async def _give(self, item_ids: Sequence[str]) -> None:
        async with self._database.connection("reading texts", Lane.FOLLOW) as conn:
            rows = await without_vector(conn, item_ids, self._encoder.name)
        made: dict[str, Embedding] = {}
        for start in range(0, len(rows), _ENCODED_AT_ONCE):
            part = rows[start : start + _ENCODED_AT_ONCE]
            found = await asyncio.gather(*map(self._encode, part), return_exceptions=True)
            for row, vector in zip(part, found, strict=True):
                if isinstance(vector, EncoderUnavailableError):
                    raise vector
                if isinstance(vector, BaseException):
                    logger.error("item %s gets no vector: %s", row.item_id, vector)
                else:
                    made[row.item_id] = vector
        if made:
            async with self._database.connection("storing vectors", Lane.CATALOGUE) as conn:
                await store_vectors(conn, made, self._encoder.dimension)

    async def _encode(self, row: ItemRow) -> Embedding:
        text = embedding_text(row.title, row.category, row.sub_category, row.tags, row.description)
        return await self._encoder.embed(text)
