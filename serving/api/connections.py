"""Which answers close their connection, so that a client's connections spread over the workers.

Workers accept from one socket, and whoever wakes first accepts: connections that a client opens at once may
all be one worker's, for as long as they stay open. A client connects anew where an answer closes one.
"""

import itertools
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

ANSWERS_A_CONNECTION = 251
"""One answer in so many closes its connection. A prime: of connections used in turns, not always the same."""

WINDOW = 32
"""Answers that a worker looks back on."""
MORE = 0.5
"""One is closed where, on average, so many more requests than elsewhere were under way beside these."""

_NAME = "under-way"
_NOBODY = b"\xff"
"""Each byte of -1."""
_BYTES = 4


class Connections(Protocol):
    """What the app tells of each request, and asks for each answer."""

    @contextmanager
    def accepted(self) -> Iterator[None]:
        """While this worker accepts connections."""

    def begin(self) -> None:
        """A request has come."""

    def end(self) -> None:
        """It is answered."""

    def closes(self) -> bool:
        """Whether the answer that is about to be sent closes its connection."""


class ClosedInTurn:
    """Closes one in so many: for a worker that knows of no others."""

    def __init__(self) -> None:
        self._answers = itertools.count(1)

    @contextmanager
    def accepted(self) -> Iterator[None]:
        """Nothing to do."""
        yield

    def begin(self) -> None:
        """Nothing to note."""

    def end(self) -> None:
        """Nothing to note."""

    def closes(self) -> bool:
        """Whether it is the next answer's turn."""
        return next(self._answers) % ANSWERS_A_CONNECTION == 0


class Balanced:
    """For one of several workers, who share how many requests each has under way.

    It closes a connection whose requests would have been answered sooner elsewhere: where more others were
    under way beside the last answers than at the worker that had the fewest. Someone's only one stays.
    """

    def __init__(self, counts: memoryview, own: int) -> None:
        """`counts` has a number for each worker, below zero for none; `own` is this worker's place there."""
        self._counts = counts
        self._own = own
        self._more = self._answers = 0

    @contextmanager
    def accepted(self) -> Iterator[None]:
        """Others may send connections here meanwhile."""
        self._counts[self._own] = 0
        try:
            yield
        finally:
            self._counts[self._own] = -1

    def begin(self) -> None:
        """One more is under way."""
        self._counts[self._own] += 1

    def end(self) -> None:
        """One less is."""
        self._counts[self._own] -= 1

    def closes(self) -> bool:
        """Whether connections are to move from here, asked once in so many answers."""
        others = [each for place, each in enumerate(self._counts) if place != self._own and each >= 0]
        if others:
            self._more += self._counts[self._own] - 1 - min(others)
            self._answers += 1
        if self._answers < WINDOW:
            return False
        closes = self._more > MORE * WINDOW
        self._more = self._answers = 0
        return closes


def make_counts(folder: Path, workers: int) -> None:
    """Make what workers share, in a folder of theirs. Those that are started anew may have higher numbers."""
    (folder / _NAME).write_bytes(_NOBODY * _BYTES * 2 * workers)


def connections_of(folder: Path | None, worker: int | None) -> Connections:
    """Of a worker by its number, from 1 on, with those that share the folder; None: it is alone."""
    file = None if folder is None else folder / _NAME
    if file is None or worker is None or not file.exists():
        return ClosedInTurn()
    with file.open("r+b") as opened:
        counts = memoryview(mmap.mmap(opened.fileno(), 0)).cast("i")
    if worker > len(counts):
        return ClosedInTurn()
    counts[worker - 1] = -1  # what one that was killed left there
    return Balanced(counts, worker - 1)
