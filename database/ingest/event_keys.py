"""The keys of a file's events: the MD5 of their natural keys, and which of them stood in the file before.

The same file again, or one that overlaps, changes nothing, as an event's key stays the same. A row that
stands several times in one file of a source whose events may repeat happened as often: the second has a key
of its own, the third too. Where two files overlap, the one in which it stands most often counts.
"""

import tempfile
from collections.abc import Sequence
from hashlib import md5
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FULL = 1 << 22
"""Keys of which a run is no longer merged with others, and put into a file (20 bytes a key)."""

Keys = NDArray[np.uint64]
Run = tuple[Keys, Keys, NDArray[np.int32]]
"""Both halves of different keys, sorted by the first, and how often each stands."""


def digests(texts: Sequence[bytes]) -> NDArray[np.uint8]:
    """The MD5 of each text, uint8[n, 16]."""
    found = b"".join([md5(text, usedforsecurity=False).digest() for text in texts])
    return np.frombuffer(found, dtype=np.uint8).reshape(len(texts), 16)


class EventKeys:
    """Remembers the keys of the rows that it was given: 20 bytes each, of many rows in files without a name.

    A run is merged with the one before while that is not much larger, so that few are searched for each row.
    """

    def __init__(self) -> None:
        self._runs: list[Run] = []
        self._full: list[Run] = []

    def seen_before(self, keys: NDArray[np.uint8]) -> NDArray[np.int64]:
        """How often each of these keys, uint8[n, 16], stood before, here or among those given earlier."""
        high, low = np.ascontiguousarray(keys).view(np.uint64).T
        order = np.argsort(high, kind="stable")
        high, low = high[order], low[order]
        before = _within(high, low)
        for run in (*self._full, *self._runs):
            _add_from(run, high, low, before)
        self._remember(_counted(high, low, np.ones(len(order), dtype=np.int32)))
        of_rows = np.empty_like(before)
        of_rows[order] = before
        return of_rows

    def _remember(self, run: Run) -> None:
        while self._runs and len(self._runs[-1][0]) <= 2 * len(run[0]):
            before = self._runs.pop()
            high = np.concatenate((before[0], run[0]))
            low = np.concatenate((before[1], run[1]))
            times = np.concatenate((before[2], run[2]))
            order = np.argsort(high, kind="stable")
            run = _counted(high[order], low[order], times[order])
        if len(run[0]) < FULL:
            self._runs.append(run)
        else:
            self._full.append((_in_file(run[0]), _in_file(run[1]), _in_file(run[2])))


def _within(high: Keys, low: Keys) -> NDArray[np.int64]:
    """How often each key stood before, of keys sorted by their first half, otherwise as they came."""
    before = np.zeros(len(high), dtype=np.int64)
    same = high[1:] == high[:-1]
    if same.any():
        near = np.append(same, False) | np.append(False, same)
        halves = pd.DataFrame({"high": high[near], "low": low[near]})
        before[near] = halves.groupby(["high", "low"]).cumcount()
    return before


def _counted(high: Keys, low: Keys, times: NDArray[np.int32]) -> Run:
    """Each of the keys, which are sorted by their first half, once."""
    if not (high[1:] == high[:-1]).any():
        return high, low, times
    order = np.lexsort((low, high))
    high, low, times = high[order], low[order], times[order]
    first = np.flatnonzero(np.append(True, (high[1:] != high[:-1]) | (low[1:] != low[:-1])))
    return high[first], low[first], np.add.reduceat(times, first)


def _add_from(run: Run, high: Keys, low: Keys, counts: NDArray[np.int64]) -> None:
    """Add how often each key stands in the run; different ones with the same first half hardly exist."""
    first = np.searchsorted(run[0], high)
    found = np.flatnonzero(run[0][np.minimum(first, len(run[0]) - 1)] == high)
    width = np.searchsorted(run[0], high[found], side="right") - first[found]
    for place in range(int(width.max(initial=0))):
        there = found[width > place]
        at = first[there] + place
        counts[there] += (run[1][at] == low[there]) * run[2][at]


def _in_file(values: NDArray[Any]) -> NDArray[Any]:
    with tempfile.TemporaryFile() as file:
        values.tofile(file)
        return np.memmap(file, dtype=values.dtype, mode="r+", shape=values.shape)
