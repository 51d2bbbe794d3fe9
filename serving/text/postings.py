"""An inverted index in memory: documents come and go while it answers."""

import math
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

import numpy as np

from serving.steps.scores import top
from serving.text.posting_lists import PostingLists
from serving.types import Doubles, Identities, Mask, Rows, Scores

Key = TypeVar("Key")
Found = TypeVar("Found")

COMMON = 10_000
"""Documents from which on a term is common."""
LEADING = 8192
"""Of a common term's rows, so many of the first in an order are kept."""
_KEPT = 16
"""Common terms of which something is kept: those that were asked for last."""
_NONE: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """BM25 of a common term for every row, without the idf."""

    scores: Scores
    """float32[n]; rows from n on have none."""
    has: Mask
    """bool[n], where it is above 0."""
    most: np.float32
    """The largest."""


@dataclass(frozen=True, slots=True, eq=False)
class Leading:
    """The rows of a common term with the highest BM25."""

    rows: Rows
    """int32[<=LEADING], the highest first, equals by their identity."""
    behind: np.float32
    """The highest BM25, without the idf, of the term's other rows; 0 where there are none."""
    lower: np.float32
    """The highest below that."""


class Postings:
    """Terms → the rows of the documents that hold them, with a weight each.

    A document is a mapping term → weight (its occurrences, times the boost of the field they stand in).
    Adding costs its number of terms; removing also the length of their posting lists.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._terms: list[str] = []
        """Term of each number; "" for one that is free."""
        self._free: list[int] = []
        self._having = PostingLists()
        """By the number of a term."""
        self._documents: list[bytes] = []
        """Of each row the numbers of its terms, int32 one after another."""
        self._count = 0
        self._lengths = np.zeros(1024, dtype=np.float32)
        self._signs = np.zeros(1024, dtype=np.int64)
        """A number for each row's document with its weights."""
        self._total_length = 0.0
        self._held: dict[str, tuple[int, Mask]] = {}
        self._lowest: dict[str, tuple[int, Rows]] = {}
        self._dense: dict[tuple[str, float, float], tuple[int, Dense]] = {}
        self._leading: dict[tuple[str, float, float], tuple[int, Leading]] = {}
        self.edition = 0
        """How many documents came or went: what was worked out of another edition no longer holds."""

    def __len__(self) -> int:
        return self._count

    def __contains__(self, row: int) -> bool:
        return row < len(self._documents) and self._documents[row] != b""

    def add(self, row: int, document: Mapping[str, float], aliases: Mapping[str, float] = _NONE) -> list[str]:
        """Index a document under `row` (which must be free); gives the terms that no other document has.

        `aliases` are further terms that it is found by; they do not make it longer. It has a term at least.
        """
        self.edition += 1
        self._count += 1
        held = {**aliases, **document} if aliases else document
        fresh = [term for term in held if term not in self._numbers]
        for term in fresh:
            self._number(term)
        numbers = [self._numbers[term] for term in held]
        self._having.add(row, numbers, held.values())
        self._documents += [b""] * (row + 1 - len(self._documents))
        self._documents[row] = array("i", numbers).tobytes()
        if row >= len(self._lengths):
            grown = np.zeros(max(row + 1, 2 * len(self._lengths)), dtype=np.float32)
            grown[: len(self._lengths)] = self._lengths
            self._lengths = grown
            signs = np.zeros(len(grown), dtype=np.int64)
            signs[: len(self._signs)] = self._signs
            self._signs = signs
        self._signs[row] = _sign(document, aliases)
        length = sum(document.values())
        self._lengths[row] = length
        self._total_length += length
        return fresh

    def remove(self, row: int) -> list[str]:
        """Take the document of `row` out; gives the terms that no document has now. [] when there is none."""
        if row not in self:
            return []
        gone = []
        self.edition += 1
        self._count -= 1
        for number in self._terms_of(row):
            self._having.remove(number, row)
            if not self._having.count(number):
                gone.append(self._terms[number])
                self._give_back(number)
        self._documents[row] = b""
        self._total_length -= float(self._lengths[row])
        self._lengths[row] = 0.0
        return gone

    def holds_document(
        self, row: int, document: Mapping[str, float], aliases: Mapping[str, float] = _NONE
    ) -> bool:
        """Whether the document of `row` is this one already: see `add`."""
        held = {**aliases, **document} if aliases else document
        return self.terms_of(row) == tuple(held) and self._signs[row] == _sign(document, aliases)

    def terms_of(self, row: int) -> tuple[str, ...]:
        """The distinct terms of a document; () when there is none."""
        return tuple([self._terms[number] for number in self._terms_of(row)])

    def frequency(self, term: str, allowed: Mask | None = None) -> int:
        """How many documents have a term; of the rows of `allowed` (bool[n_rows]) where that is given."""
        number = self._numbers.get(term)
        if number is None:
            return 0
        if allowed is None:
            return self._having.count(number)
        return int(np.count_nonzero(allowed[self._having.rows(number)]))

    def has(self, term: str, allowed: Mask | None = None) -> bool:
        """Whether a document has a term, of the rows of `allowed` (bool[n_rows]) where that is given."""
        number = self._numbers.get(term)
        if number is None or allowed is None:
            return number is not None
        known, start, length = self._having.rows(number), 0, 64
        while start < len(known):  # of a common term a few rows tell
            if allowed[known[start : start + length]].any():
                return True
            start, length = start + length, 4 * length
        return False

    def idf(self, term: str) -> float:
        """Rarity of a term, by BM25's smoothed formula: ln(1 + (N - n + 0.5) / (n + 0.5)); never negative."""
        count = self.frequency(term)
        return math.log1p((len(self) - count + 0.5) / (count + 0.5))

    def squares(self, rows: Rows) -> Doubles:
        """Of each of these rows' documents the sum of the squares of its terms' idf, float64[len(rows)]."""
        known = len(self._documents)
        documents = [self._documents[row] if row < known else b"" for row in rows.tolist()]
        counts = self._having.counts(np.frombuffer(b"".join(documents), dtype=np.int32))
        idf = np.log1p((len(self) - counts + 0.5) / (counts + 0.5))  # as `idf`
        lengths = np.array([len(each) for each in documents], dtype=np.int64) // 4
        found, filled = np.zeros(len(rows)), lengths > 0
        if filled.any():
            found[filled] = np.add.reduceat(idf * idf, (np.cumsum(lengths) - lengths)[filled])
        return found

    def is_common(self, term: str) -> bool:
        """Whether so many documents have a term that its rows are worth keeping."""
        return self.frequency(term) >= COMMON

    def holds(self, term: str, rows: Rows) -> Mask:
        """bool[len(rows)]: which of these rows' documents have a common term.

        Of the common terms that were asked for last it is kept of every row, until a document comes or goes;
        as is what `lowest`, `dense` and `leading` give.
        """

        def make() -> Mask:
            held = np.zeros(len(self._lengths), dtype=np.bool_)
            held[self._having.rows(self._numbers[term])] = True
            return held

        found: Mask = self._remembered(self._held, term, make)[rows]
        return found

    def lowest(self, term: str, identity: Identities) -> Rows:
        """The rows of a common term with the lowest identities, the lowest first, int32[<=LEADING].

        Args:
            term: one of `is_common`.
            identity: uint64[n_rows], which stays as it is while a row holds a document. Not to be changed.
        """

        def make() -> Rows:
            rows = self._having.rows(self._numbers[term])
            own = identity[rows]
            if len(rows) > LEADING:
                lowest = np.argpartition(own, LEADING)[:LEADING]
                rows, own = rows[lowest], own[lowest]
            found: Rows = rows[np.argsort(own)]
            return found

        return self._remembered(self._lowest, term, make)

    def matches(self, term: str) -> tuple[Rows, Scores]:
        """Documents that hold a term: rows int32[m], each once, and its weight float32[m] in each."""
        number = self._numbers.get(term)
        if number is None:
            return np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.float32)
        return self._having.rows(number).copy(), self._having.weights(number).copy()

    def bm25(self, term: str, k1: float, b: float) -> tuple[Rows, Scores]:
        """BM25 of one term for each document that holds it (Robertson & Zaragoza 2009), without the idf.

        Between 0 and k1 + 1. `k1` and `b` are the usual constants of the formula.
        """
        if not self.is_common(term):
            return self._bm25(term, k1, b)
        rows = self._having.rows(self._numbers[term]).copy()
        return rows, self.dense(term, k1, b).scores[rows]

    def dense(self, term: str, k1: float, b: float) -> Dense:
        """The same of a common term for every row. Not to be changed."""

        def make() -> Dense:
            rows, scores = self._bm25(term, k1, b)
            dense = np.zeros(len(self._lengths), dtype=np.float32)
            dense[rows] = scores
            return Dense(dense, dense > 0, scores.max(initial=np.float32(0)))

        return self._remembered(self._dense, (term, k1, b), make)

    def leading(self, term: str, k1: float, b: float, identity: Identities) -> Leading:
        """The best rows of a common term. Not to be changed. `identity`: as for `lowest`."""

        def make() -> Leading:
            rows, scores = self.bm25(term, k1, b)
            best = top(scores, identity[rows], LEADING)
            if len(best) == len(rows):
                return Leading(rows[best], np.float32(0), np.float32(0))
            others = np.ones(len(rows), dtype=np.bool_)
            others[best] = False
            behind = scores[others].max()
            lower = scores.max(where=scores < behind, initial=np.float32(0))
            return Leading(rows[best], behind, lower)

        return self._remembered(self._leading, (term, k1, b), make)

    def _number(self, term: str) -> None:
        """Give a term a number."""
        if self._free:
            number = self._free.pop()
            self._terms[number] = term
        else:
            number = len(self._terms)
            self._terms.append(term)
        self._numbers[term] = number

    def _terms_of(self, row: int) -> "array[int]":
        """The numbers of a document's terms."""
        return array("i", self._documents[row] if row < len(self._documents) else b"")

    def _give_back(self, number: int) -> None:
        """Let another term have the number of one that no document has any more."""
        del self._numbers[self._terms[number]]
        self._terms[number] = ""
        self._free.append(number)

    def _remembered(self, kept: dict[Key, tuple[int, Found]], key: Key, make: Callable[[], Found]) -> Found:
        """What is kept of a term, made anew where documents came or went; of the terms asked for last."""
        edition, found = kept.pop(key, (-1, None))
        if edition != self.edition or found is None:
            for old in [each for each, (made, _) in kept.items() if made != self.edition]:
                del kept[old]
            while len(kept) >= _KEPT:
                del kept[next(iter(kept))]
            found = make()
        kept[key] = self.edition, found
        return found

    def _bm25(self, term: str, k1: float, b: float) -> tuple[Rows, Scores]:
        rows, weights = self.matches(term)
        # 1 where nothing has a length: then no row is found, and nothing is divided by 0.
        average = self._total_length / max(len(self), 1) or 1.0
        # tf + k1 (1 - b + b length / average length): the denominator of BM25.
        damped = weights + np.float32(k1 * (1 - b)) + np.float32(k1 * b / average) * self._lengths[rows]
        return rows, (weights * np.float32(k1 + 1) / damped).astype(np.float32, copy=False)


def _sign(document: Mapping[str, float], aliases: Mapping[str, float]) -> int:
    return hash((tuple(document.items()), tuple(aliases.items())))
