"""Attributes of items: each name has one type, that of the first value which was stored under it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import asyncpg

from database.errors import DatabaseError

NOTED = "as_of"
"""Name under which the platform notes when the evidence behind an ingested item is of: no attribute."""

AttributeType = Literal["number", "text", "texts", "boolean", "time"]


class AttributeConflictError(DatabaseError):
    """A value is not of the type that its attribute has."""

    def __init__(self, name: str, known: str, given: str) -> None:
        super().__init__(f"attributes.{name} is of type {known} since its first value, this one is {given}")
        self.name = name
        self.known = known
        self.given = given


def type_of(value: Any) -> AttributeType:
    """The type of a value that `checked` has passed.

    >>> [type_of(value) for value in (2, True, "red", ["a"], "2026-01-02T03:04:05Z")]
    ['number', 'boolean', 'text', 'texts', 'time']
    """
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, list | tuple):
        return "texts"
    return "text" if as_time(value) is None else "time"


def as_time(text: str) -> datetime | None:
    """The moment that a text is, by ISO 8601 with date, time and offset; None for any other text."""
    if len(text) < len("2026-01-01T00:00Z") or text[10] not in "T ":
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if moment.tzinfo is None else moment.astimezone(UTC)


async def read_types(conn: asyncpg.Connection) -> dict[str, AttributeType]:
    """The type of every attribute that ever had a value."""
    return {row["name"]: row["type"] for row in await conn.fetch("select name, type from attribute_types")}


def settle(known: dict[str, AttributeType], attributes: Mapping[str, Any]) -> None:
    """Hold the attributes of one item to the known types, and add the types of new names to `known`.

    Raises AttributeConflictError, and adds nothing then.
    """
    given = {name: type_of(value) for name, value in attributes.items() if value is not None}
    for name, kind in given.items():
        if known.get(name, kind) != kind:
            raise AttributeConflictError(name, known[name], kind)
    known |= given


async def store_types(conn: asyncpg.Connection, types: Mapping[str, AttributeType]) -> None:
    """Remember the types of new names. The caller holds the lock of the catalogue's number."""
    await conn.execute(
        """insert into attribute_types (name, type) select * from unnest($1::text[], $2::text[])
        on conflict do nothing""",
        list(types),
        list(types.values()),
    )
