"""Interactions: what users did, one table partitioned by month of `occurred_at`."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from database.errors import DatabaseError
from database.partitions import INTERACTIONS, ensure_partitions_async, is_missing

FULL_VIEW_SECONDS = 30.0
"""How long an item is looked at for `view_time` to count in full; a shorter look counts by its share."""

_FIELDS = "interaction_id, user_id, event_type, item_id, query, value, session_id, occurred_at, weight"
_RECORD = """
    with known as (insert into users (user_id) values ($1) on conflict do nothing)
    insert into interactions
        (user_id, event_type, item_id, query, value, session_id, occurred_at, source, dedup_key)
    values ($1, $2, $3, $4, $5, $6, coalesce($7, clock_timestamp()), $8, $9)
    returning interaction_id, occurred_at
"""
_KNOWN = """
    select interaction_id, occurred_at,
        (user_id, event_type, item_id, query, value) is not distinct from ($2, $3, $4, $5, $6::real) as same
    from interactions where dedup_key = $1 limit 1
"""


class DedupConflictError(DatabaseError):
    """A key that stands for one interaction was sent with another."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """An interaction that is stored."""

    interaction_id: int
    occurred_at: datetime


class InteractionRow(NamedTuple):
    """One event. `value`: stars of a rating, seconds of a view, number bought, +1/0/-1 of feedback.

    A tuple: up to 500 are made of a user after each click, and a frozen dataclass takes three times as long.
    """

    interaction_id: int
    user_id: str
    event_type: str
    item_id: str | None
    query: str | None
    value: float | None
    session_id: str | None
    occurred_at: datetime
    weight: float | None = None
    """What it weighs in place of its type's weight."""


async def record(
    conn: asyncpg.Connection,
    *,
    user_id: str,
    event_type: str,
    item_id: str | None = None,
    query: str | None = None,
    value: float | None = None,
    session_id: str | None = None,
    occurred_at: datetime | None = None,
    dedup_key: UUID | None = None,
    source: str = "service",
) -> Recorded:
    """Store one interaction, and its user when new.

    It is on disk when this returns, unless the caller holds a transaction open: then when that commits. One
    round trip. With a `dedup_key` the same event sent again gives what the first did; DedupConflictError is
    raised for another event. Raises asyncpg.CheckViolationError for an unknown event type.
    """
    values = (user_id, event_type, item_id, query, value, session_id, occurred_at, source, dedup_key)
    try:
        return await _store(conn, values)
    except asyncpg.CheckViolationError as error:
        if not is_missing(error) or conn.is_in_transaction():
            raise
    moment = occurred_at or datetime.now(UTC)
    await ensure_partitions_async(conn, INTERACTIONS, moment, moment)
    return await _store(conn, values)


async def _store(conn: asyncpg.Connection, values: tuple[Any, ...]) -> Recorded:
    """Insert an event, `values` as in _RECORD, unless its key is known."""
    user_id, event_type, item_id, query, value, *_, dedup_key = values
    if dedup_key is None:
        return Recorded(*await conn.fetchrow(_RECORD, *values))
    async with conn.transaction():
        await conn.execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", str(dedup_key))
        known = await conn.fetchrow(_KNOWN, dedup_key, user_id, event_type, item_id, query, value)
        if known is None:
            return Recorded(*await conn.fetchrow(_RECORD, *values))
    if not known["same"]:
        raise DedupConflictError(str(dedup_key))
    return Recorded(known["interaction_id"], known["occurred_at"])


async def recent(conn: asyncpg.Connection, user_id: str, since: datetime, limit: int) -> list[InteractionRow]:
    """A user's interactions since a moment, newest first, at most `limit`; none of the future."""
    rows = await conn.fetch(
        f"""select {_FIELDS} from interactions
        where user_id = $1 and occurred_at >= $2 and occurred_at <= now()
        order by occurred_at desc, interaction_id desc limit $3""",
        user_id,
        since,
        limit,
    )
    return [InteractionRow(**dict(row)) for row in rows]
