"""The service's side of the database: what is unavailable is one error, and is not asked again at once."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

import asyncpg

from serving.errors import DatabaseUnavailable

log = logging.getLogger(__name__)

_UNAVAILABLE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a server's last word that comes as a statement is sent confuses the driver
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
)
_RETRY_SECONDS = 1.0
_ACQUIRE_SECONDS = 3.0


class LiveDatabase:
    """A pool that says when the database does not answer.

    While it does not, only one attempt a second is made: readers are answered from memory meanwhile,
    without waiting.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._silent_until: float | None = None

    @property
    def available(self) -> bool:
        """Whether the last attempt was answered."""
        return self._silent_until is None

    @asynccontextmanager
    async def connection(self, operation: str) -> AsyncIterator[asyncpg.Connection]:
        """A connection for a block; DatabaseUnavailable when the server does not answer, before or in it."""
        if self._silent_until is not None and monotonic() < self._silent_until:
            raise DatabaseUnavailable(operation)
        try:
            async with self._pool.acquire(timeout=_ACQUIRE_SECONDS) as conn:
                yield conn
        except _UNAVAILABLE as error:
            if self._silent_until is None:
                log.warning("the database does not answer (%s): reads go on from memory", error)
            self._silent_until = monotonic() + _RETRY_SECONDS
            raise DatabaseUnavailable(operation) from error
        if self._silent_until is not None:
            log.warning("the database answers again")
            self._silent_until = None
