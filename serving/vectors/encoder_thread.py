"""Texts to vectors through one dedicated thread: the event loop never waits for the model."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import monotonic

from database.items import Embedding, text_hash
from serving.errors import EncoderUnavailableError
from serving.types import Vector
from training.models.core.encoder import TextEncoder

_SOON_SECONDS = 2.0
"""How long a list waits for a text."""
_PATIENCE_SECONDS = 20.0
"""How long waits what can't do without: a new text, a search by meaning alone."""
_HUNG_SECONDS = 10.0
"""How long a few texts may take before the model counts as not there. They are waited for nonetheless: asked
for again, they would be computed twice."""
_LOOKS_EVERY = 0.25


class LiveEncoder:
    """Encodes for the event loop. Texts that wait while the thread is busy go together, up to `batch` at
    once; the vectors of the last `remembered` texts are kept, of as many as have `characters` in all.

    The model may lie in another process, which starts later than this one, and dies: see `available`."""

    def __init__(
        self,
        encoder: TextEncoder,
        remembered: int = 10_000,
        batch: int = 4,
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
        self._asking = asyncio.Lock()
        self._asked_at: float | None = None
        self._there = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self._there.set()

    async def open(self) -> None:
        """Find out whether the model is there."""
        try:
            await self._ask([])
        except EncoderUnavailableError:
            self._lost()

    @property
    def name(self) -> str:
        """Name of the model, as stored beside the vectors."""
        return self._encoder.name

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._encoder.dimension

    @property
    def available(self) -> bool:
        """Whether the model answered when it was last asked, or has not been asked for long."""
        return self._there.is_set() and self._asked_for() <= _HUNG_SECONDS

    @property
    def waiting(self) -> int:
        """Texts that are not encoded yet."""
        return len(self._waiting)

    async def close(self) -> None:
        """End the thread: a model in this process finishes what it was asked, for another nobody waits."""
        for task in (self._drain, self._looking):
            if task is not None:
                task.cancel()
        self._encoder.close()
        await asyncio.to_thread(self._thread.shutdown, wait=True, cancel_futures=True)

    async def embed(self, text: str) -> Embedding:
        """A text's vector as it is stored. Raises what `encode` does."""
        return Embedding(self.name, text_hash(text), await self.encode(text))

    async def encode(self, text: str, patience: float = _PATIENCE_SECONDS) -> Vector:
        """Vector float32[d] of one text, normalised. Raises what the model raises.

        A model that is not there is waited for for `patience` seconds; then EncoderUnavailableError is
        raised.
        """
        try:
            async with asyncio.timeout(patience):
                while True:
                    await self._there.wait()
                    with suppress(EncoderUnavailableError):
                        return await self._vector(text)
        except TimeoutError:
            raise EncoderUnavailableError("the embedding model is being loaded or busy") from None

    async def encode_soon(self, text: str) -> Vector | None:
        """The same for one who can do without: None while the model is not there, or would take long.

        That it takes long is waited for once, and not by each who asks.
        """
        if text not in self._known and (not self._there.is_set() or self._asked_for() > _SOON_SECONDS):
            return None
        try:
            async with asyncio.timeout(_SOON_SECONDS):
                return await self._vector(text)
        except (TimeoutError, EncoderUnavailableError):
            return None

    async def encode_behind_others(self, texts: Sequence[str]) -> list[Vector | Exception]:
        """A vector of each of a few texts, or the model's error, once nobody else waits for the model.

        Others wait for these, too, while they are encoded, and they are not remembered. Raises
        EncoderUnavailableError at once while the model is not there.
        """
        while self._drain is not None and not self._drain.done():
            await asyncio.wait([self._drain])
        if not self._there.is_set():
            raise EncoderUnavailableError("the embedding model is not there")
        try:
            return await self._ask(texts)
        except EncoderUnavailableError:
            self._lost()
            raise

    def _asked_for(self) -> float:
        """Seconds since the question that the model has not answered yet; 0 without one."""
        return 0.0 if self._asked_at is None else monotonic() - self._asked_at

    async def _vector(self, text: str) -> Vector:
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
        while self._waiting:
            texts = list(self._waiting)[: self._batch]
            try:
                vectors = await self._ask(texts)
            except EncoderUnavailableError as error:
                self._lost()
                for future in self._waiting.values():
                    _fail(future, error)
                self._waiting.clear()
                return
            for text, found in zip(texts, vectors, strict=True):
                future = self._waiting.pop(text)
                if isinstance(found, Exception):
                    _fail(future, found)
                    continue
                self._remember(text, found)
                if not future.done():
                    future.set_result(found)

    async def _ask(self, texts: Sequence[str]) -> list[Vector | Exception]:
        loop = asyncio.get_running_loop()
        async with self._asking:
            self._asked_at = monotonic()
            try:
                return await loop.run_in_executor(self._thread, self._encode_batch, texts)
            finally:
                self._asked_at = None

    def _lost(self) -> None:
        """The model is not there: look until it is again."""
        self._there.clear()
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        while not self._there.is_set():
            await asyncio.sleep(_LOOKS_EVERY)
            with suppress(EncoderUnavailableError):
                await self._ask([])
                self._there.set()

    def _encode_batch(self, texts: Sequence[str]) -> list[Vector | Exception]:
        """A vector or an error for each text. A batch that fails is encoded one by one: of many who wait only
        those are told whose text the model can't read. Raises EncoderUnavailableError."""
        try:
            vectors = self._encoder.encode(texts)
            if len(vectors) != len(texts):
                raise ValueError(f"the encoder made {len(vectors)} vectors of {len(texts)} texts")
            return list(vectors)
        except EncoderUnavailableError:
            raise
        except Exception as error:  # each one who waits is told
            if not texts:  # nobody waits: it was asked whether it is there
                raise EncoderUnavailableError(str(error)) from error
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
