"""Columns that a request's filter asks: what the API shows of items, and the shop's own attributes.

A field has one column for each type of value that items have under its name. Columns are made when the first
item has a value, and changed with the items, so a filter costs a few passes over arrays.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from database.attributes import AttributeType
from serving.catalogue.places import MOVED_ONE_BY_ONE, Places
from serving.steps.scores import top
from serving.types import PATH, Doubles, Identities, Item, Mask, Rows, Scores, category_paths

ATTRIBUTE = "attributes."
"""What the name of an attribute begins with here: the shop may call one `price`."""

FIELDS: dict[str, AttributeType] = {
    "kind": "text",
    "category": "text",
    "categories": "texts",
    "labels": "texts",
    "price": "number",
    "original_price": "number",
    "rating": "number",
    "rating_count": "number",
    "stock": "number",
    "timestamp": "time",
    "publish_at": "time",
    "expire_at": "time",
    "created_at": "time",
    "updated_at": "time",
}
"""Fields that every catalogue has, by the names of the API."""

FRONT = 20_000
"""Items at the front of an order that is kept: lists that let one of ten through find 2,000 of them."""
_MOVED = 4 * MOVED_ONE_BY_ONE
"""Changed rows up to which a front is brought up to date rather than looked for anew."""
_COMPARED = 16
"""Codes with which each row's is compared; more are looked up, which takes as long as twenty are compared."""
_SPARE = 1024


@dataclass(slots=True, eq=False)
class _Front:
    """The rows at the front of an order."""

    edition: int
    """Of the identities by which equals are put in order."""
    rows: Rows
    """int32[<=FRONT], the first first."""
    moved: set[int] = field(default_factory=set)
    """Rows that may stand elsewhere since."""

    def follow(self, identity: Identities, scores_of: Callable[[Rows], Scores]) -> None:
        """Bring `moved` rows where they stand now, by their scores. What is behind all that have not moved is
        left out: of other rows one may be ahead of it."""
        moved = np.array(sorted(self.moved), dtype=np.int32)
        kept = self.rows[np.isin(self.rows, moved, invert=True)]
        scores, own = scores_of(kept), scores_of(moved)
        order = np.lexsort((identity[moved], -own))
        ahead = [
            np.count_nonzero((scores > score) | ((scores == score) & (identity[kept] < identity[row])))
            for row, score in zip(moved[order], own[order], strict=True)
        ]
        among = np.array(ahead) < len(kept)
        self.rows = np.insert(kept, np.array(ahead)[among], moved[order][among])[:FRONT]
        self.moved.clear()


class Numbers:
    """A number for each row, or a time in seconds since 1970; NaN for none."""

    def __init__(self) -> None:
        self._values = np.full(_SPARE, np.nan)
        self._places: Places | None = None
        self._changed: set[int] = set()
        """Rows whose places are old."""
        self._falling: dict[bool, Scores] = {}
        self._first: dict[bool, _Front] = {}
        self.known = 0
        """Rows with a value."""

    def put(self, row: int, value: float) -> None:
        """Set a row's value."""
        if row >= len(self._values) or self._values[row] != value:
            self._note(row)
        self._values = _long_enough(self._values, row, np.nan)
        self.known += int(np.isnan(self._values[row]))
        self._values[row] = value

    def clear(self, row: int) -> None:
        """Take a row's value away."""
        if row < len(self._values) and not np.isnan(self._values[row]):
            self._values[row] = np.nan
            self._note(row)
            self.known -= 1

    def falling(self, n_rows: int, *, descending: bool) -> Scores:
        """Scores by which all rows stand in the order of their values, float32[n_rows]: see `Places.falling`.

        They are kept until a value changes, and then follow it. Not to be changed.
        """
        places = self._followed(n_rows)
        if descending not in self._falling:
            self._falling[descending] = places.falling(descending=descending)
            self._falling[descending].flags.writeable = False
        return self._falling[descending]

    def falling_of(self, rows: Rows, n_rows: int, *, descending: bool) -> Scores:
        """The same of some rows (int32[m]), float32[m]."""
        return self._followed(n_rows).falling(descending=descending, rows=rows)

    def first(self, identity: Identities, edition: int, *, descending: bool) -> Rows:
        """The rows at the front of that order, int32[<=FRONT]; equals by their identity (uint64[n_rows]).

        `edition` is another whenever a row's identity is.
        """
        places, kept = self._followed(len(identity)), self._first.get(descending)
        if kept is not None and kept.edition == edition and kept.moved:
            kept.follow(identity, lambda rows: places.falling(descending=descending, rows=rows))
        if kept is None or kept.edition != edition or 2 * len(kept.rows) < min(FRONT, len(identity)):
            rows = top(self.falling(len(identity), descending=descending), identity, FRONT)
            kept = self._first[descending] = _Front(edition, rows.astype(np.int32))
        return kept.rows

    def _followed(self, n_rows: int) -> Places:
        """The places of the values as they are now."""
        values = self.values(n_rows)
        if self._places is None:
            self._places = Places(values)
        elif self._changed or len(self._places) != n_rows:
            self._falling.clear()
            self._places.follow(values, self._changed)
        for descending, front in list(self._first.items()):
            front.moved |= self._changed
            if len(front.moved) > _MOVED:  # one that nobody asks for
                del self._first[descending]
        self._changed.clear()
        return self._places

    def _note(self, row: int) -> None:
        """A row's value changes."""
        if self._places is None:
            return
        self._changed.add(row)
        if len(self._changed) > MOVED_ONE_BY_ONE:
            self._places = None
            self._changed.clear()
            self._falling.clear()
            self._first.clear()

    def values(self, n_rows: int) -> Doubles:
        """float64[n_rows]"""
        self._values = _long_enough(self._values, n_rows, np.nan)
        return self._values[:n_rows]


class Codes:
    """A text, some texts or a truth value for each row, as a number that stands for it."""

    def __init__(self) -> None:
        self._codes = np.full(_SPARE, -1, dtype=np.int32)
        self._forget()
        self.known = 0
        """Rows with a value."""

    def put(self, row: int, value: Hashable) -> None:
        """Set a row's value; of a tuple each member counts as one."""
        self._codes = _long_enough(self._codes, row, -1)
        self.known += int(self._codes[row] < 0)
        self._codes[row] = self._code(value)
        if len(self._values) > 2 * self.known + _SPARE:
            self._compact()

    def clear(self, row: int) -> None:
        """Take a row's value away."""
        if row < len(self._codes) and self._codes[row] >= 0:
            self._codes[row] = -1
            self.known -= 1

    def holds(self, wanted: Iterable[Hashable], n_rows: int, rows: Rows | slice = slice(None)) -> Mask:
        """bool[n_rows]: rows that have one of these values; of some of them (int32[m]) bool[m]."""
        codes = [code for value in wanted for code in self._having.get(value, ())]
        self._codes = _long_enough(self._codes, n_rows, -1)
        own = self._codes[:n_rows][rows]
        found: Mask = np.zeros(len(own), dtype=np.bool_)
        if len(codes) > _COMPARED:
            true = np.zeros(len(self._values) + 1, dtype=np.bool_)  # the last is that of code -1
            true[codes] = True
            return true[own]
        for code in codes:
            found |= own == code
        return found

    def present(self, n_rows: int) -> Mask:
        """bool[n_rows]: rows that have a value."""
        self._codes = _long_enough(self._codes, n_rows, -1)
        found: Mask = self._codes[:n_rows] >= 0
        return found

    def times(self, n_rows: int) -> Doubles:
        """float64[n_rows], the values as seconds since 1970; NaN for what is no time."""
        self._times += [seconds_of(value) for value in self._values[len(self._times) :]]
        return self._of(np.array([*self._times, np.nan]), n_rows)

    def counts(self, among: Mask) -> dict[Hashable, int]:
        """How many of these rows (bool[n_rows]) have each value."""
        self._codes = _long_enough(self._codes, len(among), -1)
        # From 1 on: those of no value are counted at 0.
        numbers = np.bincount(self._codes[: len(among)][among] + 1, minlength=len(self._values) + 1)[1:]
        found: dict[Hashable, int] = {}
        for code in np.flatnonzero(numbers).tolist():
            for member in _members(self._values[code]):
                found[member] = found.get(member, 0) + int(numbers[code])
        return found

    def _of(self, table: NDArray[Any], n_rows: int) -> NDArray[Any]:
        self._codes = _long_enough(self._codes, n_rows, -1)
        found: NDArray[Any] = table[self._codes[:n_rows]]
        return found

    def _code(self, value: Hashable) -> int:
        code = self._code_of.get(value)
        if code is None:
            code = self._code_of[value] = len(self._values)
            self._values.append(value)
            for member in _members(value):
                self._having.setdefault(member, []).append(code)
        return code

    def _compact(self) -> None:
        """Forget the values that no row has any more."""
        old, rows = self._values, np.flatnonzero(self._codes >= 0)
        used, codes = np.unique(self._codes[rows], return_inverse=True)
        self._forget()
        renamed = np.array([self._code(old[code]) for code in used.tolist()], dtype=np.int32)
        self._codes[rows] = renamed[codes]

    def _forget(self) -> None:
        self._values: list[Hashable] = []
        self._code_of: dict[Hashable, int] = {}
        self._having: dict[Hashable, list[int]] = {}
        self._times: list[float] = []


class FieldColumns:
    """The columns of all fields, by the catalogue's rows."""

    def __init__(self) -> None:
        self._numbers: defaultdict[tuple[str, AttributeType], Numbers] = defaultdict(Numbers)
        self._codes: defaultdict[tuple[str, AttributeType], Codes] = defaultdict(Codes)

    def put(self, row: int, item: Item, *, fresh: bool) -> None:
        """Set what a row's item has; a `fresh` row had nothing before."""
        values = list(values_of(item))
        if not fresh:
            kept = {(name, kind) for name, kind, _ in values}
            for key, column in self._all().items():
                # What is replaced is not cleared: a number that stays the same leaves the order as it is.
                if key not in kept:
                    column.clear(row)
        for name, kind, value in values:
            if kind in ("number", "time"):
                self._numbers[name, kind].put(row, value)
            else:
                self._codes[name, kind].put(row, value)

    def clear(self, row: int) -> None:
        """Take all of a row away."""
        for column in self._all().values():
            column.clear(row)

    def types(self, name: str) -> list[AttributeType]:
        """Which types of value items have under a name; of a field of the API the type that it has."""
        if name in FIELDS:
            return [FIELDS[name]]
        return [kind for (known, kind), column in self._all().items() if known == name and column.known]

    def names(self) -> list[str]:
        """The fields of the API, and the attributes that items have."""
        found = {name for (name, _), column in self._all().items() if column.known}
        return [*FIELDS, *sorted(found - FIELDS.keys())]

    def numbers(self, name: str, kind: AttributeType = "number") -> Numbers:
        """The column of a field's numbers (or times); an empty one where no item has any."""
        return self._numbers.get((name, kind)) or Numbers()

    def codes(self, name: str, kind: AttributeType) -> Codes:
        """The column of a field's texts or truth values; an empty one where no item has any."""
        return self._codes.get((name, kind)) or Codes()

    def _all(self) -> dict[tuple[str, AttributeType], Numbers | Codes]:
        return {**self._numbers, **self._codes}


def values_of(item: Item) -> Iterator[tuple[str, AttributeType, Any]]:
    """Name, type and value of what an item has: texts as a tuple, times as seconds since 1970.

    Of a category's path each level counts: what is in "Food > Fruit" is in "Food".
    """
    paths = category_paths(item)
    plain: dict[str, Any] = {
        "kind": item.kind,
        "category": item.category,
        "categories": tuple(dict.fromkeys(level for path in paths for level in _levels(path))),
        "labels": item.tags,
        "price": item.price,
        "original_price": item.original_price,
        "rating": None if item.rating is None else float(str(np.float32(item.rating))),  # stored as such
        "rating_count": item.rating_count,
        "stock": item.stock,
        "timestamp": item.timestamp,
        "publish_at": item.publish_at,
        "expire_at": item.expire_at,
        "created_at": item.created_at,
        "updated_at": item.updated_at,
    }
    for name, value in plain.items():
        if value not in (None, (), ""):
            yield name, FIELDS[name], value.timestamp() if isinstance(value, datetime) else value
    for name, value in item.attributes.items():
        kind = type_of(value)
        if kind is not None:
            yield ATTRIBUTE + name, kind, tuple(value) if kind == "texts" else value


def type_of(value: Any) -> AttributeType | None:
    """The type of an attribute's value; None for one that nothing is asked about (null, or nested)."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return None if isnan(value) else "number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, list | tuple) and value and all(isinstance(each, str) for each in value):
        return "texts"
    return None


def seconds_of(value: object) -> float:
    """A date or time of ISO 8601 as seconds since 1970; UTC where it names no zone. NaN for other texts.

    >>> seconds_of("1970-01-02"), seconds_of("1970-01-01T01:00:00+01:00"), seconds_of("soon")
    (86400.0, 0.0, nan)
    """
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return float("nan")
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _levels(path: str) -> Iterator[str]:
    parts = path.split(PATH)
    return (PATH.join(parts[: end + 1]) for end in range(len(parts)))


def _members(value: Hashable) -> tuple[Hashable, ...]:
    return value if isinstance(value, tuple) else (value,)


def _long_enough(values: NDArray[Any], row: int, fill: float) -> NDArray[Any]:
    if row < len(values):
        return values
    longer = np.full(max(2 * len(values), row + 1), fill, dtype=values.dtype)
    longer[: len(values)] = values
    return longer
