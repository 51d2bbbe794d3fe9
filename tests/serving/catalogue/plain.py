"""Percentiles and values as they are defined: slow, and what the kept ones are compared with."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.catalogue.percentiles import NO_GROUP
from serving.catalogue.value import has_price, value_scores
from serving.types import Doubles


def plain_percentiles(values: Sequence[float], groups: Sequence[int]) -> Doubles:
    """Each value's percentile in its group, one by one, float64[n]: 0.5 for one alone, 0 in no group."""
    rows = list(zip(values, groups, strict=True))
    found = []
    for value, group in rows:
        others = [each for each, own in rows if own == group]
        below, equal = sum(each < value for each in others), sum(each == value for each in others)
        mean_place = below + (equal - 1) / 2
        found.append(0.0 if group == NO_GROUP else mean_place / (len(others) - 1) if len(others) > 1 else 0.5)
    return np.array(found, dtype=np.float64)


def plain_values(*, price: Doubles, group: NDArray[np.int32], popularity: Doubles, **more: Any) -> Doubles:
    """`value_scores` of prices compared within groups, and of popularity compared with all, float64[n]."""
    priced = has_price(price)
    cheapness = np.zeros(len(price))
    cheapness[priced] = 1 - plain_percentiles(price[priced].tolist(), group[priced].tolist())
    prominence = plain_percentiles(popularity.tolist(), [0] * len(popularity))
    return value_scores(price=price, cheapness=cheapness, prominence=prominence, **more)
