"""Whose events have changed since a moment, by buckets of ids: what a worker still knows is not read again.

Triggers note each change with the number of its transaction. A moment is a snapshot of PostgreSQL
(https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT): what has changed since
then are the rows of transactions that it does not show, in whatever order these have ended.
"""

from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256

import asyncpg
from psycopg2.extensions import connection as Connection  # noqa: N812

EVERYBODY = None
"""The bucket that stands for all of them."""
_KEPT = "select exists (select from pg_trigger where tgrelid = 'interactions'::regclass and tgname = $1)"


@dataclass(frozen=True, slots=True)
class EventChanges:
    """What a statement saw: its snapshot, and the buckets whose events changed since an earlier one."""

    snapshot: str
    buckets: Collection[int | None]

    @property
    def next_transaction(self) -> int:
        """The number that no transaction had yet."""
        return int(self.snapshot.split(":")[1])


def bucket_of(user_id: str) -> int:
    """The bucket, one of 65,536, that a user's or a visitor's id is in."""
    return int.from_bytes(sha256(user_id.encode()).digest()[:2], "big")


async def are_kept(conn: asyncpg.Connection) -> bool:
    """Whether changes are noted at all: not in a hypertable, which takes no such trigger."""
    return bool(await conn.fetchval(_KEPT, "note_inserted_events"))


async def note_changed(conn: asyncpg.Connection, user_id: str) -> None:
    """Let every worker read a user's events and arm again, where no event has changed."""
    await conn.execute("insert into event_changes (bucket) values (event_bucket($1))", user_id)


def note_everybody_changed(conn: Connection) -> None:
    """The same of everybody: for changes that no trigger sees. The caller commits both at once."""
    with conn.cursor() as cursor:
        cursor.execute("insert into event_changes (bucket) values (null)")


def forget_changes(conn: Connection) -> None:
    """Delete what was noted so far; whoever has not read it yet takes everybody's events for changed.

    The caller commits.
    """
    with conn.cursor() as cursor:
        cursor.execute("delete from event_changes")
    note_everybody_changed(conn)
