"""Which rows of the catalogue a filter lets through: its names and types are checked, then arrays compared."""

import operator
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.catalogue.catalogue import Catalogue
from serving.catalogue.fields import ATTRIBUTE, FIELDS, FieldColumns, Type, seconds_of
from serving.conditions.reading import read
from serving.conditions.tree import (
    Both,
    Comparison,
    Condition,
    Either,
    Field,
    FilterError,
    Flag,
    Known,
    Not,
    OneOf,
    Value,
)

Mask = NDArray[np.bool_]

KEPT = 32
"""Masks of the present catalogue that are kept: n_rows bytes each."""
_READ = 256
"""Filters that are kept as read."""
_NAMED = 20
"""Fields that an error names."""

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Masks:
    """The filters of one catalogue, read and compiled once for each state of it."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._read: OrderedDict[str, Condition] = OrderedDict()
        self._masks: OrderedDict[str, Mask] = OrderedDict()
        self._revision = -1

    def mask(self, text: str) -> Mask:
        """bool[n_rows], the rows that a filter lets through; not to be changed.

        Raises FilterError for a filter that can't be read, or does not fit the fields of the items.
        """
        if self._catalogue.revision != self._revision:
            self._masks.clear()
            self._revision = self._catalogue.revision
        if text not in self._masks:
            found = rows_where(self._condition(text), self._catalogue.fields, self._catalogue.n_rows)
            found.flags.writeable = False
            _keep(self._masks, text, found, KEPT)
        self._masks.move_to_end(text)
        return self._masks[text]

    def _condition(self, text: str) -> Condition:
        if text not in self._read:
            _keep(self._read, text, read(text), _READ)
        return self._read[text]


def rows_where(condition: Condition, columns: FieldColumns, n_rows: int) -> Mask:
    """bool[n_rows]: rows for which a condition holds.

    An item without a value is neither equal to, less nor more than anything; `!=` and `not` say what does not
    hold, so they do hold for it. A field with several values is equal to each of them.

    Raises FilterError for a field that there is not, and for a value of another type.
    """
    if isinstance(condition, Not):
        return ~rows_where(condition.part, columns, n_rows)
    if isinstance(condition, Both | Either):
        join = np.logical_and if isinstance(condition, Both) else np.logical_or
        return reduce(join, (rows_where(part, columns, n_rows) for part in condition.parts))
    name, types = _resolve(condition.field, columns)
    if isinstance(condition, Known):
        return _known(name, types, columns, n_rows)
    if isinstance(condition, Flag):
        _check(condition.field, types, ("boolean",), "alone stands only what is true or false", None)
        return columns.codes(name, "boolean").holds([True], n_rows)
    if isinstance(condition, OneOf):
        return _one_of(condition, condition.values, name, types, columns, n_rows)
    if condition.operator in ("=", "!="):
        found = _one_of(condition, (condition.value,), name, types, columns, n_rows)
        return found if condition.operator == "=" else ~found
    return _ordered(condition, name, types, columns, n_rows)


def resolved(field: Field, columns: FieldColumns) -> str:
    """The name of a field's columns. Raises FilterError for one that there is not."""
    return _resolve(field, columns)[0]


def _resolve(field: Field, columns: FieldColumns) -> tuple[str, list[Type]]:
    """The name of a field's columns and its types; what is none of the API's fields is an attribute."""
    name = field.name if field.name in FIELDS and not field.attribute else ATTRIBUTE + field.name
    types = columns.types(name)
    if not types:
        names = columns.names()
        known = ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
        raise FilterError(
            f"no item has a field {field.name!r}; there are: {known}", field.position, field.name
        )
    return name, types


def _check(
    field: Field, types: Sequence[Type], wanted: Sequence[Type], said: str, position: int | None
) -> None:
    if not set(types) & set(wanted):
        of = " and ".join({"texts": "list of texts"}.get(each, each) for each in types)
        at = field.position if position is None else position
        raise FilterError(f"{field.name!r} is a {of}: {said}", at, field.name)


def _one_of(
    leaf: Comparison | OneOf,
    values: Sequence[Value],
    name: str,
    types: Sequence[Type],
    columns: FieldColumns,
    n_rows: int,
) -> Mask:
    found = np.zeros(n_rows, dtype=np.bool_)
    truths = [each for each in values if isinstance(each, bool)]
    numbers = [each for each in values if isinstance(each, float) and not isinstance(each, bool)]
    words = [each for each in values if isinstance(each, str)]
    if truths:
        _check(leaf.field, types, ("boolean",), "it is not compared with true or false", leaf.position)
        found |= columns.codes(name, "boolean").holds(truths, n_rows)
    if numbers:
        _check(leaf.field, types, ("number",), "it is not compared with a number", leaf.position)
        found |= np.isin(columns.numbers(name).values(n_rows), numbers)
    if words and "time" in types:
        found |= np.isin(
            columns.numbers(name, "time").values(n_rows), [_moment(leaf, each) for each in words]
        )
    elif words:
        _check(leaf.field, types, ("text", "texts"), "it is not compared with a text", leaf.position)
        for kind in ("text", "texts"):
            found |= columns.codes(name, kind).holds(words, n_rows)  # type: ignore[arg-type]
    return found


def _ordered(leaf: Comparison, name: str, types: Sequence[Type], columns: FieldColumns, n_rows: int) -> Mask:
    compare = _COMPARE[leaf.operator]
    if isinstance(leaf.value, bool):
        raise FilterError("true and false have no order", leaf.position, leaf.field.name)
    if isinstance(leaf.value, float):
        _check(leaf.field, types, ("number",), "it is not compared with a number", leaf.position)
        below: Mask = compare(columns.numbers(name).values(n_rows), leaf.value)
        return below
    _check(leaf.field, types, ("time", "text"), "only numbers and times have an order", leaf.position)
    moment = _moment(leaf, leaf.value)
    of_time = "time" in types
    times = (
        columns.numbers(name, "time").values(n_rows) if of_time else columns.codes(name, "text").times(n_rows)
    )
    before: Mask = compare(times, moment)
    return before


def _known(name: str, types: Sequence[Type], columns: FieldColumns, n_rows: int) -> Mask:
    found = np.zeros(n_rows, dtype=np.bool_)
    for kind in types:
        if kind in ("number", "time"):
            found |= ~np.isnan(columns.numbers(name, kind).values(n_rows))
        else:
            found |= columns.codes(name, kind).present(n_rows)
    return found


def _moment(leaf: Comparison | OneOf, text: str) -> float:
    seconds = seconds_of(text)
    if np.isnan(seconds):
        said = f"{text[:40]!r} is no time as in '2026-11-20' or '2026-11-20T12:00:00Z'"
        raise FilterError(f"{leaf.field.name!r} is compared by time: {said}", leaf.position, leaf.field.name)
    return seconds


def _keep(kept: OrderedDict[str, Any], text: str, value: Any, most: int) -> None:
    kept[text] = value
    if len(kept) > most:
        kept.popitem(last=False)
