"""Best value: good for its price. The formula is told in docs/ranking.md."""

import numpy as np
from numpy.typing import NDArray

from serving.types import Doubles, Mask

_UNRATED_MEAN = 3.0
_STARS = 5.0


def has_price(price: Doubles) -> Mask:
    """bool[n]: which prices (float64[n], NaN unknown) are ones to compare."""
    priced: Mask = np.isfinite(price) & (price > 0)
    return priced


def value_scores(
    *,
    price: Doubles,
    discount: NDArray[np.float32],
    rating: NDArray[np.float32],
    rating_count: NDArray[np.int64],
    cheapness: Doubles,
    prominence: Doubles,
    prior_ratings: float,
    popularity_share: float,
    cheapness_share: float,
) -> Doubles:
    """Value of each item, float64[n]; 0 for an item without a price.

    value = quality × (1 + saving), where
    quality = (1 - s) × shrunk rating / 5 + s × prominence, with s = `popularity_share`;
    shrunk rating = (C × mean + n × r) / (C + n), with C = `prior_ratings`, n the item's ratings and mean
    the catalogue's (3 when nothing is rated);
    saving = the discount (0..1) where one is known, else `cheapness_share` × cheapness: to be cheap among its
    like says less than to be reduced.

    Args:
        price, discount, rating: NaN where unknown.
        cheapness: 1 less the percentile of the price among its like (the category, or the kind).
        prominence: percentile of the popularity.
    """
    priced = has_price(price)
    count = np.where(np.isfinite(rating), np.maximum(rating_count, 1), 0).astype(np.float64)
    stars = np.where(count > 0, rating, 0.0).astype(np.float64)
    mean = float((stars * count).sum() / count.sum()) if count.sum() else _UNRATED_MEAN
    shrunk = (prior_ratings * mean + count * stars) / (prior_ratings + count)
    quality = (1 - popularity_share) * shrunk / _STARS + popularity_share * prominence
    saving = np.where(np.isfinite(discount), np.clip(discount, 0, 1), cheapness_share * cheapness)
    return np.where(priced, quality * (1 + saving), 0.0)
