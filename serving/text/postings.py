"""An inverted index in memory: documents come and go while it answers."""

from array import array
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int32]
Scores = NDArray[np.float32]


class Postings:
    """Terms → the rows of the documents that hold them, with a weight each.

    A document is a mapping term → weight (its occurrences, times the boost of the field they stand in).
    Adding costs its number of terms; removing also the length of their posting lists.
    """

    def __init__(self) -> None:
        self._rows: dict[str, array[int]] = {}
        self._weights: dict[str, array[float]] = {}
        self._documents: dict[int, tuple[str, ...]] = {}
        self._lengths = np.zeros(1024, dtype=np.float32)
        self._total_length = 0.0
        self.revision = 0
        """Counts the changes: what is derived from the vocabulary is good while this stays."""

    def __len__(self) -> int:
        return len(self._documents)

    def __contains__(self, row: int) -> bool:
        return row in self._documents

    def add(self, row: int, document: Mapping[str, float]) -> None:
        """Index a document under `row` (which must be free)."""
        rows, weights = self._rows, self._weights
        for term, weight in document.items():
            held = rows.get(term)
            if held is None:
                held = rows[term] = array("i")
                weights[term] = array("f")
            held.append(row)
            weights[term].append(weight)
        self._documents[row] = tuple(document)
        if row >= len(self._lengths):
            grown = np.zeros(max(row + 1, 2 * len(self._lengths)), dtype=np.float32)
            grown[: len(self._lengths)] = self._lengths
            self._lengths = grown
        length = sum(document.values())
        self._lengths[row] = length
        self._total_length += length
        self.revision += 1

    def remove(self, row: int) -> None:
        """Take the document of `row` out; nothing happens when there is none."""
        for term in self._documents.pop(row, ()):
            place = self._rows[term].index(row)
            del self._rows[term][place], self._weights[term][place]
            if not self._rows[term]:
                del self._rows[term], self._weights[term]
        self._total_length -= float(self._lengths[row]) if row < len(self._lengths) else 0.0
        if row < len(self._lengths):
            self._lengths[row] = 0.0
        self.revision += 1

    def terms_of(self, row: int) -> tuple[str, ...]:
        """The distinct terms of a document; () when there is none."""
        return self._documents.get(row, ())

    def vocabulary(self) -> list[str]:
        """All terms that stand in some document."""
        return list(self._rows)

    def frequency(self, term: str) -> int:
        """In how many documents a term stands."""
        return len(self._rows.get(term, ()))

    def idf(self, term: str) -> float:
        """Rarity of a term, by BM25's smoothed formula: ln(1 + (N - n + 0.5) / (n + 0.5)); never negative."""
        count = self.frequency(term)
        return float(np.log1p((len(self) - count + 0.5) / (count + 0.5)))

    def matches(self, term: str) -> tuple[Rows, Scores]:
        """Documents that hold a term: rows int32[m], each once, and its weight float32[m] in each."""
        if term not in self._rows:
            return np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.float32)
        # Copies: while an array exports its buffer it can't grow.
        return (
            np.frombuffer(self._rows[term], dtype=np.int32).copy(),
            np.frombuffer(self._weights[term], dtype=np.float32).copy(),
        )

    def bm25(self, term: str, k1: float, b: float) -> tuple[Rows, Scores]:
        """BM25 of one term for each document that holds it (Robertson & Zaragoza 2009), without the idf.

        Between 0 and k1 + 1. `k1` and `b` are the usual constants of the formula.
        """
        rows, weights = self.matches(term)
        average = self._total_length / max(len(self), 1) or 1.0
        damped = weights + np.float32(k1 * (1 - b)) + np.float32(k1 * b / average) * self._lengths[rows]
        return rows, (weights * np.float32(k1 + 1) / damped).astype(np.float32, copy=False)
