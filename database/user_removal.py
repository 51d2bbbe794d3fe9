"""Deleting a user with all that is known of them, and remembering whom workers and models have to forget."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

import asyncpg
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.users import UserRow, locked_user

_DELETE_EVENTS = """
    with gone as (
        delete from interactions where user_id = $1 or (anonymous_id = $1 and user_id is null)
        returning anonymous_id)
    select g.anonymous_id, u.registered_at is not null as registered
    from (select distinct anonymous_id from gone) g left join users u on u.user_id = g.anonymous_id
    order by anonymous_id
"""
_FORGET = """
    with next as (
        update change_state set forgotten_id = forgotten_id + cardinality($1::text[]) returning forgotten_id)
    insert into forgotten_users (forgotten_id, user_id)
    select next.forgotten_id - cardinality($1::text[]) + place, user_id
    from next, unnest($1::text[]) with ordinality as ids (user_id, place)
"""
_LATE = """
    delete from impression_lists l using forgotten_users f
    where l.user_id = f.user_id and l.shown_at <= f.forgotten_at
"""
_LEARNED_BEFORE = """
    delete from forgotten_users where forgotten_at < least(%(before)s, (
        select min((manifest ->> 'created_at')::timestamptz) - interval '1 day' from deployments
        where bundle_id = any(%(bundles)s)))
"""


async def delete_user(
    conn: asyncpg.Connection, user_id: str, check: Callable[[UserRow | None], None]
) -> bool:
    """Delete a user, their events and the lists they were shown, if `check` of their row raises nothing.

    One transaction. Of an id that only anonymous events have, those are deleted. Every worker reads with the
    state that it has to forget them, and the visitors whom their events named: these may have been users of
    their own before a merge, whom workers and bundles still hold. Returns whether there was anything.
    """
    async with conn.transaction():
        stored = await locked_user(conn, user_id)
        check(stored)
        gone = [
            await conn.execute("delete from users where user_id = $1", user_id),
            await conn.execute("delete from impression_lists where user_id = $1", user_id),
        ]
        named = await conn.fetch(_DELETE_EVENTS, user_id)
        if not named and all(status == "DELETE 0" for status in gone):
            return False
        visitors = [row["anonymous_id"] for row in named if row["anonymous_id"] and not row["registered"]]
        await forget(conn, [user_id, *(each for each in visitors if each != user_id)])
    return True


async def forget(conn: asyncpg.Connection, user_ids: Sequence[str]) -> None:
    """Let every worker forget what it remembers of these ids, and no longer ask bundles of them.

    For the end of a transaction: others who forget wait for it.
    """
    await conn.execute(_FORGET, list(user_ids))


async def forgotten_users(conn: asyncpg.Connection, after: int) -> list[str]:
    """Ids that were forgotten after the `after`-th, in their order."""
    rows = await conn.fetch(
        "select user_id from forgotten_users where forgotten_id > $1 order by forgotten_id", after
    )
    return [row["user_id"] for row in rows]


def forget_deleted_users(conn: Connection, before: datetime, bundles: Collection[str]) -> None:
    """Delete lists of deleted users that were logged late, and the ids of those whom nothing holds any more.

    An id stays until `before`, and as long as one of `bundles` may have learned of the user. The caller
    commits.
    """
    with conn.cursor() as cursor:
        cursor.execute(_LATE)
        cursor.execute(_LEARNED_BEFORE, {"before": before, "bundles": list(bundles)})
