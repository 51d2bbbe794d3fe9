"""Users whose events a worker knows, and whether the database still holds the same."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from sys import getsizeof
from time import monotonic

from database.event_changes import BUCKETS, EVERYBODY, EventChanges, bucket_of
from database.state import ReadRequest, UserEvents

MOST_BYTES = 100_000_000
"""What interactions of users may take of the memory."""
_USER_BYTES = 400
"""What a user takes beside them."""
_HOLDS_SECONDS = 3600.0
"""A user's events are read again after half of this at least and all of it at most, not everybody's at once:
what is written past the triggers is seen by then."""

_NOTHING = UserEvents()


@dataclass(frozen=True, slots=True)
class _Known:
    events: UserEvents
    size: int
    bucket: int
    begun: int
    """How many times changes had been read when these events were asked for."""
    due: float
    """When, by the monotonic clock, the user has an event more, or is read again in any case."""


class KnownUsers:
    """The users seen last, as far as there is room: for when nothing changed or the database is away.

    What was read of a user holds until a change of their bucket is read, or one that is dated in the future
    has come, and for an hour at most. A change that was read while their events were on their way may be one
    that these lack.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._changed: dict[int, int] = {}
        """By bucket, at which reading it had last changed."""
        self._all_changed = 0
        self.snapshot: str | None = None
        """Of the database, as of which changes are known; None where no earlier one counts."""
        self.readings = 0
        """How many times changes have been read."""
        self.kept = True
        """Whether the database notes changes."""
        self.nbytes = 0
        """What is kept, estimated."""

    def note(self, changes: EventChanges) -> None:
        """Take in what has changed, as it was read with `snapshot` or, where that is None, from now on."""
        self.readings += 1
        before = None if self.snapshot is None else EventChanges(self.snapshot, ())
        # Transactions that have lower numbers than before are another server's, or another past.
        if before is None or changes.next_transaction < before.next_transaction:
            self._all_changed = self.readings
        self._changed |= {bucket: self.readings for bucket in changes.buckets if bucket is not EVERYBODY}
        if EVERYBODY in changes.buckets:
            self._all_changed = self.readings
            self._changed.clear()
        self.snapshot = changes.snapshot

    def doubt(self) -> None:
        """Nothing that is known may still hold: the database was away, and may have come back with less."""
        self.snapshot = None
        self.readings += 1
        self._all_changed = self.readings

    def current(self, user_id: str) -> UserEvents | None:
        """A user's events if they are still the database's, as far as changes have been read; else None."""
        known = self._known.get(user_id)
        if known is None or not self.kept or self.snapshot is None:
            return None
        if max(self._changed.get(known.bucket, 0), self._all_changed) > known.begun:
            return None
        return known.events if monotonic() < known.due else None

    def last(self, user_id: str) -> UserEvents:
        """A user's events as they were last seen; nothing of one who is not known."""
        known = self._known.get(user_id)
        return _NOTHING if known is None else known.events

    def remember(self, user_id: str, read: ReadRequest, *, begun: int, asked: float) -> None:
        """Keep what was read of a user.

        Args:
            user_id: whose it is.
            read: the events.
            begun: `readings` when they were asked for.
            asked: the monotonic clock then.
        """
        events, bucket = read.events, bucket_of(user_id)
        holds = _HOLDS_SECONDS * (1 + bucket / BUCKETS) / 2
        due = asked + (holds if read.due_in is None else min(holds, read.due_in))
        self._drop(user_id)
        size = events.nbytes + getsizeof(user_id) + _USER_BYTES
        self._known[user_id] = _Known(events, size, bucket, begun, due)
        self.nbytes += size
        while self.nbytes > self._most:
            self._drop(next(iter(self._known)))

    def touch(self, user_id: str) -> None:
        """Note that a user was seen."""
        self._known.move_to_end(user_id)

    def forget(self, user_ids: Iterable[str]) -> None:
        """Forget these users."""
        for user_id in user_ids:
            self._drop(user_id)

    def _drop(self, user_id: str) -> None:
        known = self._known.pop(user_id, None)
        self.nbytes -= 0 if known is None else known.size
