"""Trending as a baseline: the scores that the platform would have shown at the last event it may learn from.

The service reads the scores that `database.trending` computes each hour, in SQL; this is the same formula
over a snapshot's arrays, and a test holds the two to the same numbers.
"""

from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field

from training.models.core.base import Algorithm, Config, Model, Query
from training.models.core.data import NOTHING, TrainingData
from training.models.core.storage import Arrays
from training.models.core.types import Csr, FloatArray, Report

HOUR = 3_600
DAY = 24 * HOUR


class TrendingConfig(Config):
    """Section `trending`: score = sum(weight * decay_rate ** (age / step))."""

    decay_rate: float = Field(gt=0, le=1)
    step_hours: float = Field(gt=0)
    window_days: int = Field(ge=1)


class Trending(Model):
    """The same scores for every user: the weights of each item's events, decayed by their age."""

    name: ClassVar[str] = "trending"

    def __init__(self, decayed: FloatArray) -> None:
        """Keep the scores, float32[n_items]; zero for items that have none."""
        self.decayed = decayed
        self.n_items = len(decayed)

    def scores(self, query: Query) -> FloatArray:
        return self.decayed

    def score_batch(self, histories: Csr) -> FloatArray:
        return np.repeat(self.decayed[None, :], histories.shape[0], axis=0)

    def arrays(self) -> Arrays:
        return {"decayed": self.decayed}

    def settings(self) -> dict[str, Any]:
        return {}

    @classmethod
    def restore(cls, arrays: Arrays, settings: dict[str, Any]) -> Self:
        return cls(arrays["decayed"])


def fit(data: TrainingData, config: TrendingConfig, seed: int, report: Report | None = None) -> Trending:
    """Score the items as of the last event of the data, anonymous ones counted.

    Only the window's events count; an item whose decayed weights sum to less than zero has no score.
    """
    parts = (data.events, data.anonymous)
    item = np.concatenate([part.item for part in parts])
    # float64, as SQL sums: a month of clicks loses digits in float32.
    weight = np.concatenate([part.weight for part in parts]).astype(np.float64)
    time = np.concatenate([part.time for part in parts])
    if not len(time):
        return Trending(np.zeros(data.n_items, dtype=np.float32))
    # The last event is the moment at which the platform would have computed the scores.
    age = time.max() - time
    inside = age < config.window_days * DAY
    item, weight, age = item[inside], weight[inside], age[inside]
    decayed = weight * config.decay_rate ** (age / (config.step_hours * HOUR))
    scores = np.bincount(item, decayed, minlength=data.n_items)
    # SQL's `having`: a sum that is not above the rounding of its terms.
    sizes = np.bincount(item, np.abs(decayed), minlength=data.n_items)
    scores[scores <= NOTHING * sizes] = 0.0
    return Trending(scores.astype(np.float32))


ALGORITHM = Algorithm(
    TrendingConfig,
    fit,
    Trending,
    about="Baseline: trending score at the split.",
    limits="The same list for all users, except for items they already have; only items with recent events.",
)
