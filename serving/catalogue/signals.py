"""What popularity is made of, row by row: trending scores, the bundle's popularity, numbers of ratings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.bundle.loading import PlacedBundle
from serving.catalogue.catalogue import Catalogue
from serving.catalogue.percentiles import extended
from serving.types import Doubles, Rows


@dataclass(frozen=True)
class TrendingScores:
    """The scores of one computation, by item id."""

    version: int = -1
    scores: Mapping[str, tuple[float, int]] = field(default_factory=dict)
    """Score, and events in the window."""
    computed_at: datetime | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """One number of each signal for every catalogue row, and where they come from."""

    trending: TrendingScores
    placed: PlacedBundle | None
    revision: int
    """The catalogue's `columns_revision` then."""
    trend: Doubles
    """float64[n_rows], 0 or more; 0 for what is not live."""
    events: NDArray[np.int32]
    """int32[n_rows], events of the trending window."""
    learned: Doubles
    """float64[n_rows], the bundle's popularity."""
    top_factor: NDArray[np.int32]
    """int32[n_rows], the item's strongest factor of the bundle's NMF, -1 for none."""
    ratings: Doubles
    """float64[n_rows], log(1 + number of ratings); 0 for what is not live."""
    groups: NDArray[np.int32]
    """int32[n_rows], what variety is counted by: the category, else the NMF factor, else the kind."""


def read_signals(
    catalogue: Catalogue, trending: TrendingScores, placed: PlacedBundle | None, before: Signals | None
) -> Signals:
    """The signals as of now.

    Args:
        before: of the same catalogue, earlier. With the same scores and bundle, only the rows that have
            changed since are read; where these say the same, the arrays are its own.
    """
    if before is None or before.trending is not trending or before.placed is not placed:
        return _read_all(catalogue, trending, placed)
    changed = catalogue.changed_since(before.revision)
    alive = catalogue.column("alive")[changed].tolist()
    found = [
        trending.scores.get(catalogue.id_of(row), (0.0, 0)) if live else (0.0, 0)
        for row, live in zip(changed.tolist(), alive, strict=True)
    ]
    now: dict[str, NDArray[Any]] = {
        "trend": np.array([max(score, 0.0) for score, _ in found], dtype=np.float64),
        "events": np.array([events for _, events in found], dtype=np.int32),
        "ratings": _ratings(catalogue, changed),
    }
    n_rows = catalogue.n_rows
    if n_rows == len(before.trend):
        now["groups"] = _groups(catalogue, before.top_factor, changed)
        if all(np.array_equal(getattr(before, name)[changed], values) for name, values in now.items()):
            return replace(before, revision=catalogue.columns_revision)  # a price is none of these
    signals = Signals(
        trending,
        placed,
        catalogue.columns_revision,
        trend=extended(before.trend, n_rows, 0),
        events=extended(before.events, n_rows, 0),
        learned=extended(before.learned, n_rows, 0),
        top_factor=extended(before.top_factor, n_rows, -1),
        ratings=extended(before.ratings, n_rows, 0),
        groups=extended(before.groups, n_rows, 0),
    )
    now["groups"] = _groups(catalogue, signals.top_factor, changed)
    for name, values in now.items():
        getattr(signals, name)[changed] = values
    return signals


def have_same_popularity(first: Signals, second: Signals) -> bool:
    """Whether all that popularity is made of is the very same: see `read_signals`."""
    pairs = ((first.trend, second.trend), (first.learned, second.learned), (first.ratings, second.ratings))
    return all(one is other for one, other in pairs)


def combined_popularity(signals: Signals) -> Doubles:
    """float64[n_rows], 0..1: a later signal speaks only where the earlier ones are silent or equal."""
    parts = ((1.0, signals.trend), (1e-2, signals.learned), (1e-4, signals.ratings))
    total = np.zeros(len(signals.trend), dtype=np.float64)
    for weight, values in parts:
        total += weight * values / (values.max(initial=0.0) or 1.0)
    total /= total.max(initial=0.0) or 1.0
    return total


def _read_all(catalogue: Catalogue, trending: TrendingScores, placed: PlacedBundle | None) -> Signals:
    n_rows = catalogue.n_rows
    trend, learned = np.zeros(n_rows), np.zeros(n_rows)
    events, top_factor = np.zeros(n_rows, dtype=np.int32), np.full(n_rows, -1, dtype=np.int32)
    rows = catalogue.rows(trending.scores)
    live = rows >= 0
    if live.any():
        scores, counts = zip(*trending.scores.values(), strict=True)
        trend[rows[live]] = np.maximum(np.array(scores, dtype=np.float64)[live], 0.0)
        events[rows[live]] = np.array(counts, dtype=np.int32)[live]
    if placed is not None:
        learned[placed.rows], top_factor[placed.rows] = placed.loaded.popularity, placed.loaded.top_factor
    everything = np.arange(n_rows, dtype=np.int32)
    return Signals(
        trending,
        placed,
        catalogue.columns_revision,
        trend,
        events,
        learned,
        top_factor,
        _ratings(catalogue, everything),
        _groups(catalogue, top_factor, everything),
    )


def _ratings(catalogue: Catalogue, rows: Rows) -> Doubles:
    counts = np.where(catalogue.column("alive")[rows], catalogue.column("rating_count")[rows], 0)
    return np.log1p(counts.astype(np.float64))


def _groups(catalogue: Catalogue, top_factor: NDArray[np.int32], rows: Rows) -> NDArray[np.int32]:
    category, kind = catalogue.column("category")[rows], catalogue.column("kind")[rows]
    factor = top_factor[rows]
    without = np.where(factor >= 0, -100 - factor, -10 - kind)
    groups: NDArray[np.int32] = np.where(category >= 0, category, without).astype(np.int32)
    return groups
