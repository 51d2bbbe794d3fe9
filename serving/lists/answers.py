"""Answers of lists, kept as they were sent: to be given again while what they were made of is the same."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any

MOST_BYTES = 15_000_000
"""What they may take of a worker's memory: some hundred home pages."""
_LONGEST = 100_000
"""Bytes of a body above which an answer is not kept: few ask for the same long list."""
_ENTRY_BYTES = 4_000
"""What is kept beside the body: what it was made of, and which items are logged."""

Again = Callable[[], Awaitable[bool]]
"""Whether what was answered is still what would be; where it is, its lists are counted and logged anew."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """An answer of lists, as it was sent."""

    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    route: Any
    """What the router found, by which requests are counted."""
    ignored: tuple[str, ...]
    """Fields of the request that its endpoint does not have."""
    shown: int | None
    """How many items the page shows, as the request said."""
    again: Again


class Answers:
    """The answers given last, by what was asked."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._kept: OrderedDict[Hashable, Answer] = OrderedDict()
        self._moment: Hashable = None
        self.nbytes = 0
        """What is kept, estimated."""

    def keep_only(self, moment: Hashable) -> None:
        """Forget what was answered at another moment: see `RememberedLists.keep_only`."""
        if moment != self._moment:
            self.clear()
            self._moment = moment

    def find(self, asked: Hashable) -> Answer | None:
        """What was last answered to this."""
        found = self._kept.get(asked)
        if found is not None:
            self._kept.move_to_end(asked)
        return found

    def keep(self, asked: Hashable, answer: Answer) -> None:
        """Keep an answer, in place of the one before, if it is not too long."""
        self.drop(asked)
        if len(answer.body) > _LONGEST:
            return
        self._kept[asked] = answer
        self.nbytes += _size(answer)
        while self.nbytes > self._most:
            self.drop(next(iter(self._kept)))

    def drop(self, asked: Hashable) -> None:
        """Forget what was answered to this."""
        gone = self._kept.pop(asked, None)
        self.nbytes -= 0 if gone is None else _size(gone)

    def clear(self) -> None:
        """Forget all of them."""
        self._kept.clear()
        self.nbytes = 0


def _size(answer: Answer) -> int:
    return len(answer.body) + _ENTRY_BYTES
