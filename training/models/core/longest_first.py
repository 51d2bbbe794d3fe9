"""The best inner products without all of them: by Cauchy and Schwarz no item's is above its length times the
user's, and items that long are few where some are much better known than others.

The k-th best product of the longest items tells how long the others would have to be. (Teflioudi, Gemulla and
Mykytiuk 2015, LEMP: Fast Retrieval of Large Entries in a Matrix Product; the length-based bound alone.)
"""

from collections.abc import Callable

import numpy as np

from training.models.core.types import BoolArray, FloatArray, IntArray

Allowed = Callable[[IntArray], BoolArray]
"""bool[m], which of some items (int32[m]) are wanted."""

LEAST_ITEMS = 50_000
"""Of fewer items one product over all is as quick: it stays in the processor's cache."""
_SHARE = 4
"""One of so many items is compared, at the most. A row that is gathered takes up to four times as long as one
that is read in its place."""
_FIRST, _FEW = 512, 32
"""Of the longest items, those that are compared before it is known whether they suffice; one of `_FEW` at the
most, so that a product over all after that takes no more than some per cent longer."""
_SHORTEST = 1e-15
"""Squares of shorter vectors are no normal float32: their lengths are not known."""
_AT_ONCE = 2048
"""Rows that are gathered at a time: a copy of a megabyte stays in the processor's cache."""


class LongestFirst:
    """The longest of some vectors, by their numbers: the vectors stay where they are."""

    def __init__(self, vectors: FloatArray, lengths: FloatArray) -> None:
        """The vectors are float32[n, d], their lengths float32[n]."""
        self._vectors, self._lengths = vectors, lengths
        count = len(lengths) // _SHARE if len(lengths) >= LEAST_ITEMS else 0
        # Stable: which of equals are among them is the same on every worker.
        self._longest: IntArray = np.argsort(-lengths, kind="stable")[:count].astype(np.int32)
        self._falling: FloatArray = -lengths[self._longest]
        self._few = len(lengths) // _FEW if count else 0

    def candidates(
        self, query: FloatArray, k: int, margin: float, allowed: Allowed | None = None
    ) -> IntArray | None:
        """A few items (int32[m], ascending) among which the k best for a query (float32[d]) are, with whoever
        equals the last; None where the longest items do not tell: there are not k above zero among the first
        of them, or too many are as long as they would have to be.

        `margin` is the share of the product of two lengths that rounding may change a product by.
        """
        first, length = max(_FIRST, 4 * k), float(np.linalg.norm(query.astype(np.float64)))
        if k <= 0 or first > self._few:
            return None
        # A mask of all items takes as long to look up as some thousand products.
        looked = 2 * first
        items = self._among(0, looked, allowed)
        if len(items) < first:
            items = np.concatenate([items, self._among(looked, len(self._longest), allowed)])
            looked = len(self._longest)
        if len(items) < k:
            return None
        products = self._products(items[:first], query)
        least = _kth_best(products, k)
        # Of either product: of the k-th best and of the one that is compared with it.
        noise = -2.0 * margin * length * float(self._falling[0])
        if not least > noise:
            return None
        reach = np.float32((least - noise) / ((1.0 + 2.0 * margin) * length))
        count = int(np.searchsorted(self._falling, -reach, side="right"))
        if count == len(self._longest) or reach < _SHORTEST:
            return None
        items = np.concatenate([items, self._among(looked, count, allowed)])
        rest = items[first:]
        rest = rest[self._lengths[rest] >= reach]
        if len(rest):
            products = np.concatenate([products, self._products(rest, query)])
            least = _kth_best(products, k)
        compared = np.concatenate([items[:first], rest])
        few: IntArray = np.sort(compared[products >= least - noise])
        return few

    def _among(self, start: int, end: int, allowed: Allowed | None) -> IntArray:
        """The allowed ones of the longest items from one place to another."""
        items = self._longest[start:end]
        return items if allowed is None else items[allowed(items)]

    def _products(self, items: IntArray, query: FloatArray) -> FloatArray:
        found: FloatArray = np.concatenate(
            [
                np.take(self._vectors, items[start : start + _AT_ONCE], axis=0) @ query
                for start in range(0, len(items), _AT_ONCE)
            ]
        )
        return found


def _kth_best(values: FloatArray, k: int) -> float:
    return float(np.partition(values, len(values) - k)[len(values) - k])
