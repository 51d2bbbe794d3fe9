"""Every advisory lock of the platform's database, and the waits for locks.

The numbers differ, so that two jobs wait for each other only where they must. Beside them the key of an
interaction that may be sent twice is locked by its 64-bit hash.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg2.extensions import connection as Connection  # noqa: N812

MIGRATIONS = 7_302_601_001
PARTITIONS = 7_302_601_002
TRENDING = 7_302_601_003
PROMOTION = 7_302_601_004
INGESTION = 7_302_601_006
DATABASES = 7_302_601_007
VECTORS = 7_302_601_008

DDL_TIMEOUT = "2s"
"""How long a change of the schema waits for a lock: whoever comes after it waits in the same queue."""


@contextmanager
def session_lock(conn: Connection, number: int) -> Iterator[None]:
    """Hold an advisory lock for the block, over any number of transactions of `conn`.

    The transaction under way is committed once the lock is held; what is uncommitted at the block's end is
    undone. The server releases the lock when the connection ends, however that happens. Raises
    psycopg2.errors.LockNotAvailable after `lock_timeout`, where the transaction sets one.
    """
    with conn.cursor() as cursor:
        cursor.execute("select pg_advisory_lock(%s)", (number,))
    conn.commit()
    try:
        yield
    finally:
        if not conn.closed:
            conn.rollback()
            with conn.cursor() as cursor:
                cursor.execute("select pg_advisory_unlock(%s)", (number,))
            conn.commit()
