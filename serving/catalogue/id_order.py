"""Rows in order of item id, kept in order: to sort a large catalogue's ids takes a tenth of a second."""

from bisect import bisect_left
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from serving.types import Mask

_SINGLY = 32
"""New ids up to which each is put in its place; more are sorted in together."""
_WAITING = 10_000
"""New ids that are not left for the next who asks."""


class IdOrder:
    """Rows come, and a few times a day many leave at once."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._rows: NDArray[np.int32] = np.zeros(0, dtype=np.int32)
        self._new: list[tuple[str, int]] = []

    def add(self, item_id: str, row: int) -> None:
        """Add an id that was not there, and its row."""
        self._new.append((item_id, row))
        if len(self._new) >= _WAITING:
            self._put_in_place()

    def remove(self, gone: Mask) -> None:
        """Take rows out; bool[n_rows] says which."""
        self._put_in_place()
        kept = ~gone[self._rows]
        self._ids = list(compress(self._ids, kept.tolist()))
        self._rows = self._rows[kept]

    def rows(self) -> NDArray[np.int32]:
        """int32[n], the rows in order of their ids. Not to be changed."""
        if self._new:
            self._put_in_place()
        return self._rows

    def _put_in_place(self) -> None:
        if len(self._new) <= _SINGLY:
            for item_id, row in self._new:
                place = bisect_left(self._ids, item_id)
                self._ids.insert(place, item_id)
                self._rows = np.insert(self._rows, place, row)
        else:
            known = zip(self._ids, self._rows.tolist(), strict=True)
            merged = sorted([*known, *sorted(self._new)])  # two runs in order: merged, not sorted anew
            self._ids = [item_id for item_id, _ in merged]
            self._rows = np.array([row for _, row in merged], dtype=np.int32)
        self._new = []
