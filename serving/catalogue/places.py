"""Where each number stands among all: sorted once, and kept while a few of them change."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from serving.types import Doubles, Rows, Scores

MOVED_ONE_BY_ONE = 16
"""Changed numbers up to which each is moved by itself: a pass over all, where a sort takes a hundred."""
_NONE = -1


class Places:
    """The place of each value among the different values, the lowest at 0; equals share one."""

    def __init__(self, values: Doubles) -> None:
        """`values`: float64[n], NaN for none."""
        known = ~np.isnan(values)
        self._different, places, self._counts = np.unique(
            values[known], return_inverse=True, return_counts=True
        )
        self._places: NDArray[np.int32] = np.full(len(values), _NONE, dtype=np.int32)
        self._places[known] = places

    def __len__(self) -> int:
        return len(self._places)

    def follow(self, values: Doubles, changed: Collection[int]) -> None:
        """The places of these values, of which only those of `changed` rows differ, or are new."""
        more = np.full(len(values) - len(self._places), _NONE, dtype=np.int32)
        if len(more):
            self._places = np.concatenate([self._places, more])
        for row in changed:
            self._take_out(row)
            self._put_in(row, float(values[row]))

    def falling(self, *, descending: bool, rows: Rows | slice = slice(None)) -> Scores:
        """Scores that are 1 for the first value and fall with the place, float32[n], all above 0; of some
        rows (int32[m]) float32[m].

        What has no value stands behind all others.
        """
        last, own = len(self._different), self._places[rows]
        places = last - 1 - own if descending else own
        places = np.where(own == _NONE, last, places)
        # Over n + 1, so that the last is above 0 too: only such candidates are in a list.
        scores: Scores = 1 - places.astype(np.float32) / np.float32(len(self) + 1)
        return scores

    def _take_out(self, row: int) -> None:
        place = int(self._places[row])
        if place == _NONE:
            return
        self._places[row] = _NONE
        self._counts[place] -= 1
        if not self._counts[place]:
            self._different = np.delete(self._different, place)
            self._counts = np.delete(self._counts, place)
            self._places -= self._places > place

    def _put_in(self, row: int, value: float) -> None:
        if np.isnan(value):
            return
        place = int(np.searchsorted(self._different, value))
        if place == len(self._different) or self._different[place] != value:
            self._different = np.insert(self._different, place, value)
            self._counts = np.insert(self._counts, place, 0)
            self._places += self._places >= place
        self._counts[place] += 1
        self._places[row] = place
