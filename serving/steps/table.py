"""The candidates of one list: catalogue rows, and a column for what each step says of them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from serving.steps.scores import distinct, top
from serving.types import Identities, Mask, Rows, Scores

SEARCH, INTEREST = "search", "interest"
"""Columns of which there may be several: see `numbered`."""

_SPARSE = 16
"""Where fewer than one of so many rows have a value, these are searched."""
_FEW = 4
"""Where fewer than one of so many rows are allowed, these are scored by themselves."""

NO_ROWS = np.zeros(0, dtype=np.int32)
NO_SCORES = np.zeros(0, dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """What one source says of the catalogue; 0 is no score."""

    values: Scores
    """float32[m]"""
    rows: Rows | None = None
    """int32[m], the catalogue rows of the values, each once; other rows have 0. None: values of every row."""
    places: Rows | None = None
    """int32[p], the place of each catalogue row below p among the values, -1 for none."""
    scale: float = 1.0
    """What a blend divides by: the standard deviation over all items. 1 for a source of no blend."""
    exact: Callable[[Rows], Scores] | None = None
    """The values of any rows, of a source whose `values` are those of its best alone."""
    front: Rows | None = None
    """int32[f], of a source that says the same in every list: its best rows, in the order of `best`. None:
    they are looked for each time."""
    whole: Callable[[], Scores] | None = None
    """The values of every row, float32[n_rows], of a source that gives its `front` alone; then it has no
    `values`, and `exact`."""
    scored: Mask | None = None
    """bool[n_rows], which rows have a score, where that is known without the values."""

    def at(self, rows: Rows, n_rows: int) -> Scores:
        """The values of some catalogue rows, float32[len(rows)]."""
        if self.exact is not None:
            return self.exact(rows)
        if self.places is None or not len(self.values):
            few = self.rows is not None and _SPARSE * len(self.rows) < n_rows
            return self._of_few(rows) if few else self.dense(n_rows)[rows]
        known = rows < len(self.places)
        places = np.where(known, self.places[np.where(known, rows, 0)], -1)
        return np.where(places >= 0, self.values[places], np.float32(0))

    def _of_few(self, rows: Rows) -> Scores:
        """The same, without an array of every row."""
        if self.rows is None or not len(self.rows):
            return np.zeros(len(rows), dtype=np.float32)
        order = np.argsort(self.rows)
        own = self.rows[order]
        places = np.minimum(np.searchsorted(own, rows), len(own) - 1)
        return np.where(own[places] == rows, self.values[order[places]], np.float32(0))

    def _among(self, allowed: Mask) -> "Column":
        """The same with the values of the allowed rows at least: few are scored by themselves."""
        rows = np.flatnonzero(allowed).astype(np.int32)
        if self.exact is None or _FEW * len(rows) >= len(allowed):
            return Column(self.dense(len(allowed)))
        return Column(self.exact(rows), rows)

    def dense(self, n_rows: int) -> Scores:
        """The value of every catalogue row, float32[n_rows]."""
        if self.whole is not None:
            return self.whole()
        if self.rows is None:
            return self.values
        values = np.zeros(n_rows, dtype=np.float32)
        values[self.rows] = self.values
        return values

    def best(
        self,
        count: int,
        allowed: Mask,
        identity: Identities,
        variants: Identities | None = None,
        different: int = 0,
    ) -> Rows:
        """The `count` best of the allowed rows (bool[n_rows]) that it has a score for, int32[m].

        Args:
            identity: uint64[n_rows], by which equals are put in order.
            variants: uint64[n_rows], the same for variants of one another; None where that does not matter.
            different: there are more than `count`, until so many of them are no variants of one another.
        """
        if self.front is not None:
            found = self.front[allowed[self.front]][:count]
            if len(found) == count and are_different(found, variants, different):
                return found
        if self.whole is not None:
            return self._among(allowed).best(count, allowed, identity, variants, different)
        own = allowed if self.rows is None else allowed[self.rows]
        # 0 is no score, and would otherwise win over what the source speaks against.
        places = np.flatnonzero(own & (self.values != 0)).astype(np.int32)
        rows = places if self.rows is None else self.rows[places]
        while True:
            found = rows[top(self.values[places], identity[rows], count)]
            if count >= len(rows) or are_different(found, variants, different):
                return found
            count *= 4


EMPTY_COLUMN = Column(NO_SCORES, NO_ROWS)
"""Of a source that can say nothing of what is asked."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """The candidates, c of them."""

    rows: Rows
    """int32[c], catalogue rows."""
    identity: Identities
    """uint64[c], which item each is, on every worker alike."""
    allowed: Mask
    """bool[c], which of them may be in the list: the others count in the scale of a column alone."""
    sources: Mapping[str, Scores]
    """What each source says, float32[c]."""
    scales: Mapping[str, float]
    """What a blend divides each source by."""
    score: Scores = field(default_factory=lambda: NO_SCORES)
    """float32[c]; above 0 for a candidate that something speaks for."""
    steps: Mapping[str, Scores] = field(default_factory=dict)
    """What each part of the scorer, and each reranker, added to the score, float32[c]."""

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> Scores:
        """A source's column; zeros where it was not asked or had no score."""
        found = self.sources.get(name)
        return np.zeros(len(self), dtype=np.float32) if found is None else found

    def highest(self, names: Iterable[str]) -> Scores:
        """The largest of these sources' columns for each candidate, 0 at least, float32[c]."""
        best = np.zeros(len(self), dtype=np.float32)
        for name in names:
            np.maximum(best, self.column(name), out=best)
        return best

    def total(self, parts: Mapping[str, Scores]) -> Scores:
        """The sum of some columns, float32[c]; zeros without any."""
        total = np.zeros(len(self), dtype=np.float32)
        for values in parts.values():
            total += values
        return total

    def standardised(self, name: str) -> Scores:
        """A source's column over its scale, float32[c]."""
        return self.column(name) / np.float32(self.scales.get(name, 1.0))

    def scored(self, score: Scores, steps: Mapping[str, Scores]) -> "Table":
        """With a score and what its parts, or a step after it, gave."""
        # Not by `replace`, which takes as long as a step of a small catalogue.
        return Table(
            self.rows,
            self.identity,
            self.allowed,
            self.sources,
            self.scales,
            score,
            {**self.steps, **steps} if self.steps else steps,
        )

    def take(self, places: NDArray[np.integer]) -> "Table":
        """Only the candidates at `places`, in that order."""
        return Table(
            self.rows[places],
            self.identity[places],
            self.allowed[places],
            {name: values[places] for name, values in self.sources.items()},
            self.scales,
            self.score[places],
            {name: values[places] for name, values in self.steps.items()},
        )


def are_different(rows: Rows, variants: Identities | None, count: int) -> bool:
    """Whether there are `count` items among the rows that are no variants (uint64[n_rows]) of one another."""
    if variants is None:
        return True
    groups = np.sort(variants[rows])  # see `distinct`
    return min(len(groups), 1) + int(np.count_nonzero(groups[1:] != groups[:-1])) >= count


def numbered(name: str, place: int) -> str:
    """The name of the column of one search or interest among several."""
    return f"{name} {place + 1}"


def gather(
    columns: Mapping[str, Column],
    live: Mask,
    allowed: Mask,
    identity: Identities,
    each: int | None,
    *,
    least: int = 0,
    variants: Identities | None = None,
    different: int = 0,
    reserve: Rows = NO_ROWS,
) -> Table:
    """Candidates from what the sources say.

    In a small catalogue every row is one; in a larger one the best of every source are (see `best_rows`), and
    nothing after this takes time that grows with the catalogue.

    Args:
        columns: of each source.
        live: bool[n_rows], which rows hold an item.
        allowed: bool[n_rows], what may be in the list.
        identity: uint64[n_rows], by which equals are put in order.
        each: how many a source brings to a large catalogue's table; None where every row is in it.
        least, variants, different, reserve: see `best_rows`.
    """
    n_rows = len(allowed)
    scales = {name: column.scale for name, column in columns.items()}
    if each is None:
        # A bundle scores items that were deleted since, too: none may be the best that others are a share of.
        known = {name: column.dense(n_rows) for name, column in columns.items()}
        if not live.all():
            known = {name: np.where(live, values, np.float32(0)) for name, values in known.items()}
        return Table(np.arange(n_rows, dtype=np.int32), identity, allowed, known, scales)
    rows = best_rows(
        columns.values(),
        allowed,
        identity,
        each,
        least=least,
        variants=variants,
        different=different,
        reserve=reserve,
    )
    found = {name: column.at(rows, n_rows) for name, column in columns.items()}
    return Table(rows, identity[rows], allowed[rows], found, scales)


def best_rows(
    columns: Iterable[Column],
    allowed: Mask,
    identity: Identities,
    each: int,
    *,
    least: int = 0,
    variants: Identities | None = None,
    different: int = 0,
    reserve: Rows = NO_ROWS,
) -> Rows:
    """The `each` best allowed rows of every source, int32[m], each once.

    Args:
        columns: of each source.
        allowed: bool[n_rows], what may be in the list.
        identity: uint64[n_rows], by which equals are put in order.
        each: how many a source brings.
        least: how many a large one's has at least, if so many are allowed: by identity where the sources have
            no score. Then there are more, too, until `different` of them are no variants of one another.
        variants: uint64[n_rows], the same for variants of one another; None where that does not matter.
        different: a source brings more, until so many of them are no variants of one another.
        reserve: int32[f], the rows of the lowest identities, the lowest first, of which `allowed` may be any.
    """
    brought = [column.best(each, allowed, identity, variants, different) for column in columns]
    # Sorted, the table is the same in whatever order the sources are asked.
    rows = distinct(np.concatenate([NO_ROWS, *brought]).astype(np.int32))
    while least and not (len(rows) >= least and are_different(rows, variants, different)):
        wanted = least if len(rows) < least else 4 * len(rows)
        rows = np.union1d(rows, _any_of(allowed, identity, rows, wanted - len(rows), reserve))
        if len(rows) < wanted:
            break  # there are no more
    return rows


def _any_of(allowed: Mask, identity: Identities, taken: Rows, count: int, reserve: Rows) -> Rows:
    """`count` of the allowed rows that are not taken: those of the lowest identities, as on every worker."""
    # Of as many more as are taken so many are left.
    first = reserve[allowed[reserve]][: count + len(taken)]
    if len(first) == count + len(taken):
        return first[np.isin(first, taken, invert=True)][:count]
    free = allowed.copy()
    free[taken] = False
    rows = np.flatnonzero(free).astype(np.int32)
    if count < len(rows):
        # The lowest identities, in no order: `top` puts them in one.
        rows = rows[np.argpartition(identity[rows], count)[:count]]
    return rows
