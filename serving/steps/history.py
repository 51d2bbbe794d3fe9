"""From a user's recent events to what ranking needs: what they like, dislike, have seen and have searched."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from training.models.core.data import NOTHING
from training.params.learning import InteractionsParams


class Event(Protocol):
    """One interaction, as the database gives it."""

    @property
    def event_type(self) -> str: ...
    @property
    def item_id(self) -> str | None: ...
    @property
    def query(self) -> str | None: ...
    @property
    def value(self) -> float | None: ...


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """One user's history. Rows are the catalogue's; the latest come first."""

    liked: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    """Items whose events sum to more than zero, each once."""
    weights: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    """That sum for each liked item, above zero."""
    disliked: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    """Items whose events sum to less than zero: skipped, or answered with negative feedback."""
    seen: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    """Every item with an event."""
    events: int = 0
    """How many events there are, of any type."""
    latest: Mapping[int, str] = field(default_factory=dict)
    """The type of each seen item's latest event, for reasons."""


def event_weight(event: Event, weights: Mapping[str, float], neutral_stars: float) -> float:
    """How much one event says for its item (negative: against it); 0 for a type without a weight.

    A rating counts its stars less `neutral_stars`, feedback its sign, every other type its weight.
    """
    weight = weights.get(event.event_type, 0.0)
    if event.event_type == "rating":
        return weight * ((neutral_stars if event.value is None else event.value) - neutral_stars)
    if event.event_type == "feedback":
        return weight * float(np.sign(event.value or 0.0))
    return weight


def build_history(
    events: Sequence[Event],
    row_of: Callable[[str], int],
    params: InteractionsParams,
) -> History:
    """Sum up events (newest first). `row_of` gives an item's row, -1 for one that is not live."""
    weights = params.weights.model_dump()
    sums: dict[int, float] = {}
    latest: dict[int, str] = {}
    for event in events:
        row = -1 if event.item_id is None else row_of(event.item_id)
        if row >= 0:
            sums[row] = sums.get(row, 0.0) + event_weight(event, weights, params.neutral_stars)
            latest.setdefault(row, event.event_type)
    liked = [row for row, total in sums.items() if total > NOTHING]
    return History(
        liked=np.array(liked, dtype=np.int32),
        weights=np.array([sums[row] for row in liked], dtype=np.float32),
        disliked=np.array([row for row, total in sums.items() if total < -NOTHING], dtype=np.int32),
        seen=np.array(list(sums), dtype=np.int32),
        events=len(events),
        latest=latest,
    )


def queries_of(events: Sequence[Event]) -> tuple[str, ...]:
    """The searches among events (newest first), each once."""
    return tuple(dict.fromkeys(text for event in events if (text := (event.query or "").strip())))
