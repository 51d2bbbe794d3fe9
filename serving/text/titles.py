"""TF-IDF similarity of names, computed live: for items that the bundle's neighbour lists don't know yet."""

import math

import numpy as np
from numpy.typing import NDArray

from serving.steps.scores import top
from serving.text.postings import Postings
from serving.text.terms import fold, terms
from serving.types import Identities, Item, Mask, Rows, Scores


class NameIndex:
    """Names and sub-categories of the live items, and the cosine of their TF-IDF vectors."""

    def __init__(self) -> None:
        self._postings = Postings()
        self._norms = np.zeros(0, dtype=np.float32)
        """Of the vectors by row, as far as they were asked for; NaN for the others."""
        self._edition = -1
        """Of the postings that the norms are of: with every name, all of them change."""

    def put(self, row: int, item: Item) -> None:
        """Index an item's name, in place of what `row` held."""
        self._postings.remove(row)
        if found := terms(item.title or "") + terms(item.sub_category or ""):
            self._postings.add(row, dict.fromkeys(map(fold, found), 1.0))

    def remove(self, row: int) -> None:
        """Take the item of `row` out."""
        self._postings.remove(row)

    def similar(
        self, row: int, among: Mask, identity: Identities
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Rows of `among` that share a term with `row`, int32[m], and their cosine (0..1), float32[m].

        Args:
            row: of the item that is asked about.
            among: bool[n_rows]
            identity: uint64[n_rows], by which it is decided between equals where too many share a term.
        """
        asked = self._postings.terms_of(row)
        shared = np.zeros(len(among), dtype=np.float32)
        for term in asked:
            rows, _ = self._postings.matches(term)
            # Terms are present or not (tf 1), so the product of two weights is idf squared.
            shared[rows] += np.float32(self._postings.idf(term) ** 2)
        rows = np.flatnonzero(shared * among).astype(np.int32)
        rows = rows[rows != row]
        # Their norms are what costs: they are only worked out for those that share most, and kept.
        rows = rows[top(shared[rows], identity[rows], _CANDIDATES)]
        norms = self._norms_of(np.append(rows, np.int32(row)), len(among))
        return rows, shared[rows] / (norms[:-1] * (norms[-1] or np.float32(1)))

    def _norms_of(self, rows: Rows, n_rows: int) -> Scores:
        """The length of each row's vector, float32[len(rows)]; 0 without a name."""
        if self._edition != self._postings.edition or len(self._norms) < n_rows:
            self._norms = np.full(n_rows, np.nan, dtype=np.float32)
            self._edition = self._postings.edition
        unknown = rows[np.isnan(self._norms[rows])]
        squares: dict[str, float] = {}
        for row in unknown.tolist():
            held = self._postings.terms_of(row)
            for term in held:
                if term not in squares:
                    squares[term] = self._postings.idf(term) ** 2
            self._norms[row] = math.sqrt(sum(squares[term] for term in held))
        found: Scores = self._norms[rows]
        return found


_CANDIDATES = 1000
"""Rows whose exact cosine is worked out: those that share most."""
