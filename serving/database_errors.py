"""Which errors of the two drivers mean that the database is busy, or away."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import asyncpg
import psycopg2

from serving.errors import DatabaseUnavailableError

_Arguments = ParamSpec("_Arguments")
_Answer = TypeVar("_Answer")

BUSY = (
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.ReadOnlySQLTransactionError,
)
"""It answers, but could not do this."""

AWAY = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a server's last word that comes as a statement is sent confuses the driver
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
)
"""It does not answer, or not this worker."""

NOT_DONE = (*AWAY, asyncpg.PostgresError, TimeoutError)
"""What work that nobody waits for is tried again after: whatever PostgreSQL said, it was not done."""


async def ask_in_thread(
    operation: str,
    ask: Callable[_Arguments, _Answer],
    *arguments: _Arguments.args,
    **named: _Arguments.kwargs,
) -> _Answer:
    """What `ask`, which asks with psycopg2, returns; it runs in a thread.

    Raises DatabaseUnavailableError, which names the operation, when the database does not answer it in time.
    """
    try:
        return await asyncio.to_thread(ask, *arguments, **named)
    except psycopg2.OperationalError as error:
        raise DatabaseUnavailableError(operation) from error
