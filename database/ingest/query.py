"""What a query gives, as a file: a shop's own database is a source like any other."""

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2

from database.connection import libpq_url
from database.ingest.chunk import IngestError


@contextmanager
def queried(url: str, query: str) -> Iterator[Path]:
    """The rows of a query of a PostgreSQL database, as a CSV file with a header; it is gone after the block.

    Args:
        url: `postgresql://user:password@host/database`.
        query: one statement that gives rows. It runs in a transaction that can write nothing.

    Raises IngestError when the database is away, or refuses the query; the message is the database's.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "query.csv"
        try:
            with (
                closing(psycopg2.connect(libpq_url(url))) as conn,
                conn.cursor() as cursor,
                path.open("wb") as target,
            ):
                conn.set_session(readonly=True)
                conn.set_client_encoding("UTF8")
                cursor.execute("set datestyle to iso")
                statement = query.strip().removesuffix(";")
                cursor.copy_expert(f"copy ({statement}\n) to stdout with (format csv, header)", target)
        except psycopg2.Error as error:
            told = str(error).strip().splitlines()[0]
            raise IngestError(f"the query: {told}; try it with psql, under the same URL") from error
        yield path
