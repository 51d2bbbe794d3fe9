"""Example requests name what the data has: somebody with a history, and an item that may be shown."""

import psycopg2

from database.examples import Examples, find_examples
from tests.conftest import Database


def fill(database: Database, *statements: str) -> Examples:
    with psycopg2.connect(database.dsn) as conn, conn.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return find_examples(conn)


ITEMS = """
    insert into items (item_id, title, hidden, change_seq) values
        ('i/1', 'Blue Teapot 2 l', null, 1), ('hidden', 'Everyone had it', true, 1), ('bare', null, null, 1),
        ('quiet', 'Nobody had it', null, 1)
"""
EVENTS = """
    insert into interactions (user_id, item_id, event_type, occurred_at, source) values
        ('regular', 'i/1', 'click', now(), 'test'), ('regular', 'hidden', 'click', now(), 'test'),
        ('once', 'hidden', 'click', now(), 'test'), ('once', 'hidden', 'click', now(), 'test'),
        (null, 'bare', 'click', now(), 'test')
"""


def test_a_regular_user_and_an_item_that_may_be_shown(database: Database) -> None:
    assert fill(database, ITEMS, EVENTS) == Examples("regular", "i/1", "Teapot")


def test_an_empty_database_has_none(database: Database) -> None:
    assert fill(database) == Examples(None, None, None)


def test_a_catalogue_without_events_has_an_item(database: Database) -> None:
    assert fill(database, ITEMS) == Examples(None, "i/1", "Teapot")
