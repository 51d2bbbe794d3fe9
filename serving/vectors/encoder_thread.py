"""Texts to vectors in one dedicated thread: the event loop never waits for the model."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from database.items import Embedding, text_hash
from training.models.core.encoder import TextEncoder

Vector = NDArray[np.float32]


class LiveEncoder:
    """Encodes for the event loop. Queries that wait while the thread is busy go together in its next batch;
    the vectors of the last `remembered` texts are kept, of as many as have `characters` in all."""

    def __init__(
        self,
        encoder: TextEncoder,
        remembered: int = 10_000,
        batch: int = 32,
        characters: int = 2_000_000,
    ) -> None:
        self._encoder = encoder
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="encoder")
        self._remembered = remembered
        self._most_characters = characters
        self._characters = 0
        self._batch = batch
        self._known: OrderedDict[str, Vector] = OrderedDict()
        self._waiting: dict[str, asyncio.Future[Vector]] = {}
        self._drain: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """Name of the model, as stored beside the vectors."""
        return self._encoder.name

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._encoder.dimension

    @property
    def waiting(self) -> int:
        """Texts that are not encoded yet."""
        return len(self._waiting)

    def close(self) -> None:
        """Let the thread finish its batch and end."""
        if self._drain is not None:
            self._drain.cancel()
        self._thread.shutdown(wait=True, cancel_futures=True)

    async def embed(self, text: str) -> Embedding:
        """A text's vector as it is stored. Raises what `encode` does."""
        return Embedding(self.name, text_hash(text), await self.encode(text))

    async def encode(self, text: str) -> Vector:
        """Vector float32[d] of one text, normalised. Raises what the model raises."""
        known = self._known.get(text)
        if known is not None:
            self._known.move_to_end(text)
            return known
        waiting = self._waiting.get(text)
        if waiting is None:
            waiting = self._waiting[text] = asyncio.get_running_loop().create_future()
            if self._drain is None or self._drain.done():
                self._drain = asyncio.create_task(self._encode_waiting())
        return await asyncio.shield(waiting)

    async def _encode_waiting(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            texts = list(self._waiting)[: self._batch]
            for text, found in zip(
                texts, await loop.run_in_executor(self._thread, self._encode_batch, texts), strict=True
            ):
                future = self._waiting.pop(text)
                if isinstance(found, Exception):
                    _fail(future, found)
                    continue
                self._remember(text, found)
                if not future.done():
                    future.set_result(found)

    def _encode_batch(self, texts: Sequence[str]) -> list[Vector | Exception]:
        """A vector or an error for each text. A batch that fails is encoded one by one: of many who wait only
        those are told whose text the model can't read."""
        try:
            vectors = self._encoder.encode(texts)
            if len(vectors) != len(texts):
                raise ValueError(f"the encoder made {len(vectors)} vectors of {len(texts)} texts")
            return list(vectors)
        except Exception as error:  # noqa: BLE001  each one who waits is told
            if len(texts) == 1:
                return [error]
            return [found for text in texts for found in self._encode_batch([text])]

    def _remember(self, text: str, vector: Vector) -> None:
        self._known[text] = vector
        self._characters += len(text)
        while len(self._known) > self._remembered or self._characters > self._most_characters:
            oldest, _ = self._known.popitem(last=False)
            self._characters -= len(oldest)


def _fail(future: asyncio.Future[Vector], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # nobody may be waiting any more: then it is not an error that it is not read
