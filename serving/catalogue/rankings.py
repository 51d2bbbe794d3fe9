"""Lists that are the same for every user, computed when something changes and not at each request."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from serving.bundle.loading import PlacedBundle
from serving.catalogue.catalogue import Catalogue
from serving.catalogue.fields import FRONT
from serving.catalogue.percentiles import NO_GROUP, Percentiles
from serving.catalogue.signals import (
    Signals,
    TrendingScores,
    combined_popularity,
    have_same_popularity,
    read_signals,
)
from serving.catalogue.value import has_price, value_scores
from serving.steps.scores import top
from serving.types import KINDS, Doubles, Kinds, Mask, Rows, Scores
from training.params.ranking import RankingParams

T = TypeVar("T")

_REMEMBERED_LISTS = 256

OTHER = "Other"
"""Name of the one category that is shown when no item has any."""


class Rankings:
    """Popularity of every row, and what is made of it; good until catalogue, trending or bundle change."""

    def __init__(
        self,
        catalogue: Catalogue,
        trending: TrendingScores,
        placed: PlacedBundle | None,
        params: RankingParams,
        before: Rankings | None = None,
    ) -> None:
        """`before`: earlier ones of the same catalogue. What still holds of them is not computed anew."""
        self._catalogue = catalogue
        self._params = params
        self.stamp = stamp(catalogue, trending)
        """Make new rankings when this is no longer `stamp(...)`, and for another bundle."""
        self._signals: Signals = read_signals(
            catalogue, trending, placed, None if before is None else before._signals
        )
        self.events = self._signals.events
        """int32[n_rows], events of the trending window."""
        self.groups = self._signals.groups
        """int32[n_rows], what variety is counted by: the category, else the NMF factor, else the kind."""
        if before is not None and have_same_popularity(self._signals, before._signals):
            popularity = before.popularity
        else:
            popularity = combined_popularity(self._signals)
        self.popularity: Doubles = popularity
        """float64[n_rows], 0..1: trending first, then the bundle's popularity, then the number of ratings."""
        self.weights = self._signals.trend if self._signals.trend.any() else self.popularity
        """float64[n_rows], what a category's weight is the sum of."""
        self._most_popular: dict[tuple[Kinds, int], Rows] = {}
        # What is kept of the lists' orders, and what it was made of: `reserved` stands for all identities.
        self._popularity: tuple[Doubles, int, Scores, Rows] | None = before._popularity if before else None
        self._lowest: tuple[Mask, int, Rows] | None = before._lowest if before else None
        self._by_bits: tuple[int, Rows, NDArray[np.int64]] | None = before._by_bits if before else None
        self._made: dict[Hashable, Any] = {}
        self._made_at = catalogue.revision
        # Of the earlier rankings until the values are asked for.
        self._prices: Percentiles | None = None if before is None else before._prices
        self._prominence: Percentiles | None = None if before is None else before._prominence
        self._values: Doubles | None = None

    def most_popular(self, kinds: Kinds, count: int) -> Rows:
        """The `count` most popular rows of these kinds that may be in lists; equals by their identity."""
        if (kinds, count) not in self._most_popular:
            rows = np.flatnonzero(self._catalogue.listed(kinds)).astype(np.int32)
            identity = self._catalogue.column("identity")[rows]
            self._most_popular[kinds, count] = rows[top(self.popularity[rows], identity, count)]
        return self._most_popular[kinds, count]

    def popularity_in_order(self) -> tuple[Scores, Rows]:
        """Popularity as lists score by it, float32[n_rows]; the rows at its front that have any, int32[f].

        They stand in the order of lists: the highest first, equals by their identity.
        """
        kept, reserved = self._popularity, self._catalogue.reserved
        if kept is None or kept[0] is not self.popularity or kept[1] != reserved:
            scores = self.popularity.astype(np.float32)
            scores.flags.writeable = False
            rows = np.flatnonzero(scores).astype(np.int32)
            front = rows[top(scores[rows], self._catalogue.column("identity")[rows], FRONT)]
            kept = self._popularity = self.popularity, reserved, scores, front
        return kept[2:]

    def lowest_identities(self) -> Rows:
        """Those of the rows that may be in lists, the lowest first, int32[<=FRONT]."""
        listed, kept, reserved = self._catalogue.listed(None), self._lowest, self._catalogue.reserved
        if kept is None or kept[1] != reserved or not _are_equal(kept[0], listed):
            rows = np.flatnonzero(listed).astype(np.int32)
            identity = self._catalogue.column("identity")[rows]
            if len(rows) > FRONT:
                lowest = np.argpartition(identity, FRONT)[:FRONT]
                rows, identity = rows[lowest], identity[lowest]
            kept = self._lowest = listed, reserved, rows[np.argsort(identity)]
        return kept[2]

    def beginning_with(self, first: int, bits: int) -> Rows:
        """The rows, live or not, whose identity begins with the bits of `first`: int32[m], in no order."""
        identity, kept = self._catalogue.column("identity"), self._by_bits
        if kept is None or kept[0] != self._catalogue.reserved:
            bytes_ = (identity >> np.uint64(56)).astype(np.uint8)
            order = np.argsort(bytes_, kind="stable").astype(np.int32)
            ends = np.cumsum(np.bincount(bytes_, minlength=256))
            kept = self._by_bits = self._catalogue.reserved, order, np.concatenate([[0], ends])
        _, order, starts = kept
        if bits > 8:
            byte = first >> bits - 8
            rows: Rows = order[starts[byte] : starts[byte + 1]]
            found: Rows = rows[identity[rows] >> np.uint64(64 - bits) == first]
            return found
        return order[starts[first << 8 - bits] : starts[first + 1 << 8 - bits]]

    def top_categories(self, kinds: Kinds) -> list[tuple[str, int | None]]:
        """Names and codes of the top categories by the sum of their items' weights.

        Items without a category count for none; when no item has one, all stand under "Other" (no code).
        """
        listed = self._catalogue.listed(kinds)
        codes = self._catalogue.column("category")
        known = listed & (codes >= 0)
        if not known.any():
            return [(OTHER, None)] if listed.any() else []
        counts = np.bincount(codes[known])
        sums = _sums(codes[known], self.weights[known])
        present = np.flatnonzero(counts)
        best = present[np.lexsort((-counts[present], -sums[present]))]
        last = best[: self._params.top_categories][-1]
        equals = (sums > sums[last]) | ((sums == sums[last]) & (counts >= counts[last]))
        names = self._catalogue.categories
        found = sorted(
            np.flatnonzero(equals & (counts > 0)).tolist(),
            key=lambda code: (-sums[code], -counts[code], names[code]),
        )
        return [(names[code], code) for code in found[: self._params.top_categories]]

    def listing(self, kind: str | None, category: str | None) -> Rows:
        """Rows in lists that have a title, of one kind and category or of all, in order of item id."""
        catalogue = self._catalogue
        mask = catalogue.listed(None if kind is None else frozenset({kind})) & catalogue.column("titled")
        if category is not None:
            mask &= catalogue.column("category") == catalogue.category_code(category)
        rows = catalogue.rows_by_id()
        listed: Rows = rows[mask[rows]]
        return listed

    def remembered(self, key: Hashable, make: Callable[[], T]) -> T:
        """Lists that are the same for every user, made at the first call. They are not to be changed."""
        if self._made_at != self._catalogue.revision:  # they hold items, whose texts may have changed
            self._made.clear()
            self._made_at = self._catalogue.revision
        if key not in self._made:
            if len(self._made) >= _REMEMBERED_LISTS:
                self._made.clear()
            self._made[key] = make()
        made: T = self._made[key]
        return made

    @property
    def values(self) -> Doubles:
        """float64[n_rows], each live item's value (see value.py), 0 without a price."""
        if self._values is None:
            self._values = self._all_values()
        return self._values

    def compute_values(self) -> bool:
        """Have `values` at hand from now on; gives whether that took a computation."""
        known = self._values
        return self.values is not known

    def _all_values(self) -> Doubles:
        catalogue = self._catalogue
        alive = catalogue.column("alive")
        price = np.where(alive, catalogue.column("price"), np.nan)
        category, kind = catalogue.column("category"), catalogue.column("kind")
        group = np.where(category >= 0, category + len(KINDS), kind).astype(np.int32)
        priced = np.where(has_price(price), group, np.int32(NO_GROUP))
        self._prices = Percentiles.of(price, priced, self._prices)
        everything = np.where(alive, np.int32(0), np.int32(NO_GROUP))
        self._prominence = Percentiles.of(self.popularity, everything, self._prominence)
        return value_scores(
            price=price,
            discount=catalogue.column("discount"),
            rating=np.where(alive, catalogue.column("rating"), np.nan),
            rating_count=catalogue.column("rating_count"),
            cheapness=1 - self._prices.ranks(),
            prominence=self._prominence.ranks(),
            prior_ratings=self._params.value_prior_ratings,
            popularity_share=self._params.value_popularity,
            cheapness_share=self._params.value_cheapness,
        )


def _are_equal(first: Mask, second: Mask) -> bool:
    return first is second or np.array_equal(first, second)


Stamp = tuple[int, int]


def stamp(catalogue: Catalogue, trending: TrendingScores) -> Stamp:
    """What the rankings of one bundle depend on, as numbers that change when it does.

    Texts are not part of it: an edit of a title must not cost a sort of the catalogue.
    """
    return catalogue.columns_revision, trending.version


def _sums(codes: NDArray[np.int32], weights: Doubles) -> Doubles:
    """The sum of the weights (float64[n], 0 or more) of each code, in units of 2^-31 of the largest weight.

    Whole numbers: their sum is the same in any order of the rows, which differs between workers.
    """
    unit = weights.max(initial=0.0) or 1.0
    return np.bincount(codes, weights=np.rint(weights / unit * 2.0**31)).astype(np.float64)
