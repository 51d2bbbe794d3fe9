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
    for code in np.unique(group[priced]):
        members = priced & (group == code)
        cheapness[members] = 1 - percentile(price[members])
    saving = np.where(np.isfinite(discount), np.clip(discount, 0, 1), cheapness_share * cheapness)
    return np.where(priced, quality * (1 + saving), 0.0)


def percentile(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rank of each value among all, 0 (lowest) to 1 (highest); equal values share their mean rank.

    One value alone stands at 0.5. Takes and gives float64[n].
    """
    if len(values) < 2:
        return np.full(len(values), 0.5)
    ordered = np.sort(values)
    left = np.searchsorted(ordered, values, side="left")
    right = np.searchsorted(ordered, values, side="right")
    ranks: NDArray[np.float64] = ((left + right - 1) / 2) / (len(values) - 1)
    return ranks
