"""What is learned from and what is held out. Every function returns masks over the events."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from training.errors import TrainingError
from training.models.core.data import Events, net_strengths
from training.models.core.types import BoolArray, Csr

DAY = 86_400


MOST_HELD_OUT = 3
"""`holdout_cut` holds out one in so many events at most: of a short history, most is to learn from."""


class SplitError(TrainingError):
    """A split would leave nothing to learn from, or nothing to test on."""

    def __init__(self, part: str, reason: str) -> None:
        super().__init__(f"the {part} part is empty: {reason}")
        self.part = part


@dataclass(frozen=True)
class Split:
    """Three masks over the events, bool[n_events], disjoint; together they are all events."""

    train: BoolArray
    validation: BoolArray
    test: BoolArray
    validation_start: int | None
    """Seconds since 1970 at which validation begins; None when the cut is not one moment for all."""
    test_start: int | None

    @property
    def before_test(self) -> BoolArray:
        """Train and validation together, bool[n_events]: what the models that are tested were fitted on."""
        return self.train | self.validation


def time_split(events: Events, validation_days: int, test_days: int) -> Split:
    """One cut for all users: the last `test_days` are the test, the `validation_days` before them validation.

    Nothing that was learned from is later than anything that is tested on.

    Raises SplitError when the train or the test part would be empty.
    """
    if not len(events):
        raise SplitError("train", "there are no events")
    end = int(events.time.max())
    test_start = end - test_days * DAY + 1
    validation_start = test_start - validation_days * DAY
    test = events.time >= test_start
    validation = (events.time >= validation_start) & ~test
    return _checked(Split(~test & ~validation, validation, test, validation_start, test_start))


def holdout_cut(events: Events, test_days: int) -> int:
    """When the test begins, in seconds since 1970: `test_days` before the last event, or later.

    At most one in MOST_HELD_OUT events is from then on (save for others of the same moment), so a short
    history has a short test, and one old event before it makes no long history. The cut never moves back as
    events are added at the end: what was fitted on events before an earlier cut has not seen a later test.

    Raises SplitError when all events are of one moment.
    """
    if not len(events):
        raise SplitError("train", "there are no events")
    times = np.sort(events.time)
    by_share = times[min(len(times) - len(times) // MOST_HELD_OUT, len(times) - 1)]
    cut = max(int(times[-1]) - test_days * DAY + 1, int(by_share))
    if cut <= times[0]:
        later = times[times > times[0]]
        if not len(later):
            raise SplitError("train", "all events are of one moment")
        cut = int(later[0])
    return cut


def leave_last_out(events: Events) -> Split:
    """Each user's last item is the test, the one before validation; users under 3 items only train.

    All of a user's events with a held-out item go with it, so that no item is both learned and tested.

    Raises SplitError when no user has three distinct items.
    """
    n_items = int(events.item.max(initial=0)) + 1
    keys = events.user.astype(np.int64) * n_items + events.item
    pairs, inverse = np.unique(keys, return_inverse=True)
    last = np.zeros(len(pairs), dtype=np.int64)
    np.maximum.at(last, inverse, np.arange(len(events)))
    user = pairs // n_items
    order = np.lexsort((last, user))
    sizes = np.bincount(user, minlength=1)
    from_end = np.empty(len(pairs), dtype=np.int64)
    ends = np.cumsum(sizes)[user[order]]
    from_end[order] = ends - 1 - np.arange(len(pairs))
    enough = sizes[user] >= 3
    test = (enough & (from_end == 0))[inverse]
    validation = (enough & (from_end == 1))[inverse]
    return _checked(Split(~test & ~validation, validation, test, None, None))


def truth_of(events: Events, held_out: BoolArray, seen: Csr) -> Csr:
    """What a held-out part says is right: its pairs of strength above zero that were not seen before.

    Args:
        events: all events.
        held_out: bool[n_events].
        seen: csr[n_users, n_items] of the pairs that were learned from; they can't be recommended.

    Returns:
        csr float32[n_users, n_items] of ones.
    """
    positive = net_strengths(
        events.user[held_out], events.item[held_out], events.weight[held_out], seen.shape
    )
    return new_pairs(positive, seen)


def new_pairs(pairs: Csr, seen: Csr) -> Csr:
    """The pairs that are not in `seen`, as ones: csr float32[n_users, n_items], as both arguments are."""
    ones = sparse.csr_array((np.ones_like(pairs.data), pairs.indices, pairs.indptr), shape=pairs.shape)
    known = sparse.csr_array((np.ones_like(seen.data), seen.indices, seen.indptr), shape=seen.shape)
    fresh = (ones - ones.multiply(known)).tocsr()
    fresh.eliminate_zeros()
    fresh.sort_indices()
    return fresh.astype(np.float32)


def _checked(split: Split) -> Split:
    for part, mask in (("train", split.train), ("test", split.test)):
        if not mask.any():
            raise SplitError(part, "the history is shorter than the held-out days")
    return split
