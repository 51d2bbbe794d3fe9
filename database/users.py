"""Users: who they say they are. A user whom only interactions mention has a row that is not registered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

_FIELDS = "user_id, interests, skill_level, created_at, updated_at"
_CHANGEABLE = frozenset({"interests", "skill_level"})


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user as stored."""

    user_id: str
    interests: tuple[str, ...]
    skill_level: str | None
    created_at: datetime
    updated_at: datetime


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


def _row(record: asyncpg.Record | None) -> UserRow | None:
    if record is None:
        return None
    fields = dict(record)
    fields["interests"] = tuple(fields["interests"])
    return UserRow(**fields)
