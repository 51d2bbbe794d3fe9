"""An anonymous visitor who signs in: what was theirs becomes the user's, once.

A visitor's events name them by `anonymous_id` without a user, or by `user_id`, as clients of the original
APIs do. The lists they were shown move with them, so that their clicks stay attributed. A user who has seen
no list of a running experiment goes on in the visitor's arm; one who has keeps their own, and the visitor's
lists of another arm leave the experiment, so that nobody counts in two.
"""

import asyncpg

from database.errors import DatabaseError
from database.event_changes import note_changed
from database.user_removal import forget
from database.users import locked_user

_MOVE_EVENTS = """
    with moved as (
        update interactions set user_id = $2, anonymous_id = coalesce(anonymous_id, $1)
        where user_id = $1 or (anonymous_id = $1 and user_id is null)
        returning anonymous_id)
    select count(*) as events, bool_and(anonymous_id <> $1) as unnamed from moved
"""
_KEEP_ARM = """
    with in_arms as (
        select l.user_id from impression_lists l join experiments e using (experiment_id)
        where l.user_id in ($1, $2) and l.shown_at >= e.started_at and e.stopped_at is null
            and (e.ends_at is null or e.ends_at > clock_timestamp()))
    update users set assigned_as = coalesce((select assigned_as from users where user_id = $1), $1)
    where user_id = $2 and $2 not in (select user_id from in_arms)
        and (assigned_as is null or $1 in (select user_id from in_arms))
"""
_MOVE_LISTS = """
    update impression_lists l set user_id = $2, (experiment_id, arm) = (
        select l.experiment_id, l.arm where not exists (
            select from impression_lists own
            where own.user_id = $2 and own.experiment_id = l.experiment_id and own.arm <> l.arm))
    where l.user_id = $1
"""


class RegisteredUserError(DatabaseError):
    """The anonymous id is that of a user whom somebody stored."""


async def merge_users(conn: asyncpg.Connection, anonymous_id: str, user_id: str) -> int:
    """Move a visitor's history to a user, who is made if they are new; returns how many events moved.

    One transaction; done again it moves nothing. Events of the visitor that come later are theirs again,
    until the next call. Raises RegisteredUserError.
    """
    async with conn.transaction():
        rows = {each: await locked_user(conn, each) for each in sorted((anonymous_id, user_id))}
        visitor = rows[anonymous_id]
        if visitor is not None and visitor.registered:
            raise RegisteredUserError(anonymous_id)
        await conn.execute("insert into users (user_id) values ($1) on conflict do nothing", user_id)
        moved = await conn.fetchrow(_MOVE_EVENTS, anonymous_id, user_id)
        await conn.execute(_KEEP_ARM, anonymous_id, user_id)
        for each in (anonymous_id, user_id):  # their arms, where no event moved
            await note_changed(conn, each)
        await conn.execute(_MOVE_LISTS, anonymous_id, user_id)
        # One whom a batch has stored meanwhile stays: batches hold no locks of users who are new.
        await conn.execute("delete from users where user_id = $1 and registered_at is null", anonymous_id)
        if moved["unnamed"]:  # whoever deletes the user later could not tell who else they were
            await forget(conn, [anonymous_id])
    return int(moved["events"])
