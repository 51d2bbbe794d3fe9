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

BUCKETS = 65_536
EVERYBODY = None
"""The bucket that stands for all of them."""
_LAST_TIME, _ENDED_THEN = -1, -2
"""In place of a bucket: what the row's number tells of the last time that changes were forgotten."""
_ENDED = """
    select pg_snapshot_xmin(now)::text::bigint, pg_snapshot_xmax(now)::text::bigint
    from pg_current_snapshot() now
"""
_DELETE_SOME = """
    delete from event_changes
    where xid < %(ended)s::text::xid8 or xid >= %(following)s::text::xid8 or bucket < 0
"""
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
    """The bucket, one of BUCKETS, that a user's or a visitor's id is in."""
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
    """Delete what was noted before the last time that this was done; the caller commits.

    Who has not read what is noted since then takes everybody's events for changed: the number of that time
    stands for everybody from now on, and a snapshot that shows it shows all that is deleted. Two rows of no
    bucket tell the number, and up to which one every transaction had ended then.
    """
    with conn.cursor() as cursor:
        cursor.execute("select pg_current_xact_id()::text::bigint")
        (own,) = cursor.fetchone() or (0,)
        cursor.execute(_ENDED)
        ended, following = cursor.fetchone() or (0, 0)
        cursor.execute("select bucket, xid::text::bigint from event_changes where bucket < 0")
        told: dict[int, int] = dict(cursor.fetchall())
        read_since, ended_then = told.get(_LAST_TIME, following), told.get(_ENDED_THEN, following)
        # Numbers of another server, of which this one's data were restored, may be higher than its own.
        if max(read_since, ended_then) < following:
            cursor.execute(_DELETE_SOME, {"ended": ended_then, "following": following})
        else:
            cursor.execute("delete from event_changes")
            read_since = own
        marks = ((read_since, EVERYBODY), (own, _LAST_TIME), (ended, _ENDED_THEN))
        for number, bucket in marks:
            cursor.execute(
                "insert into event_changes (xid, bucket) values (%s::text::xid8, %s)", (number, bucket)
            )
