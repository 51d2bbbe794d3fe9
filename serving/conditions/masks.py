"""Which rows a filter lets through: its names and types are checked, then arrays are compared."""

import operator
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np

from database.attributes import AttributeType
from serving.catalogue.catalogue import Catalogue
from serving.catalogue.fields import ATTRIBUTE, FIELDS, Codes, FieldColumns, seconds_of
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
    Leaf,
    Not,
    OneOf,
    Value,
)
from serving.types import Doubles, Mask, Rows

KEPT = 32
"""Masks of the present catalogue that are kept: n_rows bytes each."""
_READ = 256
"""Filters that are kept as read."""
_NAMED = 20
"""Fields that an error names."""
_ALL = slice(None)

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Masks:
    """The filters of one catalogue: read once, and then compared with the items that have changed."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._read: OrderedDict[str, Condition] = OrderedDict()
        self._masks: OrderedDict[str, tuple[int, Mask]] = OrderedDict()
        """Of each filter, with the catalogue's revision then."""

    def mask(self, text: str) -> Mask:
        """bool[n_rows], the rows that a filter lets through; not to be changed.

        Raises FilterError for a filter that can't be read, or does not fit the fields of the items.
        """
        kept = self._masks.get(text)
        if kept is None or kept[0] != self._catalogue.revision:
            found = self._compared(text, kept)
            found.flags.writeable = False
            kept = self._catalogue.revision, found
            _keep(self._masks, text, kept, KEPT)
        self._masks.move_to_end(text)
        return kept[1]

    def _compared(self, text: str, kept: tuple[int, Mask] | None) -> Mask:
        """The mask as of now, from an earlier one if there is any."""
        condition, fields, n_rows = self._condition(text), self._catalogue.fields, self._catalogue.n_rows
        changed = None if kept is None else self._catalogue.latest(kept[0])
        if kept is None or changed is None:
            return rows_where(condition, fields, n_rows)
        found = np.zeros(n_rows, dtype=np.bool_)
        found[: len(kept[1])] = kept[1]
        found[changed] = rows_where(condition, fields, n_rows, changed)
        return found

    def _condition(self, text: str) -> Condition:
        if text not in self._read:
            _keep(self._read, text, read(text), _READ)
        return self._read[text]


def rows_where(condition: Condition, columns: FieldColumns, n_rows: int, rows: Rows | slice = _ALL) -> Mask:
    """bool[n_rows]: rows for which a condition holds; of some of them (int32[m]) bool[m].

    An item without a value is neither equal to, less nor more than anything; `!=` and `not` say what does not
    hold, so they do hold for it. A field with several values is equal to each of them.

    Raises FilterError for a field that there is not, and for a value of another type.
    """
    if isinstance(condition, Not):
        return ~rows_where(condition.part, columns, n_rows, rows)
    if isinstance(condition, Both | Either):
        join = np.logical_and if isinstance(condition, Both) else np.logical_or
        found: Mask = reduce(join, (rows_where(part, columns, n_rows, rows) for part in condition.parts))
        return found
    return _Asked(condition.field, columns, n_rows, rows).where(condition)


def resolved(field: Field, columns: FieldColumns) -> str:
    """The name of a field's columns: what is none of the API's fields is an attribute.

    Raises FilterError for one that no item has.
    """
    name = field.name if field.name in FIELDS and not field.attribute else ATTRIBUTE + field.name
    if not columns.types(name):
        names = columns.names()
        known = ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
        said = f"no item has a field {field.name!r}; there are: {known}"
        raise FilterError(said, field.position, field.name)
    return name


class _Asked:
    """One field of a filter, with its columns."""

    def __init__(self, field: Field, columns: FieldColumns, n_rows: int, rows: Rows | slice) -> None:
        self._field = field
        self._columns = columns
        self._n_rows = n_rows
        self._rows = rows
        self._name = resolved(field, columns)
        self._types = columns.types(self._name)

    def where(self, leaf: Leaf) -> Mask:
        """bool[m]: the rows for which a comparison of the field holds."""
        if isinstance(leaf, Known):
            return self._known()
        if isinstance(leaf, Flag):
            self._check(("boolean",), "alone stands only what is true or false", self._field.position)
            return self._holds("boolean", [True])
        if isinstance(leaf, OneOf):
            return self._one_of(leaf.values, leaf.position)
        if leaf.operator in ("=", "!="):
            found = self._one_of((leaf.value,), leaf.position)
            return found if leaf.operator == "=" else ~found
        return self._ordered(leaf)

    def _one_of(self, values: Sequence[Value], at: int) -> Mask:
        found = self._nothing()
        truths = [each for each in values if isinstance(each, bool)]
        numbers = [each for each in values if isinstance(each, float)]
        words = [each for each in values if isinstance(each, str)]
        if truths:
            self._check(("boolean",), "it is not compared with true or false", at)
            found |= self._holds("boolean", truths)
        if numbers:
            self._check(("number",), "it is not compared with a number", at)
            found |= np.isin(self._numbers("number"), numbers)
        if words and "time" in self._types:
            found |= np.isin(self._numbers("time"), [self._moment(each, at) for each in words])
        elif words:
            self._check(("text", "texts"), "it is not compared with a text", at)
            found |= self._holds("text", words)
            found |= self._holds("texts", words)
        return found

    def _ordered(self, leaf: Comparison) -> Mask:
        value = leaf.value
        if isinstance(value, bool):
            raise FilterError("true and false have no order", leaf.position, self._field.name)
        if isinstance(value, float):
            self._check(("number",), "it is not compared with a number", leaf.position)
            compared, limit = self._numbers("number"), value
        else:
            self._check(("time", "text"), "only numbers and times have an order", leaf.position)
            limit = self._moment(value, leaf.position)
            of_time = "time" in self._types
            compared = (
                self._numbers("time") if of_time else self._codes("text").times(self._n_rows)[self._rows]
            )
        found: Mask = _COMPARE[leaf.operator](compared, limit)
        return found

    def _known(self) -> Mask:
        found = self._nothing()
        for kind in self._types:
            if kind in ("number", "time"):
                found |= ~np.isnan(self._numbers(kind))
            else:
                found |= self._codes(kind).present(self._n_rows)[self._rows]
        return found

    def _numbers(self, kind: AttributeType) -> Doubles:
        return self._columns.numbers(self._name, kind).values(self._n_rows)[self._rows]

    def _holds(self, kind: AttributeType, wanted: Sequence[Value]) -> Mask:
        return self._codes(kind).holds(wanted, self._n_rows, self._rows)

    def _nothing(self) -> Mask:
        return np.zeros(self._n_rows, dtype=np.bool_)[self._rows]

    def _codes(self, kind: AttributeType) -> Codes:
        return self._columns.codes(self._name, kind)

    def _check(self, wanted: Sequence[AttributeType], said: str, at: int) -> None:
        if not set(self._types) & set(wanted):
            of = " and ".join({"texts": "list of texts"}.get(each, each) for each in self._types)
            raise FilterError(f"{self._field.name!r} is a {of}: {said}", at, self._field.name)

    def _moment(self, text: str, at: int) -> float:
        seconds = seconds_of(text)
        if np.isnan(seconds):
            said = f"{text[:40]!r} is no time as in '2026-11-20' or '2026-11-20T12:00:00Z'"
            name = self._field.name
            raise FilterError(f"{name!r} is compared by time: {said}", at, name)
        return seconds


def _keep(kept: OrderedDict[str, Any], text: str, value: Any, most: int) -> None:
    kept[text] = value
    if len(kept) > most:
        kept.popitem(last=False)
