"""Best value: good for its price. The formula is told in docs/ranking.md."""

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

_UNRATED_MEAN = 3.0
_STARS = 5.0


def value_scores(
    *,
    price: Doubles,
    discount: NDArray[np.float32],
    rating: NDArray[np.float32],
    rating_count: NDArray[np.int64],
    group: NDArray[np.int32],
    popularity: Doubles,
    prior_ratings: float,
    popularity_share: float,
    cheapness_share: float,
) -> Doubles:
    """Value of each item, float64[n]; 0 for an item without a price.

    value = quality × (1 + saving), where
    quality = (1 - s) × shrunk rating / 5 + s × popularity percentile, with s = `popularity_share`;
    shrunk rating = (C × mean + n × r) / (C + n), with C = `prior_ratings`, n the item's ratings and mean
    the catalogue's (3 when nothing is rated);
    saving = the discount (0..1) where one is known, else `cheapness_share` of (1 - percentile of the price in
    its group): to be cheap among its like says less than to be reduced.

    Args:
        price, discount, rating: NaN where unknown.
        group: what an item's price is compared with (its category, or its kind).
        popularity: any scale, more is more.
    """
    priced = np.isfinite(price) & (price > 0)
    count = np.where(np.isfinite(rating), np.maximum(rating_count, 1), 0).astype(np.float64)
    stars = np.where(count > 0, rating, 0.0).astype(np.float64)
    mean = float((stars * count).sum() / count.sum()) if count.sum() else _UNRATED_MEAN
    shrunk = (prior_ratings * mean + count * stars) / (prior_ratings + count)
    quality = (1 - popularity_share) * shrunk / _STARS + popularity_share * percentile(popularity)
    cheapness = np.zeros(len(price))
    cheapness[priced] = 1 - percentile_within(price[priced], group[priced])
    saving = np.where(np.isfinite(discount), np.clip(discount, 0, 1), cheapness_share * cheapness)
    return np.where(priced, quality * (1 + saving), 0.0)


def percentile(values: Doubles) -> Doubles:
    """Rank of each value among all, 0 (lowest) to 1 (highest); equal values share their mean rank.

    One value alone stands at 0.5. Takes and gives float64[n].

    >>> percentile(np.array([3.0, 1.0, 1.0, 9.0])).round(3).tolist()
    [0.667, 0.167, 0.167, 1.0]
    """
    return percentile_within(values, np.zeros(len(values), dtype=np.int32))


def percentile_within(values: Doubles, group: NDArray[np.int32]) -> Doubles:
    """`percentile` of each value among those of its group, by one sort of all.

    Args:
        values: float64[n].
        group: int32[n].
    """
    if not len(values):
        return np.zeros(0)
    order = np.lexsort((values, group))
    ordered, groups = values[order], group[order]
    starts = np.flatnonzero(np.diff(groups, prepend=groups[0] - 1))
    sizes = np.diff(starts, append=len(order))
    # Positions of the first and the last of each run of equal values within a group.
    runs = np.flatnonzero(np.diff(groups, prepend=groups[0] - 1) | (np.diff(ordered, prepend=np.nan) != 0))
    lengths = np.diff(runs, append=len(order))
    middle = np.repeat(runs + (lengths - 1) / 2, lengths) - np.repeat(starts, sizes)
    last = np.repeat(sizes, sizes) - 1
    ranks = np.empty(len(values))
    ranks[order] = np.where(last > 0, middle / np.maximum(last, 1), 0.5)
    return ranks
