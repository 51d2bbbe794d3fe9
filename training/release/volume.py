"""How much a snapshot holds, and what has gone since an earlier one."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from database import columns

KNOWN_SHARE = 0.01
"""An event type with a smaller share of a snapshot's interactions is too rare to judge its share."""


@dataclass(frozen=True)
class Volume:
    """Rows of a snapshot."""

    items: int
    users: int
    interactions: int
    events: Mapping[str, int]
    """event type → interactions."""


def read_volume(snapshot: Path) -> Volume:
    """Count the rows of a snapshot's files."""
    items, users = (pq.read_metadata(snapshot / f"{name}.parquet").num_rows for name in ("items", "users"))
    types = pq.read_table(snapshot / "interactions.parquet", columns=[columns.EVENT_TYPE])
    counted = pc.value_counts(types[columns.EVENT_TYPE].combine_chunks())
    events = dict(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True))
    return Volume(items, users, len(types), dict(sorted(events.items())))


def losses(now: Volume, before: Volume, max_drop: float, max_share_drop: float) -> list[str]:
    """What shrank by more than the limits, in words; empty if nothing did.

    Args:
        now: tonight's snapshot.
        before: an earlier one.
        max_drop: share (0 to 1) of the items, users and interactions, and of those of each type, that may go.
        max_share_drop: by how much of itself (0 to 1) a type's share of the interactions may fall. Only types
            that both snapshots have count: a type that is new may be as frequent as it likes.
    """
    frequent = [name for name, count in before.events.items() if count >= KNOWN_SHARE * before.interactions]
    counts = [
        ("items", now.items, before.items),
        ("users", now.users, before.users),
        ("interactions", now.interactions, before.interactions),
        *((f"{name} events", now.events.get(name, 0), before.events[name]) for name in frequent),
    ]
    found = [
        f"{count:,} {what} instead of {earlier:,}"
        for what, count, earlier in counts
        if count < (1.0 - max_drop) * earlier
    ]
    common = [name for name in frequent if now.events.get(name)]
    shares, earlier_shares = _shares(now, common), _shares(before, common)
    return found + [
        f"{shares[name]:.1%} {name} events instead of {earlier_shares[name]:.1%}"
        for name in common
        if shares[name] < (1.0 - max_share_drop) * earlier_shares[name]
    ]


def _shares(volume: Volume, types: list[str]) -> dict[str, float]:
    total = sum(volume.events[name] for name in types)
    return {name: volume.events[name] / total for name in types}
