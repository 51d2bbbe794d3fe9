"""Users: who they say they are. A user whom only interactions mention has a row that is not registered."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import asyncpg
import orjson

_FIELDS = """user_id, interests, skill_level, created_at, updated_at, labels, attributes::text,
    registered_at is not null as registered"""
_CHANGEABLE = frozenset({"interests", "skill_level"})
_REPLACE = f"""
    insert into users (user_id, interests, labels, attributes, registered_at)
    values ($1, $2, $3, $4::jsonb, now())
    on conflict (user_id) do update set interests = excluded.interests, labels = excluded.labels,
        attributes = excluded.attributes, registered_at = coalesce(users.registered_at, now()),
        updated_at = now()
    returning {_FIELDS}
"""

_REPLACE_ALL = """
    with given as (
        select * from jsonb_to_recordset($1::jsonb) as g (
            user_id text, interests text[], labels text[], attributes jsonb)
    ), known as (
        select user_id from users join given using (user_id)
    )
    insert into users (user_id, interests, labels, attributes, registered_at)
    select user_id, interests, labels, attributes, now() from given order by user_id
    on conflict (user_id) do update set interests = excluded.interests, labels = excluded.labels,
        attributes = excluded.attributes, registered_at = coalesce(users.registered_at, now()),
        updated_at = now()
    returning user_id, user_id not in (select user_id from known) as created
"""


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user as stored."""

    user_id: str
    interests: tuple[str, ...]
    skill_level: str | None
    created_at: datetime
    updated_at: datetime
    labels: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """The shop's own, as JSON has them."""
    registered: bool = False
    """Whether somebody stored this user; else only interactions mention them."""


async def insert_user(
    conn: asyncpg.Connection, user_id: str, interests: Sequence[str], skill_level: str | None
) -> UserRow | None:
    """Register a user, also one whom interactions mention; None when the id is registered already."""
    record = await conn.fetchrow(
        f"""insert into users (user_id, interests, skill_level, registered_at) values ($1, $2, $3, now())
        on conflict (user_id) do update set interests = excluded.interests,
            skill_level = excluded.skill_level, registered_at = now(), updated_at = now()
        where users.registered_at is null returning {_FIELDS}""",
        user_id,
        list(interests),
        skill_level,
    )
    return _row(record)


async def get_user(conn: asyncpg.Connection, user_id: str) -> UserRow | None:
    """One user, registered or only mentioned by interactions; None when unknown."""
    return _row(await conn.fetchrow(f"select {_FIELDS} from users where user_id = $1", user_id))


async def update_user(conn: asyncpg.Connection, user_id: str, changes: Mapping[str, Any]) -> UserRow | None:
    """Set `interests` and/or `skill_level`; None when the user is unknown, ValueError for another field."""
    unknown = set(changes) - _CHANGEABLE
    if unknown:
        raise ValueError(f"not fields of a user: {', '.join(sorted(unknown))}")
    names = list(changes)
    sets = "".join(f"{name} = ${number}, " for number, name in enumerate(names, start=2))
    values = [list(value) if name == "interests" else value for name, value in changes.items()]
    return _row(
        await conn.fetchrow(
            f"update users set {sets} updated_at = now() where user_id = $1 returning {_FIELDS}",
            user_id,
            *values,
        )
    )


async def replace_user(
    conn: asyncpg.Connection, user_id: str, make: Callable[[UserRow | None], Mapping[str, Any]]
) -> tuple[UserRow, bool]:
    """Store `interests`, `labels` and `attributes` as `make` gives them for the user as stored.

    One transaction, in which nobody else changes the user; what `make` raises ends it. Returns the user, and
    whether they are new.
    """
    async with conn.transaction():
        stored = await locked_user(conn, user_id)
        values = make(stored)
        record = await conn.fetchrow(
            _REPLACE,
            user_id,
            list(values["interests"]),
            list(values["labels"]),
            json.dumps(values["attributes"]),
        )
        row = _row(record)
    assert row is not None
    return row, stored is None


async def replace_users(conn: asyncpg.Connection, wanted: Mapping[str, Mapping[str, Any]]) -> dict[str, bool]:
    """Store `interests`, `labels` and `attributes` of users, by id, in one statement; whether each is new."""
    rows = [{"user_id": user_id, **values} for user_id, values in wanted.items()]
    stored = await conn.fetch(_REPLACE_ALL, json.dumps(rows))
    return {row["user_id"]: row["created"] for row in stored}


async def locked_user(conn: asyncpg.Connection, user_id: str) -> UserRow | None:
    """A user whom nobody else changes, makes or deletes until the transaction ends; None when unknown."""
    await conn.execute("select pg_advisory_xact_lock(hashtextextended($1, 2))", user_id)
    return _row(await conn.fetchrow(f"select {_FIELDS} from users where user_id = $1 for update", user_id))


def _row(record: asyncpg.Record | None) -> UserRow | None:
    if record is None:
        return None
    fields = dict(record)
    for name in ("interests", "labels"):
        fields[name] = tuple(fields[name])
    fields["attributes"] = orjson.loads(fields["attributes"])
    return UserRow(**fields)
