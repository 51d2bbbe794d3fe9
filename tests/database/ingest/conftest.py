"""Small files of every source format, and a look into the database."""

from collections.abc import Callable
from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

Query = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def query(connection: Connection) -> Query:
    """Run a query on the test's database and give its rows."""

    def run(statement: str) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            rows = cursor.fetchall() if cursor.description else []
        connection.commit()
        return rows

    return run
