"""Events of /v1: many in one transaction, in a shop's own words, replaced and undone by their keys."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

import asyncpg
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.errors import DatabaseError
from database.event_words import EventType
from database.interactions import DedupConflictError
from database.partitions import INTERACTIONS, ensure_partitions_async, is_missing

_KEYS = UUID("f7d3b2a4-0f55-4c1c-9c1e-5a1f0e6f7b3d")
"""Namespace of the UUIDs of events' keys."""
_PAGE_KEYS = UUID("0c0f8d57-3a2e-4b8e-9d3f-6e0f2f1a7c55")
"""Namespace of those whose events pages log."""
_LOCKS = 32
"""Locks that the keys share: each writer holds those of its keys, in order."""
_VERSION = "(select coalesce(md5(string_agg(t::text, '|' order by t.name)), '') from event_types t)"
_INSERT = f"""
    insert into interactions (user_id, anonymous_id, session_id, item_id, event_type, event_name, weight,
        query, value, quantity, price, occurred_at, context, recommendation_id, dedup_key, source)
    select user_id, anonymous_id, session_id, item_id, event_type, event_name, weight,
        query, value, quantity, price, coalesce(occurred_at, clock_timestamp()), context, recommendation_id,
        dedup_key, 'service'
    from jsonb_to_recordset($1::jsonb) as e (user_id text, anonymous_id text, session_id text, item_id text,
        event_type text, event_name text, weight real, query text, value real, quantity real, price float8,
        occurred_at timestamptz, context jsonb, recommendation_id text, dedup_key uuid)
    where $2::text is null or $2 = {_VERSION}
"""
_USERS = """
    insert into users (user_id) select distinct user_id from unnest($1::text[]) u (user_id) order by user_id
    on conflict do nothing
"""


def key_of(key: str, *, from_page: bool = False) -> UUID:
    """What an event's key is stored as.

    Keys that pages send are others: whoever reads a page's API key replaces no order of the shop with it.
    """
    return uuid5(_PAGE_KEYS if from_page else _KEYS, key)


class EventTypesChangedError(DatabaseError):
    """The words that events were read by are no longer those that are defined."""


async def read_event_types(conn: asyncpg.Connection) -> tuple[list[EventType], str]:
    """The words that were defined by API, in order of name, and the version that these definitions are."""
    rows = await conn.fetch(f"select name, counts_as, weight, {_VERSION} from event_types order by name")
    return [EventType(*tuple(row)[:3]) for row in rows], rows[0][3] if rows else ""


async def write_event_types(conn: asyncpg.Connection, types: Sequence[EventType]) -> None:
    """Define these words and no others."""
    async with conn.transaction():
        await conn.execute("delete from event_types")
        await conn.executemany(
            "insert into event_types (name, counts_as, weight) values ($1, $2, $3)",
            [(each.name, each.counts_as, each.weight) for each in types],
        )


async def store_events(
    conn: asyncpg.Connection,
    rows: Sequence[Mapping[str, Any]],
    *,
    once: tuple[UUID, str, str] | None = None,
    types_version: str | None = None,
) -> str | None:
    """Store events in one transaction, and the users they name; all of them are on disk when this returns.

    Args:
        conn: has no transaction under way.
        rows: the columns of `interactions` by name, as JSON has them; `dedup_key` is an event's key, or None.
            An event replaces the one of its key; of a key that comes twice the last one stays.
        types_version: of the event types that the rows were read by; None: whatever they are.
        once: key, fingerprint and answer of the request. When the key is known nothing is stored.

    Returns the answer that was stored with the key, if it is known. Raises DedupConflictError when the key
    stands for a request of another fingerprint, EventTypesChangedError when `types_version` is not the
    present one.
    """
    try:
        return await _store(conn, rows, once, types_version)
    except asyncpg.CheckViolationError as error:
        if not is_missing(error):
            raise
    for moment in sorted({_month(row["occurred_at"]) for row in rows if row["occurred_at"]}):
        await ensure_partitions_async(conn, INTERACTIONS, moment, moment)
    return await _store(conn, rows, once, types_version)


def _month(moment: str) -> datetime:
    return datetime.fromisoformat(moment).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


async def _store(
    conn: asyncpg.Connection,
    rows: Sequence[Mapping[str, Any]],
    once: tuple[UUID, str, str] | None,
    types_version: str | None,
) -> str | None:
    keyed = {row["dedup_key"]: row for row in rows if row["dedup_key"] is not None}
    last = [row for row in rows if row["dedup_key"] is None or keyed[row["dedup_key"]] is row]
    async with conn.transaction():
        if once is not None and (known := await _claim(conn, *once)) is not None:
            return known
        if keyed:
            await _lock(conn, [UUID(key) for key in keyed])
            await conn.execute("delete from interactions where dedup_key = any($1::uuid[])", list(keyed))
        await conn.execute(_USERS, [row["user_id"] for row in last if row["user_id"] is not None])
        status = await conn.execute(_INSERT, json.dumps([dict(row) for row in last]), types_version)
        if last and status == "INSERT 0 0":
            raise EventTypesChangedError(types_version)
    return None


async def _claim(conn: asyncpg.Connection, key: UUID, fingerprint: str, answer: str) -> str | None:
    """Note the request's key; the answer of the one that had it before. One under way is waited for."""
    noted = await conn.fetchval(
        """insert into idempotency_keys (key, fingerprint, answer) values ($1, $2, $3)
        on conflict do nothing returning true""",
        key,
        fingerprint,
        answer,
    )
    if noted:
        return None
    known = await conn.fetchrow("select fingerprint, answer from idempotency_keys where key = $1", key)
    if known["fingerprint"] != fingerprint:
        raise DedupConflictError(str(key))
    return str(known["answer"])


async def _lock(conn: asyncpg.Connection, keys: Sequence[UUID]) -> None:
    """Let nobody else store or undo events of these keys until the transaction ends."""
    for number in sorted({key.int % _LOCKS for key in keys}):
        await conn.execute("select pg_advisory_xact_lock(hashtextextended($1, 1))", f"event key {number}")


async def delete_event(conn: asyncpg.Connection, key: str) -> bool:
    """Undo the event of a key, a page's as well; whether there was one."""
    keys = [key_of(key), key_of(key, from_page=True)]
    async with conn.transaction():
        await _lock(conn, keys)
        status = await conn.execute("delete from interactions where dedup_key = any($1::uuid[])", keys)
    return bool(status != "DELETE 0")


def forget_keys_before(conn: Connection, moment: datetime) -> int:
    """Delete older idempotency keys: a request that comes again later counts anew. The caller commits."""
    with conn.cursor() as cursor:
        cursor.execute("delete from idempotency_keys where created_at < %s", (moment,))
        return int(cursor.rowcount)
