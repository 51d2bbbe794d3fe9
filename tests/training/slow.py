"""What the tests of the slow plane share: what to expect of its libraries, and what happens in its shop."""

import psycopg2
import pytest

from database import deployments
from database.connection import connect
from training.pipeline.steps import STEPS

# MLflow, whose server's code runs in the test's process here, and BentoML's file patterns warn of what
# their own dependencies will take away, and of a type hint of their own.
WHOLE_RUNS = [
    pytest.mark.platform,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated"),
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
    pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning"),
]
"""Marks of tests that run the steps of a day."""

BEFORE_GATE = [name for name in STEPS if name not in ("gate", "deploy", "commit")]


def buy_more(dsn: str) -> None:
    """One more purchase, so that there is something new to learn."""
    with psycopg2.connect(dsn) as conn, conn.cursor() as cursor:
        cursor.execute(
            """insert into interactions (user_id, item_id, event_type, value, occurred_at, source)
            values ('user1', 'ITEM000001', 'purchase', 1, now(), 'shop')"""
        )
    conn.close()


def serving() -> str | None:
    """Id of the bundle that serves; None before the first."""
    with connect() as conn:
        found = deployments.current(conn)
    return found.bundle_id if found else None
