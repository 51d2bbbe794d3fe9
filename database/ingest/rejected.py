"""The rows that were kept aside because they could not be used."""

from collections.abc import Iterator
from typing import TextIO

from psycopg2.extensions import connection as Connection  # noqa: N812

_LATEST = """
    from rejected_rows r where r.source = %(source)s
    or %(source)s is null and ingest_run_id = (select max(ingest_run_id) from rejected_rows)
"""


def first_rejected(conn: Connection, source: str | None, limit: int) -> Iterator[tuple[str, int, str, str]]:
    """(file, line, reason, text) of up to `limit` rows, by file and line.

    Args:
        conn: a connection.
        source: name of the file; None for the last one that had such rows.
        limit: how many rows.
    """
    with conn.cursor() as cursor:
        cursor.execute(
            f"select source, line, reason, raw {_LATEST} order by ingest_run_id, line limit %(limit)s",
            {"source": source, "limit": limit},
        )
        yield from cursor.fetchall()


def count_rejected(conn: Connection, source: str | None) -> list[tuple[str, int]]:
    """(reason, number of rows), the commonest first; of the file or the last one, as in `first_rejected`."""
    with conn.cursor() as cursor:
        cursor.execute(f"select reason, count(*) {_LATEST} group by 1 order by 2 desc, 1", {"source": source})
        return cursor.fetchall()


def export_rejected(conn: Connection, source: str | None, target: TextIO) -> None:
    """Write all of them as CSV with a header: source, line, reason, raw."""
    with conn.cursor() as cursor:
        rows = cursor.mogrify(
            f"select source, line, reason, raw {_LATEST} order by ingest_run_id, line", {"source": source}
        )
        cursor.copy_expert(f"copy ({rows.decode()}) to stdout with (format csv, header)", target)
