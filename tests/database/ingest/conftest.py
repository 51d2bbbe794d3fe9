"""Small files of every source format, and a look into the database."""

from collections.abc import Callable
from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.ingest import empty_months

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


@pytest.fixture
def one_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """A month of one event is filled apart, and locks are not waited for as long as usual."""
    monkeypatch.setattr(empty_months, "LEAST", 1)
    monkeypatch.setattr(empty_months, "_TRIES", 2)
    monkeypatch.setattr(empty_months, "_PATIENCE", "50ms")
    monkeypatch.setattr(empty_months, "_PAUSE", 0.01)
