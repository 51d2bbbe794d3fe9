"""The lists of an inverted index in little memory: most are short, and arrays of their own take 200 bytes."""

from array import array
from collections.abc import Iterable

import numpy as np

from serving.types import Rows, Scores

SHORT = 32
"""Entries up to which a list stands among others; a longer one has arrays of its own."""


class PostingLists:
    """Lists by number, 0 and up, all empty at first; an entry is a row and its weight.

    Short lists stand in rooms of 1, 2, 4, ... SHORT entries of one array for all. One that outgrows its room,
    or needs no more than half of it, moves to another and leaves its own to the next list of that size.
    """

    def __init__(self) -> None:
        self._rows, self._weights = array("i"), array("f")
        self._starts, self._counts = array("i"), array("i")
        self._own: dict[int, tuple[array[int], array[float]]] = {}
        self._vacant: dict[int, list[int]] = {}
        """By the size of a room, where those begin that no list has."""

    def count(self, number: int) -> int:
        """Entries of a list."""
        return self._counts[number] if number < len(self._counts) else 0

    def counts(self, numbers: Rows) -> Rows:
        """Entries of some lists that have had any, int32[len(numbers)]."""
        return np.frombuffer(self._counts, np.int32)[numbers] if len(numbers) else _NO_ROWS

    def rows(self, number: int) -> Rows:
        """The rows of a list, in the order in which they came.

        Not to be kept: while there is such a view of a long list, it can't change. Of a short one it is a
        copy, as a view would keep all the others from changing, too.
        """
        own = self._own.get(number)
        if own is not None:
            return np.frombuffer(own[0], np.int32)
        count = self.count(number)
        if not count:
            return _NO_ROWS
        start = self._starts[number]
        return np.frombuffer(self._rows[start : start + count], np.int32)

    def weights(self, number: int) -> Scores:
        """The weight of each row of a list, float32. Not to be kept, as `rows`."""
        own = self._own.get(number)
        if own is not None:
            return np.frombuffer(own[1], np.float32)
        count = self.count(number)
        if not count:
            return _NO_WEIGHTS
        start = self._starts[number]
        return np.frombuffer(self._weights[start : start + count], np.float32)

    def add(self, row: int, numbers: Iterable[int], weights: Iterable[float]) -> None:
        """Add a row to some lists, with a weight for each."""
        counts, starts, own = self._counts, self._starts, self._own
        for number, weight in zip(numbers, weights, strict=True):
            count = counts[number] if number < len(counts) else 0
            if count <= SHORT:
                if not count & count - 1:  # 0, or as many as its room holds
                    self._move(number, count + 1)
                if count < SHORT:
                    place = starts[number] + count
                    self._rows[place], self._weights[place] = row, weight
                    counts[number] = count + 1
                    continue
            rows, all_weights = own[number]
            rows.append(row)
            all_weights.append(weight)
            counts[number] = count + 1

    def remove(self, number: int, row: int) -> None:
        """Take a row out of a list that has it."""
        count, start = self._counts[number], self._starts[number]
        own = self._own.get(number)
        if own is not None:
            place = own[0].index(row)
            del own[0][place], own[1][place]
        else:
            end = start + count
            place = self._rows.index(row, start, end)
            self._rows[place : end - 1] = self._rows[place + 1 : end]
            self._weights[place : end - 1] = self._weights[place + 1 : end]
        self._move(number, count - 1)
        self._counts[number] = count - 1

    def _move(self, number: int, count: int) -> None:
        """Find room for so many entries of a list, and take along those of them that it has."""
        while number >= len(self._counts):
            self._starts.append(0)
            self._counts.append(0)
        before, start = self._counts[number], self._starts[number]
        old, new = _room(before), _room(count)
        if old == new:
            return
        kept = min(before, count)
        rows, weights = self._own.pop(number, (self._rows, self._weights))
        rows, weights = rows[start : start + kept], weights[start : start + kept]
        if 0 < old <= SHORT:
            self._vacant.setdefault(old, []).append(start)
        if new > SHORT:
            self._own[number], self._starts[number] = (rows, weights), 0
        else:
            self._starts[number] = start = self._found(new)
            self._rows[start : start + kept], self._weights[start : start + kept] = rows, weights

    def _found(self, room: int) -> int:
        """Where a room of this size begins that no list has."""
        vacant = self._vacant.get(room)
        if vacant:
            return vacant.pop()
        start = len(self._rows)
        self._rows.frombytes(bytes(4 * room))
        self._weights.frombytes(bytes(4 * room))
        return start


def _room(count: int) -> int:
    """The size of the room of so many entries: above SHORT where they have arrays of their own."""
    return min(1 << (count - 1).bit_length(), 2 * SHORT) if count else 0


_NO_ROWS: Rows = np.zeros(0, dtype=np.int32)
_NO_WEIGHTS: Scores = np.zeros(0, dtype=np.float32)
