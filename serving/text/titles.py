"""TF-IDF similarity of names, computed live: for items that the bundle's neighbour lists don't know yet."""

import numpy as np
from numpy.typing import NDArray

from serving.steps.scores import top
from serving.text.postings import Postings
from serving.text.terms import fold, terms
from serving.types import Identities, Item, Mask


class NameIndex:
    """Names and sub-categories of the live items, and the cosine of their TF-IDF vectors."""

    def __init__(self) -> None:
        self._postings = Postings()

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
        # Their norms are what costs: they are only worked out for those that share most.
        rows = rows[top(shared[rows], identity[rows], _CANDIDATES)]
        norms = np.array([self._norm(int(other)) for other in rows], dtype=np.float32)
        own = self._norm(row)
        return rows, shared[rows] / (norms * np.float32(own or 1.0))

    def _norm(self, row: int) -> float:
        return float(np.sqrt(sum(self._postings.idf(term) ** 2 for term in self._postings.terms_of(row))))


_CANDIDATES = 1000
"""Rows whose exact cosine is worked out: those that share most."""
