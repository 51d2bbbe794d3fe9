"""TF-IDF similarity of names, computed live: for items that the bundle's neighbour lists don't know yet."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from serving.steps.scores import distinct, top
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
        """Index an item's name, in place of what `row` held; the same name changes nothing."""
        found = terms(item.title or "") + terms(item.sub_category or "")
        held = dict.fromkeys(map(fold, found), 1.0)
        if self._postings.terms_of(row) == tuple(held):  # their weights are all the same
            return
        self._postings.remove(row)
        if held:
            self._postings.add(row, held)

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
        # The rarest first, as their sums do in either way of finding the best.
        asked = sorted(self._postings.terms_of(row), key=lambda term: (self._postings.frequency(term), term))
        sure = self._surely(asked, row, among, identity)
        rows, shared = sure if sure is not None else self._sharing(asked, row, among)
        # As many as are compared, of those that share most.
        best = top(shared, identity[rows], _CANDIDATES)
        rows, shared = rows[best], shared[best]
        # Their norms are what costs: they are only worked out for those that share most, and kept.
        norms = self._norms_of(np.append(rows, np.int32(row)), len(among))
        cosines = shared / (norms[:-1] * (norms[-1] or np.float32(1)))
        return rows, cosines.astype(np.float32, copy=False)

    def _surely(
        self, asked: Sequence[str], row: int, among: Mask, identity: Identities
    ) -> tuple[Rows, Scores] | None:
        """What `_sharing` gives, of the rows that share a rarer term and the first that share all the common
        ones: no others share as much as these. None where there are not enough of them.
        """
        n_rarer = sum(not self._postings.is_common(term) for term in asked)
        if n_rarer == len(asked):
            return None
        first = self._postings.lowest(asked[n_rarer], identity)
        first = first[among[first] & (first != row)]
        for term in asked[n_rarer + 1 :]:
            first = first[self._postings.holds(term, first)]
        if len(first) < _CANDIDATES:
            return None
        rarer = [self._postings.matches(term)[0] for term in asked[:n_rarer]]
        rows = distinct(np.concatenate([first[:_CANDIDATES], *rarer]))
        rows = rows[among[rows] & (rows != row)]
        shared = np.zeros(len(rows), dtype=np.float32)
        for place, term in enumerate(asked):
            if place < n_rarer:
                has = np.isin(rows, rarer[place], assume_unique=True)
            else:
                has = self._postings.holds(term, rows)
            shared += np.float32(self._postings.idf(term) ** 2) * has
        return rows, shared

    def _sharing(self, asked: Sequence[str], row: int, among: Mask) -> tuple[Rows, Scores]:
        """Rows of `among` that share terms with `row`, and how much: all that may be of the best, at least.

        Rows int32[m], each once; float32[m], above 0. `asked` are the row's terms, the rarest first. What has
        only the common ones is left out where enough others share more than all of these.
        """
        # Terms are present or not (tf 1), so the product of two weights is idf squared.
        weights = [np.float32(self._postings.idf(term) ** 2) for term in asked]
        shared = np.zeros(len(among), dtype=np.float32)
        parts: list[Rows] = []
        for place, (term, weight) in enumerate(zip(asked, weights, strict=True)):
            if parts and self._postings.is_common(term):
                rows, found = _gathered(parts, shared, among, row)
                # A little more, since a sum of others is rounded another way.
                rest = float(sum(weights[place:])) * (1 + 1e-5)
                if np.count_nonzero(found > rest) >= _CANDIDATES:
                    for other, more in zip(asked[place:], weights[place:], strict=True):
                        found += more * self._postings.holds(other, rows)
                    return rows, found
                shared[rows], parts = found, [rows]
            rows, _ = self._postings.matches(term)
            shared[rows] += weight
            parts.append(rows)
        return _gathered(parts, shared, among, row)

    def _norms_of(self, rows: Rows, n_rows: int) -> Scores:
        """The length of each row's vector, float32[len(rows)]; 0 without a name."""
        if self._edition != self._postings.edition or len(self._norms) < n_rows:
            self._norms = np.full(n_rows, np.nan, dtype=np.float32)
            self._edition = self._postings.edition
        unknown = rows[np.isnan(self._norms[rows])]
        self._norms[unknown] = np.sqrt(self._postings.squares(unknown))
        found: Scores = self._norms[rows]
        return found


def _gathered(parts: Sequence[Rows], shared: Scores, among: Mask, row: int) -> tuple[Rows, Scores]:
    """Of some rows those of `among` but `row` that have a share, each once; sets that share to 0."""
    shared[row] = 0
    rows, found = [], []
    for part in parts:
        kept = part[among[part]]
        scores = shared[kept]
        shared[part] = 0  # what stands in another part, too, is gathered once
        above = scores > 0
        rows.append(kept if above.all() else kept[above])
        found.append(scores if above.all() else scores[above])
    if not parts:
        return np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.float32)
    return np.concatenate(rows), np.concatenate(found)


_CANDIDATES = 1000
"""Rows whose exact cosine is worked out: those that share most."""
