"""What a filter says, read: comparisons of fields, joined by and, or and not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from serving.errors import ServingError

Value = str | float | bool
Operator = Literal["=", "!=", "<", "<=", ">", ">="]


class FilterError(ServingError):
    """A filter that can't be read, or asks for what the catalogue does not have."""

    def __init__(self, message: str, position: int, field: str | None = None) -> None:
        super().__init__(f"{message} (at character {position + 1})")
        self.position = position
        """Of the character at fault, from 0."""
        self.field = field
        """The field of the items that it is about."""
        self.source = "filter"
        """Which part of the request it is in."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the items, or an attribute of the shop's own, and where the filter names it."""

    name: str
    position: int
    attribute: bool = False
    """Whether it was named as an attribute."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A field compared with one value."""

    field: Field
    operator: Operator
    value: Value
    position: int
    """Where the value is."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """A field that has one of some values."""

    field: Field
    values: tuple[Value, ...]
    position: int


@dataclass(frozen=True, slots=True)
class Known:
    """A field that has any value."""

    field: Field


@dataclass(frozen=True, slots=True)
class Flag:
    """A field that is true."""

    field: Field


@dataclass(frozen=True, slots=True)
class Not:
    """What does not hold."""

    part: Condition


@dataclass(frozen=True, slots=True)
class Both:
    """What holds all together."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """Of which one holds at least."""

    parts: tuple[Condition, ...]


Leaf = Comparison | OneOf | Known | Flag
Condition = Leaf | Not | Both | Either


def parts_of(condition: Condition) -> tuple[Condition, ...]:
    """What a condition is made of; () for a single comparison."""
    if isinstance(condition, Not):
        return (condition.part,)
    return condition.parts if isinstance(condition, Both | Either) else ()


def leaves(condition: Condition) -> Iterator[Leaf]:
    """The comparisons of a condition, in no order."""
    waiting = [condition]
    while waiting:
        each = waiting.pop()
        waiting.extend(parts_of(each))
        if isinstance(each, Comparison | OneOf | Known | Flag):
            yield each


def depth(condition: Condition) -> int:
    """How deep conditions are nested in one another."""
    level, deep = [condition], 0
    while level:
        level, deep = [part for each in level for part in parts_of(each)], deep + 1
    return deep
