"""From a user's events to what ranking needs: what they like, dislike, have seen and have searched."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from database.interactions import FULL_VIEW_SECONDS, InteractionRow
from database.state import EventGroup, UserEvents
from training.models.core.data import NOTHING
from training.params.learning import InteractionsParams

EXPLICIT = frozenset({"like", "rating", "feedback"})
"""Event types by which a user says what they think of an item."""


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """One user's history. Rows are the catalogue's; the latest come first."""

    liked: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    """Items whose recent events sum to more than zero, each once."""
    weights: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    """That sum for each liked item, above zero."""
    disliked: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    """Items whose events ever sum to less than zero: skipped, or answered with negative feedback."""
    seen: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    """Every item with an event, ever."""
    events: int = 0
    """How many recent events there are, of any type."""
    latest: Mapping[int, str] = field(default_factory=dict)
    """The type of each seen item's latest event, for reasons."""


def event_weight(
    event_type: str,
    value: float | None,
    weights: Mapping[str, float],
    neutral_stars: float,
    own: float | None = None,
) -> float:
    """How much one event says for its item (negative: against it); 0 for a type without a weight.

    `own` takes the place of the type's weight.

    A rating counts its stars less `neutral_stars`, feedback its sign, a view its share of FULL_VIEW_SECONDS,
    every other type its weight.
    """
    weight = weights.get(event_type, 0.0) if own is None else own
    if event_type == "rating":
        return weight * ((neutral_stars if value is None else value) - neutral_stars)
    if event_type == "feedback":
        return weight * float(np.sign(value or 0.0))
    if event_type == "view_time":
        return weight * _share_viewed(value)
    return weight


def _share_viewed(seconds: float | None) -> float:
    """A view whose length nobody told counts in full."""
    return 1.0 if seconds is None else min(max(seconds / FULL_VIEW_SECONDS, 0.0), 1.0)


def build_history(
    events: UserEvents,
    row_of: Callable[[str], int],
    params: InteractionsParams,
    since: datetime | None = None,
) -> History:
    """Sum up what a user did. `row_of` gives an item's row, -1 for one that is not live.

    What is liked comes from the latest events since `since`; what was seen and disliked, from all.
    The latest explicit opinion (a like, a rating, feedback) decides the sign: clicks do not outvote it.
    """
    recent = events.since(since)
    weights, stars = params.weights.model_dump(), params.neutral_stars
    groups = events.groups or grouped(_judging(events.latest, weights))
    lately: dict[str, float] = {}
    for event in recent:
        if event.item_id is not None:
            weight = event_weight(event.event_type, event.value, weights, stars, event.weight)
            lately[event.item_id] = lately.get(event.item_id, 0.0) + weight
    ever: dict[str, float] = {}
    for group in groups:
        ever[group.item_id] = ever.get(group.item_id, 0.0) + group_weight(group, weights, stars)
    for item_id, opinion in _opinions(groups, weights, stars).items():
        for sums in (lately, ever):
            # The sum has the other sign, or is rounding: the opinion takes its place.
            if sums.get(item_id, opinion) * np.sign(opinion) <= NOTHING:
                sums[item_id] = opinion
    seen = dict.fromkeys(each.item_id for each in events.groups or events.latest if each.item_id is not None)
    rows = {item_id: row for item_id in seen if (row := row_of(item_id)) >= 0}
    liked = {rows[item_id]: total for item_id, total in lately.items() if total > NOTHING and item_id in rows}
    disliked = [rows[item_id] for item_id, total in ever.items() if total < -NOTHING and item_id in rows]
    latest: dict[int, str] = {}
    for event in events.latest:
        if event.item_id in rows:
            latest.setdefault(rows[event.item_id], event.event_type)
    return History(
        liked=np.array(list(liked), dtype=np.int32),
        weights=np.array(list(liked.values()), dtype=np.float32),
        disliked=np.array([row for row in disliked if row not in liked], dtype=np.int32),
        seen=np.array(list(rows.values()), dtype=np.int32),
        events=len(recent),
        latest=latest,
    )


def _judging(events: Sequence[InteractionRow], weights: Mapping[str, float]) -> list[InteractionRow]:
    """The events with items that one of them may speak against, or says an opinion of.

    All that is summed up of the others can't be below zero, and most users have no such item.
    """
    judged = {
        each.item_id
        for each in events
        if each.event_type in EXPLICIT
        or (weights.get(each.event_type, 0.0) if each.weight is None else each.weight) < 0
    }
    return [each for each in events if each.item_id in judged] if judged else []


def grouped(events: Sequence[InteractionRow]) -> list[EventGroup]:
    """Interactions (newest first) by item, type and opinion, as the database sums them up."""
    found: dict[tuple[str, str, float | None, float | None], list[InteractionRow]] = {}
    for event in events:
        if event.item_id is not None:
            key = event.item_id, event.event_type, _opinion(event), event.weight
            found.setdefault(key, []).append(event)
    return [_group(key, members) for key, members in found.items()]


def _opinion(event: InteractionRow) -> float | None:
    if event.value is None or event.event_type not in {"rating", "feedback"}:
        return None
    return event.value if event.event_type == "rating" else float(np.sign(event.value))


def _group(key: tuple[str, str, float | None, float | None], events: Sequence[InteractionRow]) -> EventGroup:
    item_id, event_type, opinion, weight = key
    values = [event.value for event in events if event.value is not None]
    if event_type == "feedback":
        values = [float(np.sign(value)) for value in values]
    if event_type == "view_time":
        values = [_share_viewed(value) for value in values]
    total = sum(values) if values else None
    latest_at, latest_id = events[0].occurred_at, events[0].interaction_id
    return EventGroup(
        item_id, event_type, len(events), len(values), total, latest_at, latest_id, opinion, weight
    )


def group_weight(group: EventGroup, weights: Mapping[str, float], neutral_stars: float) -> float:
    """What `event_weight` of each event of the group sums to."""
    weight = weights.get(group.event_type, 0.0) if group.weight is None else group.weight
    total = group.total or 0.0
    if group.event_type == "rating":
        return weight * (total - group.valued * neutral_stars)
    if group.event_type == "feedback":
        return weight * total
    if group.event_type == "view_time":
        # Views without a length count in full, see `_share_viewed`.
        return weight * (total + group.events - group.valued)
    return weight * group.events


def _opinions(
    groups: Iterable[EventGroup], weights: Mapping[str, float], neutral_stars: float
) -> dict[str, float]:
    """What the latest explicit opinion of each item weighs; a neutral one is none."""
    found: dict[str, tuple[datetime, int, float]] = {}
    for group in groups:
        if group.event_type in EXPLICIT:
            opinion = event_weight(group.event_type, group.opinion, weights, neutral_stars, group.weight)
            latest = group.latest_at, group.latest_id
            if opinion and (group.item_id not in found or latest > found[group.item_id][:2]):
                found[group.item_id] = (*latest, opinion)
    return {item_id: opinion for item_id, (_, _, opinion) in found.items()}


def queries_of(events: Sequence[InteractionRow]) -> tuple[str, ...]:
    """The searches among events (newest first), each once."""
    return tuple(dict.fromkeys(text for event in events if (text := (event.query or "").strip())))
