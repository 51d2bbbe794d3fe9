"""The log of shown lists: collected in memory, written in batches by COPY, never in a request's way.

What is lost: a worker that is killed loses the lists of the last `flush_ms` and those of the write under
way, so at most those that were shown since the write before the last one began. While the database
is away lists wait, up to `queue_lists` of them (a kill then loses all that wait); any more are dropped and
counted. An orderly stop writes what waits first. A write that broke off after the database had it is done
again: those lists are then there twice.
"""

import asyncio
import logging
from collections import deque
from itertools import islice

import asyncpg

from database.impressions import ImpressionRow, write_impressions
from serving.database_errors import NOT_DONE
from serving.observe.list_metrics import list_metrics
from training.params.experiments import ImpressionsParams

logger = logging.getLogger(__name__)

_REFUSED = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.exceptions.DataError,
    ValueError,
)
"""What is wrong with a row itself: NOT_DONE holds some of it, but trying it again would not help."""

_LONGEST_PAUSE_SECONDS = 5.0
_CLOSE_SECONDS = 5.0


class ImpressionLog:
    """One per worker. `add` is a few microseconds, and neither waits nor fails."""

    def __init__(self, pool: asyncpg.Pool, params: ImpressionsParams) -> None:
        self._pool = pool
        self._params = params
        self._queue: deque[ImpressionRow] = deque()
        self._some = asyncio.Event()
        self._many = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.written = 0
        """Lists in the database."""
        self.dropped = 0
        """Lists that were lost: the queue was full, the database refused them, or the stop took too long."""
        self._told = (0, 0)

    @property
    def waiting(self) -> int:
        """Lists that are not written yet."""
        return len(self._queue)

    def add(self, row: ImpressionRow) -> bool:
        """Take a list to be written; False when there is no room and it was dropped."""
        if len(self._queue) >= self._params.queue_lists:
            self.dropped += 1
            return False
        self._queue.append(row)
        self._some.set()
        if len(self._queue) >= self._params.batch_lists:
            self._many.set()
        return True

    def open(self) -> None:
        """Begin to write. Needs a running event loop."""
        self._task = asyncio.create_task(self._write_on())

    async def close(self) -> None:
        """Write what waits, for at most five seconds, and stop."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait([self._task])
        self._task = None
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                while self._queue:
                    await self._write_batch()
        except NOT_DONE as error:
            logger.error("%d impressions were lost at shutdown: %s", len(self._queue), error)
        self.dropped += len(self._queue)
        self._queue.clear()
        self._tell()

    async def _write_on(self) -> None:
        pause = self._params.flush_ms / 1000
        while True:
            await self._some.wait()
            await self._wait_for_more()
            try:
                await self._write_batch()
                pause = self._params.flush_ms / 1000
            except NOT_DONE as error:
                logger.warning(
                    "%d impressions waiting, the database is unavailable: %s", len(self._queue), error
                )
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            self._tell()

    def _tell(self) -> None:
        """Bring Prometheus' counters up to date."""
        written, dropped = self._told
        list_metrics().count_impressions(self.written - written, self.dropped - dropped, len(self._queue))
        self._told = (self.written, self.dropped)

    async def _wait_for_more(self) -> None:
        if len(self._queue) >= self._params.batch_lists:
            return
        self._many.clear()
        try:
            async with asyncio.timeout(self._params.flush_ms / 1000):
                await self._many.wait()
        except TimeoutError:
            return

    async def _write_batch(self) -> None:
        """Write the oldest lists; they leave the queue once the database has them."""
        batch = list(islice(self._queue, self._params.batch_lists))
        async with self._pool.acquire(timeout=_CLOSE_SECONDS) as conn:
            try:
                await write_impressions(conn, batch)
                self.written += len(batch)
            except _REFUSED:
                await self._write_singly(conn, batch)
        for _ in batch:
            self._queue.popleft()
        if not self._queue:
            self._some.clear()

    async def _write_singly(self, conn: asyncpg.Connection, batch: list[ImpressionRow]) -> None:
        """One of the batch can't be stored: write the others."""
        for row in batch:
            try:
                await write_impressions(conn, [row])
                self.written += 1
            except _REFUSED as error:
                self.dropped += 1
                logger.error("an impression of request %s could not be stored: %s", row.request_id, error)
