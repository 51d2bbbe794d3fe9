"""The best inner products without all of them: by Cauchy and Schwarz no item's is above its length times the
query's, and items that long are few where some are much better known than others."""

import numpy as np

from training.models.core.types import FloatArray, IntArray

_FIRST = 1024
"""Of the longest items, those whose products bound what the others have to reach."""


class LongestFirst:
    """A copy of items' factors in order of their length."""

    def __init__(self, factors: FloatArray, lengths: FloatArray) -> None:
        """The factors are float32[n, d], their lengths float32[n]."""
        self._order: IntArray = np.argsort(-lengths, kind="stable").astype(np.int32)
        self._factors: FloatArray = factors[self._order]
        self._shorter: FloatArray = lengths[self._order[::-1]]

    def candidates(self, query: FloatArray, k: int, margin: float) -> IntArray | None:
        """A few items (int32[m], ascending) among which the k best for a query (float32[d]) are; None where
        there are not k above zero among the longest.

        `margin` is the share of the product of two lengths that rounding may change a product by.
        """
        if not 0 < k <= min(_FIRST, len(self._order)):
            return None
        least = np.sort(self._factors[:_FIRST] @ query)[-k]
        length = float(np.linalg.norm(query))
        if least <= 0:
            return None
        # Shorter ones can't reach the k-th best of the longest.
        count = len(self._order) - int(np.searchsorted(self._shorter, (1.0 - 2.0 * margin) * least / length))
        products = self._factors[:count] @ query
        noise = 2.0 * margin * length * float(self._shorter[-1])
        return np.sort(self._order[:count][products >= least - noise])
