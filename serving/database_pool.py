"""The service's side of the database: lanes that don't starve each other, limits on every wait, two errors.

A database that does not answer and one that is busy are different things. The first is asked by nobody but a
probe, once a second, while readers are answered from memory at once. The second is an error of the request
that met it: a lane that is full, a lock that another transaction holds, a statement that takes too long.
"""

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum

import asyncpg

from serving.database_errors import AWAY, BUSY
from serving.errors import DatabaseBusyError, DatabaseUnavailableError

logger = logging.getLogger(__name__)

_PROBE_SECONDS = 1.0
"""How long a probe waits for an answer, and how long it waits until the next."""

_LATE_SECONDS = 0.1
"""A loop that comes so much later than it was asked to was held up."""


class Lane(Enum):
    """What a connection is for."""

    ANSWER = "answer"
    """Reads that are answered from memory where the database takes longer."""
    READ = "read"
    EVENT = "event"
    CATALOGUE = "catalogue"
    """Writes of items, which wait for each other on the row of the catalogue's number."""
    VECTORS = "vectors"
    """Vectors that are made in the background: its transaction is open while they are."""
    FOLLOW = "follow"
    """What no request waits for, or not to its end: changes, scores, bundles. Each statement has a limit."""

    @property
    def seconds(self) -> float | None:
        """How long a block may take, the wait for a connection included; None is no limit."""
        limits = {Lane.ANSWER: 0.75, Lane.READ: 2.0, Lane.EVENT: 5.0, Lane.CATALOGUE: 5.0}
        return limits.get(self)


class LiveDatabase:
    """A pool that is shared out in lanes, and says when the database does not answer."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        # Besides the lanes, the log of impressions, the experiments and the probe have a connection each.
        spare = pool.get_max_size() - 10
        sizes = {Lane.ANSWER: max(1, spare), Lane.READ: 2, Lane.EVENT: 2} if spare > 0 else {}
        self._free = {lane: asyncio.Semaphore(sizes.get(lane, 1)) for lane in Lane}
        self._probe: asyncio.Task[None] | None = None
        self.available = True
        """Whether the database answered when it was last asked."""
        self._silent = False
        """Whether a read was just not answered, and nothing has been since."""

    async def close(self) -> None:
        """Stop asking whether the database answers again."""
        if self._probe is not None:
            self._probe.cancel()
            await asyncio.gather(self._probe, return_exceptions=True)

    @asynccontextmanager
    async def connection(self, operation: str, lane: Lane = Lane.READ) -> AsyncIterator[asyncpg.Connection]:
        """A connection for a block.

        Raises DatabaseUnavailableError when the server does not answer, before or in the block; of these,
        DatabaseBusyError when it is there but could not do this in time.
        """
        if not self.available or (lane is Lane.ANSWER and self._silent):
            raise DatabaseUnavailableError(operation)
        loop = asyncio.get_running_loop()
        ends = None if lane.seconds is None else loop.time() + lane.seconds
        try:
            async with self._acquired(lane, ends) as conn:
                yield conn
        except BUSY as error:
            raise DatabaseBusyError(operation, str(error)) from error
        except (*AWAY, TimeoutError) as error:
            if isinstance(error, TimeoutError) or (ends is not None and loop.time() >= ends):
                self._silent = self._silent or lane is Lane.ANSWER
                self._doubt()
                raise DatabaseBusyError(operation, "it took too long, and may or may not be done") from error
            self._lose(str(error) or type(error).__name__)
            raise DatabaseUnavailableError(operation) from error
        except Exception as error:
            if not _is_the_drivers(error):
                raise
            logger.exception("the database driver failed: %s", operation)
            self._doubt()
            raise DatabaseUnavailableError(operation) from error

    @asynccontextmanager
    async def _acquired(self, lane: Lane, ends: float | None) -> AsyncIterator[asyncpg.Connection]:
        """A connection of a lane, which is cut at `ends`: to end a statement politely takes a live server."""
        async with asyncio.timeout_at(ends):
            await self._free[lane].acquire()
        try:
            async with asyncio.timeout_at(ends):
                conn = await self._pool.acquire()
            cut = None if ends is None else _Cut(conn, ends)
            try:
                yield conn
            except (Exception, asyncio.CancelledError) as error:
                if _is_given_up():
                    with suppress(asyncpg.InterfaceError):  # it is closed already
                        conn.terminate()
                    if isinstance(error, Exception):  # such as a transaction that could not be ended politely
                        raise asyncio.CancelledError from error
                elif isinstance(error, TimeoutError) or _is_the_drivers(error):
                    conn.terminate()
                raise
            finally:
                if cut is not None:
                    cut.cancel()
                await self._give_back(conn)
        finally:
            self._free[lane].release()

    async def _give_back(self, conn: asyncpg.Connection) -> None:
        """Release a connection. Where that fails it is closed: what was done with it is done."""
        try:
            await self._pool.release(conn)
        except Exception:
            logger.warning("a connection could not be given back and is closed", exc_info=True)

    def _lose(self, reason: str) -> None:
        if self.available:
            logger.warning("the database is unavailable (%s); reading from memory", reason)
        self.available = False
        self._doubt()

    def _doubt(self) -> None:
        """Ask whether the database answers, until it does."""
        if self._probe is None or self._probe.done():
            self._probe = asyncio.create_task(self._ask())

    async def _ask(self) -> None:
        while not await self._answers():
            await asyncio.sleep(_PROBE_SECONDS)
        self._silent = False
        if not self.available:
            logger.warning("the database is available again")
            self.available = True

    async def _answers(self) -> bool:
        """Whether one statement is answered."""
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                conn = await self._pool.acquire()
            try:
                await conn.fetchval("select 1", timeout=_PROBE_SECONDS)
            except TimeoutError:
                conn.terminate()
                raise
            finally:
                await self._give_back(conn)
        except (*AWAY, TimeoutError) as error:
            self._lose(str(error) or type(error).__name__)
            return False
        except Exception as error:  # it is no answer either, and nobody else asks
            logger.exception("the database driver failed: asking whether the database answers")
            self._lose(type(error).__name__)
            return False
        return True


class _Cut:
    """Closes a connection at a time of the loop.

    A loop that was held up itself reads first what has come meanwhile: the database did not keep it waiting.
    """

    def __init__(self, conn: asyncpg.Connection, ends: float) -> None:
        self._conn = conn
        self._loop = asyncio.get_running_loop()
        self._handle = self._loop.call_at(ends, self._cut, ends)

    def cancel(self) -> None:
        """Let the connection be."""
        self._handle.cancel()

    def _cut(self, ends: float) -> None:
        now = self._loop.time()
        if now - ends > _LATE_SECONDS:
            self._handle = self._loop.call_at(now + _LATE_SECONDS, self._conn.terminate)
        else:
            self._conn.terminate()


def _is_given_up() -> bool:
    """Whether this task was cancelled, which is the end of it whatever else went wrong."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _is_the_drivers(error: BaseException) -> bool:
    """Whether an error came up in the driver, or in the event loop under it, and is not PostgreSQL's word.

    They have all sorts of types: a connection that breaks at a bad moment is a RuntimeError of the loop.
    """
    if isinstance(error, asyncpg.PostgresError):
        return False
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(str(frame.f_globals.get("__name__")).partition(".")[0] == "asyncpg" for frame in frames)
