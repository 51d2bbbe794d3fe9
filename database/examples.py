"""Ids and words of an installation's own data, for example requests."""

import re
from dataclasses import dataclass

from psycopg2.extensions import connection as Connection  # noqa: N812

_RECENT = 20_000
"""Interactions that the examples are taken from, the latest stored: a log may have many millions."""

_RECENT_EVENTS = f"""
    select interaction_id, user_id, item_id from interactions
    where item_id is not null and occurred_at <= now() order by interaction_id desc limit {_RECENT}
"""
_USER = f"""
    select user_id from ({_RECENT_EVENTS}) recent where user_id is not null
    group by user_id order by least(count(distinct item_id), 5) desc, max(interaction_id) desc limit 1
"""
_ITEM = f"""
    select items.item_id, items.title from items
    left join ({_RECENT_EVENTS}) recent on recent.item_id = items.item_id
    where items.title is not null and items.deleted_at is null
        and items.hidden is not true and items.available is not false
    group by items.item_id, items.title order by count(recent.item_id) desc, items.item_id limit 1
"""
_WORD = re.compile(r"[^\W\d_]{3,}")


@dataclass(frozen=True, slots=True)
class Examples:
    """What requests can name; None where the data has none."""

    user_id: str | None
    """Somebody with events on several items, if there is one."""
    item_id: str | None
    """The item in lists that had most events lately."""
    word: str | None
    """The longest word of that item's title."""


def find_examples(conn: Connection) -> Examples:
    """Ids and a word of what was stored last."""
    with conn.cursor() as cursor:
        cursor.execute(_USER)
        user = cursor.fetchone()
        cursor.execute(_ITEM)
        item = cursor.fetchone()
    words = _WORD.findall(item[1]) if item else []
    return Examples(
        user_id=user[0] if user else None,
        item_id=item[0] if item else None,
        word=max(words, key=len) if words else None,
    )
