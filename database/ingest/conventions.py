"""How a file writes numbers, ids and ratings: learnt from all of its rows, before any of them is read.

A column is read in one way. What can't be told from it is decided by the options, and said.
"""

import re
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from database.ingest.chunk import Options
from database.ingest.fields import NULL_WORDS, SLASHED, number_shape, numbers
from database.ingest.typed_numbers import settled

FIVE_STARS = (1.0, 5.0)
_WHOLE = r"^\s*([+-]?(0|[1-9]\d*)(\.0*)?|[+-]?[1-9](\.\d+)?[eE]\+\d\d)?\s*$"
_FRACTION = r"\.|[eE]"
_NULLS = rf"^\s*({'|'.join(re.escape(word) for word in NULL_WORDS)})\s*$"
_SLASHED = r"^\s*\d{1,2}[./-]\d{1,2}[./-]"
_MOST_VALUES = 100_000
_STRAYS = 0.01  # more ratings than this beyond five are another scale, not typing errors


@dataclass(frozen=True)
class Columns:
    """What a format's columns hold: `read` are all that matter, `texts` are texts whatever their type.

    `ratings` names the column of ratings; with `rating_of`, only the rows that say one of `rating_words` in
    that column hold one.
    """

    read: frozenset[str]
    texts: frozenset[str]
    ids: tuple[str, ...]
    amounts: tuple[str, ...]
    ratings: str
    stars: tuple[float, float]
    """The scale that ratings are stored on."""
    rating_of: str | None = None
    rating_words: frozenset[str] = frozenset({"rating"})
    times: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    """Texts that hold several values, separated by "|", or else by commas."""

    @property
    def numbers(self) -> set[str]:
        """Those that hold numbers."""
        return {*self.amounts, self.ratings}

    @property
    def telling(self) -> set[str]:
        """Those that tell how the file is written."""
        told = {*self.ids, *self.amounts, *self.times, *self.lists, self.ratings}
        return told | ({self.rating_of} if self.rating_of else set())


@dataclass(frozen=True)
class Conventions:
    """What was learnt, and what the options say.

    `comma` are the columns with a decimal comma, `whole` the columns of ids that are whole numbers; `scale`
    is the lowest and highest rating, None where the ratings fit none.
    """

    comma: frozenset[str] = frozenset()
    whole: frozenset[str] = frozenset()
    scale: tuple[float, float] | None = FIVE_STARS
    keep_null_words: bool = False
    day_first: bool | None = None
    """Whether 3/4/2024 is in April; None: the column does not tell."""
    short_years: bool = False
    """Whether 3/4/24 is read like that: only where an option says which number is the day."""
    barred: frozenset[str] = frozenset()
    """Columns of several values that are separated by "|"."""
    notes: tuple[str, ...] = ()


@dataclass
class _Amounts:
    point: int = 0
    comma: int = 0
    thousands: str | None = None
    decimals: str | None = None


@dataclass
class _Ids:
    whole: bool = True
    fractions: bool = False


@dataclass
class _Dates:
    """Of dates such as 3/4/2024: an example, and whether one can only be read day first, or month first.

    `short` is an example with a year of two digits, which may as well be a day: "24/12/13".
    """

    example: str | None = None
    short: str | None = None
    day_first: bool = False
    month_first: bool = False


@dataclass
class Learner:
    """Looks at the rows of a file, some at a time."""

    columns: Columns
    options: Options
    _amounts: dict[str, _Amounts] = field(default_factory=dict)
    _ids: dict[str, _Ids] = field(default_factory=dict)
    _ratings: Counter[str] = field(default_factory=Counter)
    _dates: _Dates = field(default_factory=_Dates)
    _barred: set[str] = field(default_factory=set)

    def look(self, rows: pa.RecordBatch) -> None:
        """Learn from some rows; columns that are not known are not looked at."""
        for name, column in zip(rows.schema.names, rows.columns, strict=True):
            if name in self.columns.ids:
                self._look_at_ids(self._ids.setdefault(name, _Ids()), column)
            if name in self.columns.times and pa.types.is_string(column.type):
                self._look_at_dates(column)
            if name in self.columns.lists and pc.any(pc.match_substring(column, "|")).as_py():
                self._barred.add(name)
            if name in self.columns.amounts and not _numeric(column):
                self._look_at_amounts(self._amounts.setdefault(name, _Amounts()), column)
        if self.columns.ratings in rows.schema.names and self.options.rating_scale is None:
            self._look_at_ratings(rows)

    def conclude(self) -> Conventions:
        """What all rows that were looked at have in common."""
        comma = frozenset(name for name, seen in self._amounts.items() if self._with_comma(seen))
        scale = self.options.rating_scale or self._scale(self.columns.ratings in comma)
        notes = [note for name, seen in self._amounts.items() for note in self._said(name, seen)]
        if scale is None:
            notes.append("the scale of the ratings is not known; name it with --rating-scale LOW..HIGH")
        elif scale != self.columns.stars:
            notes.append(
                f"ratings are read as {scale[0]:g}..{scale[1]:g}, and stored on the scale of five stars"
            )
        whole = frozenset(name for name, seen in self._ids.items() if seen.whole and seen.fractions)
        notes += [f"{name} is read as whole numbers" for name in sorted(whole)]
        day_first = self._day_first()
        if self._dates.example is not None:
            notes.append(_order_in_words(self._dates.example, day_first))
        if self._dates.short is not None:
            notes.append(_order_in_words(self._dates.short, self.options.day_first))
        return Conventions(
            comma,
            whole,
            scale,
            self.options.keep_null_words,
            day_first,
            self.options.day_first is not None,
            frozenset(self._barred),
            tuple(notes),
        )

    @property
    def undecided_date(self) -> str | None:
        """A date such as 3/4/2024, where neither rows nor options tell which number is the day."""
        seen = self._dates
        if self.options.day_first is not None:
            return None
        return seen.short or (seen.example if seen.day_first == seen.month_first else None)

    def _look_at_dates(self, column: pa.Array) -> None:
        slashed = pc.filter(column, pc.match_substring_regex(column, _SLASHED))
        for text in pc.unique(slashed).to_pylist():
            found = re.match(SLASHED, text)
            if found is not None and len(found[4]) == 2:
                self._dates.short = self._dates.short or text
            elif found is not None and found[2] != ".":
                self._dates.example = self._dates.example or text
                self._dates.day_first |= 12 < int(found[1]) <= 31
                self._dates.month_first |= 12 < int(found[3]) <= 31

    def _day_first(self) -> bool | None:
        if self.options.day_first is not None:
            return self.options.day_first
        seen = self._dates
        return seen.day_first if seen.day_first != seen.month_first else None

    def _look_at_ids(self, seen: _Ids, column: pa.Array) -> None:
        if not seen.whole or pa.types.is_integer(column.type):
            return
        texts = column.cast(pa.string())
        texts = pc.filter(texts, pc.invert(pc.match_substring_regex(texts, _NULLS)))
        seen.whole = pc.all(pc.match_substring_regex(texts, _WHOLE)).as_py() is not False
        if seen.whole and not seen.fractions:
            seen.fractions = pc.any(pc.match_substring_regex(texts, _FRACTION)).as_py() is True

    def _look_at_amounts(self, seen: _Amounts, column: pa.Array) -> None:
        point, comma, thousands, decimals = number_shape(pc.unique(column))
        seen.point += point
        seen.comma += comma
        seen.thousands = seen.thousands or thousands
        seen.decimals = seen.decimals or decimals

    def _look_at_ratings(self, rows: pa.RecordBatch) -> None:
        values = rows.column(self.columns.ratings)
        if self.columns.rating_of is not None:
            if self.columns.rating_of not in rows.schema.names:
                return
            kinds = rows.column(self.columns.rating_of).cast(pa.string()).dictionary_encode()
            kind = pc.utf8_lower(pc.utf8_trim_whitespace(kinds.dictionary))
            words = pc.replace_substring_regex(kind, r"[\s-]+", "_")
            known = pa.array(sorted(self.columns.rating_words), pa.string())
            rated = pc.or_(pc.is_in(kind, known), pc.is_in(words, known))
            values = values.filter(rated.take(kinds.indices))
        for pair in pc.value_counts(values.cast(pa.string())).to_pylist():
            if pair["values"] is not None and len(self._ratings) < _MOST_VALUES:
                self._ratings[pair["values"]] += pair["counts"]

    def _with_comma(self, seen: _Amounts) -> bool:
        if seen.point or seen.comma:
            return seen.comma > seen.point
        return self.options.decimal_comma

    def _said(self, name: str, seen: _Amounts) -> list[str]:
        comma = self._with_comma(seen)
        unclear = seen.thousands or seen.decimals
        if seen.point or seen.comma or unclear is None:
            return [f"{name} is read with a decimal comma"] if comma and seen.comma else []
        (value,) = numbers(pd.Series([unclear]), name, Counter(), comma=comma, unit=True)
        other = "point" if comma else "comma"
        return [f"{name}: {unclear} is read as {value:g}; with --decimal {other} it is read the other way"]

    def _scale(self, comma: bool) -> tuple[float, float] | None:
        if not self._ratings:
            return self.columns.stars
        texts = settled(pd.Series(list(self._ratings), dtype="str"), comma=comma)
        counts = pd.Series(list(self._ratings.values()), dtype="int64")
        values = numbers(texts, "rating", Counter(), comma=comma)
        known = values.notna()
        if not known.any():
            return self.columns.stars
        scale = scale_of(values[known], counts[known])
        return scale if scale is None else (min(scale[0], self.columns.stars[0]), scale[1])


def scale_of(values: pd.Series, counts: pd.Series) -> tuple[float, float] | None:
    """The scale, (lowest, highest), of ratings: distinct values and how often each is given.

    None where they fit no common one: below 0, no higher than 1, or between 10 and 50.
    """
    total, above = counts.sum(), counts[values > FIVE_STARS[1]].sum()
    if total >= 100 and above <= _STRAYS * total:
        values = values[values <= FIVE_STARS[1]]
    low, high = values.min(), values.max()
    if low < 0 or (high <= 1 and low < 1) or 10 < high < 50 or high > 100:
        return None
    top = 5.0 if high <= 5 else 10.0 if high <= 10 else 100.0
    bottom = 1.0 if low >= 1 else 0.5 if low >= 0.5 else 0.0
    return bottom, top


def rescaled(ratings: pd.Series, scale: tuple[float, float] | None, onto: tuple[float, float]) -> pd.Series:
    """Ratings of a scale moved onto another, ends onto ends; null outside the scale, and where it is None."""
    if scale is None:
        return pd.Series(np.nan, index=ratings.index)
    low, high = scale
    inside = ratings.where(ratings.between(low, high))
    if scale == onto:
        return inside
    return onto[0] + (inside - low) * (onto[1] - onto[0]) / (high - low)


def in_words(scale: tuple[float, float] | None) -> str:
    """Why a rating is refused that is not of the scale."""
    return (
        "rating of an unknown scale" if scale is None else f"rating is not within {scale[0]:g}..{scale[1]:g}"
    )


def _order_in_words(example: str, day_first: bool | None) -> str:
    if day_first is None:
        return f"{example}: neither day nor month is known to come first; say --day-first or --month-first"
    return f"times such as {example} are read with the {'day' if day_first else 'month'} first"


def _numeric(column: pa.Array) -> bool:
    kind = column.type
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))
