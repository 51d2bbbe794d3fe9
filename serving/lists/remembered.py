"""A user's lists, kept until anything that they are made of has changed."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from database.state import UserEvents

T = TypeVar("T")

MOST_BYTES = 50_000_000
"""What they take of a worker's memory: of some thousand users."""
_ITEM_BYTES = 1_000
"""An item's place in a list: its score, model and reason, in words and in parts."""
ENTRY_BYTES = 1_000
"""What is kept of lists without an item: what was asked for, of what they were made, and their places."""


@dataclass(frozen=True, slots=True)
class MadeOf:
    """Everything that a user's lists depend on, beside what is asked for."""

    events: UserEvents
    recent: int
    """How many of the events are recent enough to count."""
    state: tuple[object, ...]
    """Of the worker: catalogue, trending scores, bundles, params, the day."""


class RememberedLists(Generic[T]):
    """The lists of the users seen last, by what was asked for. They are not to be changed."""

    def __init__(self, size: Callable[[T], int], most_bytes: int = MOST_BYTES) -> None:
        """`size` tells how many items a user's lists have that are in nobody else's."""
        self._size = size
        self._most = most_bytes
        self._made: OrderedDict[Hashable, tuple[MadeOf, T, int]] = OrderedDict()
        self._moment: Hashable = None
        self.nbytes = 0
        """What is kept, estimated."""

    def keep_only(self, moment: Hashable) -> None:
        """Forget what was made at another moment than this, by which all lists of a worker are made.

        Each would keep in memory what it had in common with others, and its items as they were. A deleted
        user's lists go with them.
        """
        if moment != self._moment:
            self.clear()
            self._moment = moment

    def get(self, key: Hashable, made_of: MadeOf, make: Callable[[], T]) -> T:
        """What was made under this key of the same things; else what `make` gives."""
        known = self._made.pop(key, None)
        if known is not None:
            self.nbytes -= known[2]
        if known is not None and known[0] == made_of:
            made, size = known[1:]
        else:
            made = make()
            size = ENTRY_BYTES + made_of.events.nbytes + _ITEM_BYTES * self._size(made)
        self._made[key] = made_of, made, size
        self.nbytes += size
        while self.nbytes > self._most and self._made:
            self.nbytes -= self._made.popitem(last=False)[1][2]
        return made

    def clear(self) -> None:
        """Forget all of them."""
        self._made.clear()
        self.nbytes = 0
