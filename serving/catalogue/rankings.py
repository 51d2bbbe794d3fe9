"""Lists that are the same for every user, computed when something changes and not at each request."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from serving.bundle.loading import PlacedBundle
from serving.catalogue.catalogue import Catalogue
from serving.catalogue.value import value_scores
from serving.types import KINDS, Kinds
from training.params.ranking import RankingParams

Rows = NDArray[np.int32]
T = TypeVar("T")

_REMEMBERED_LISTS = 256

OTHER = "Other"
"""Name of the one category that is shown when no item has any."""


@dataclass(frozen=True)
class TrendingScores:
    """The scores of one computation, by item id."""

    version: int = -1
    scores: Mapping[str, tuple[float, int]] = field(default_factory=dict)
    """Score, and events in the window."""
    computed_at: datetime | None = None


class Rankings:
    """Popularity of every row, and the orders made of it; good until catalogue, trending or bundle change."""

    def __init__(
        self,
        catalogue: Catalogue,
        trending: TrendingScores,
        placed: PlacedBundle | None,
        params: RankingParams,
    ) -> None:
        self._catalogue = catalogue
        self._params = params
        self.stamp = stamp(catalogue, trending)
        """Make new rankings when this is no longer `stamp(...)`, and for another bundle."""
        n_rows = catalogue.n_rows
        self.events = np.zeros(n_rows, dtype=np.int32)
        """int32[n_rows], events of the trending window."""
        trend = np.zeros(n_rows, dtype=np.float64)
        for item_id, (score, events) in trending.scores.items():
            row = catalogue.row(item_id)
            if row >= 0:
                trend[row], self.events[row] = max(score, 0.0), events
        learned = np.zeros(n_rows, dtype=np.float64)
        self.groups = catalogue.column("category").copy()
        """int32[n_rows], what variety is counted by: the category, else the item's taste, else its kind."""
        unknown = self.groups < 0
        self.groups[unknown] = -10 - catalogue.column("kind")[unknown]
        if placed is not None:
            learned[placed.rows] = placed.loaded.popularity
            taste = np.full(n_rows, -1, dtype=np.int32)
            taste[placed.rows] = placed.loaded.taste
            tasted = unknown & (taste >= 0)
            self.groups[tasted] = -100 - taste[tasted]
        self.popularity = _mixed(trend, learned, catalogue.column("rating_count").astype(np.float64))
        """float64[n_rows], 0..1: trending first, then the bundle's popularity, then the number of ratings."""
        self.weights = trend if trend.any() else self.popularity
        """float64[n_rows], what a category's weight is the sum of."""
        self._order: dict[Kinds, Rows] = {}
        self._listings: dict[tuple[str | None, str | None], Rows] = {}
        self._made: dict[Hashable, Any] = {}
        self._values: NDArray[np.float64] | None = None

    def order(self, kinds: Kinds) -> Rows:
        """Rows of these kinds that may be in lists, most popular first; equals by their identity."""
        if kinds not in self._order:
            rows = np.flatnonzero(self._catalogue.listed(kinds))
            identity = self._catalogue.column("identity")[rows]
            self._order[kinds] = rows[np.lexsort((identity, -self.popularity[rows]))].astype(np.int32)
        return self._order[kinds]

    def top_categories(self, kinds: Kinds) -> list[tuple[str, int | None]]:
        """Names and codes of the top categories by the sum of their items' weights.

        Items without a category count for none; when no item has one, all stand under "Other" (no code).
        """
        codes = self._catalogue.column("category")[self.order(kinds)]
        known = codes >= 0
        if not known.any():
            return [(OTHER, None)] if len(codes) else []
        sums = np.bincount(codes[known], weights=self.weights[self.order(kinds)[known]])
        counts = np.bincount(codes[known])
        names = self._catalogue.categories
        found = sorted(
            np.flatnonzero(counts).tolist(), key=lambda code: (-sums[code], -counts[code], names[code])
        )
        return [(names[code], code) for code in found[: self._params.top_categories]]

    def listing(self, kind: str | None, category: str | None) -> Rows:
        """Rows in lists that have a title, of one kind and category or of all, in order of item id."""
        if (kind, category) not in self._listings:
            catalogue = self._catalogue
            mask = catalogue.listed(None if kind is None else frozenset({kind}))
            if category is not None:
                mask &= catalogue.column("category") == catalogue.category_code(category)
            items = [
                (item.item_id, row)
                for row in np.flatnonzero(mask).tolist()
                if (item := catalogue.item(row)).title is not None
            ]
            self._listings[kind, category] = np.array([row for _, row in sorted(items)], dtype=np.int32)
        return self._listings[kind, category]

    def remembered(self, key: Hashable, make: Callable[[], T]) -> T:
        """Lists that are the same for every user, made at the first call. They are not to be changed."""
        if key not in self._made:
            if len(self._made) >= _REMEMBERED_LISTS:
                self._made.clear()
            self._made[key] = make()
        made: T = self._made[key]
        return made

    @property
    def values(self) -> NDArray[np.float64]:
        """float64[n_rows], each live item's value (see ranking/value.py), 0 without a price."""
        if self._values is None:
            self._values = self._all_values()
        return self._values

    def _all_values(self) -> NDArray[np.float64]:
        catalogue = self._catalogue
        live = np.flatnonzero(catalogue.column("alive"))
        category = catalogue.column("category")[live]
        group = np.where(category >= 0, category + len(KINDS), catalogue.column("kind")[live])
        values = np.zeros(catalogue.n_rows, dtype=np.float64)
        values[live] = value_scores(
            price=catalogue.column("price")[live],
            discount=catalogue.column("discount")[live],
            rating=catalogue.column("rating")[live],
            rating_count=catalogue.column("rating_count")[live],
            group=group.astype(np.int32),
            popularity=self.popularity[live],
            prior_ratings=self._params.value_prior_ratings,
            popularity_share=self._params.value_popularity,
            cheapness_share=self._params.value_cheapness,
        )
        return values


Stamp = tuple[int, int]


def stamp(catalogue: Catalogue, trending: TrendingScores) -> Stamp:
    """What the rankings of one bundle depend on, as numbers that change when it does."""
    return catalogue.revision, trending.version


def _mixed(
    trend: NDArray[np.float64], learned: NDArray[np.float64], ratings: NDArray[np.float64]
) -> NDArray[np.float64]:
    """One number in which a later signal only speaks where the earlier ones are silent or equal."""
    parts = ((1.0, trend), (1e-2, learned), (1e-4, np.log1p(ratings)))
    mixed = np.zeros(len(trend), dtype=np.float64)
    for weight, values in parts:
        mixed += weight * values / (values.max(initial=0.0) or 1.0)
    total: NDArray[np.float64] = mixed / (mixed.max(initial=0.0) or 1.0)
    return total
