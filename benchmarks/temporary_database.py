"""A migrated database of its own on an embedded server, gone when the block ends."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.connection import embedded_url, libpq_url
from database.embedded import EmbeddedServer
from database.schema import migrate


@contextmanager
def temporary_database(*, durable: bool = False) -> Iterator[tuple[str, Connection]]:
    """Yield the database's URL (SQLAlchemy) and a connection to it.

    Args:
        durable: with fsync, as an installation has it; without, loading is faster.
    """
    with tempfile.TemporaryDirectory(prefix="shortlist-") as folder:
        directory = Path(folder) / "postgres"
        with EmbeddedServer(directory, {} if durable else {"fsync": "off"}):
            url = embedded_url(directory, "shortlist")
            migrate(url)
            conn = psycopg2.connect(libpq_url(url))
            try:
                yield url, conn
            finally:
                conn.close()
