"""Popularity: the baseline that every model must beat, and the last resort for a cold user."""

from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field
from scipy import sparse

from training.models.core.base import Algorithm, Config, Model, Query
from training.models.core.data import TrainingData
from training.models.core.storage import Arrays
from training.models.core.types import Csr, FloatArray, Report

DAY = 86_400


class PopularityConfig(Config):
    """Section `popularity`."""

    window_days: int = Field(ge=0)
    """Only events of the last so many days count; older ones break ties. 0: all of them count."""


class Popularity(Model):
    """The same scores for every user: distinct users of each item."""

    name: ClassVar[str] = "popularity"

    def __init__(self, recent: FloatArray, all_time: FloatArray) -> None:
        """Keep the counts of distinct users in the window and of all time, both float32[n_items]."""
        self.recent = recent
        self.all_time = all_time
        self.n_items = len(recent)
        # The fraction is below 1: counts of all time order only items with equally many recent users.
        self._scores: FloatArray = (recent + all_time / (1.0 + all_time.max(initial=0.0))).astype(np.float32)
        self._deviation = float(self._scores.std(dtype=np.float64)) if self.n_items else 0.0

    def scores(self, query: Query) -> FloatArray:
        return self._scores

    def scores_and_deviation(self, query: Query) -> tuple[FloatArray, float | None]:
        return self._scores, self._deviation

    def score_batch(self, histories: Csr) -> FloatArray:
        return np.repeat(self._scores[None, :], histories.shape[0], axis=0)

    def arrays(self) -> Arrays:
        return {"recent": self.recent, "all_time": self.all_time}

    def settings(self) -> dict[str, Any]:
        return {}

    @classmethod
    def restore(cls, arrays: Arrays, settings: dict[str, Any]) -> Self:
        return cls(arrays["recent"], arrays["all_time"])


def fit(data: TrainingData, config: PopularityConfig, seed: int, report: Report | None = None) -> Popularity:
    """Count users. The window ends at the last event of the data; without events it is all time."""
    all_time = np.bincount(data.interactions.indices, minlength=data.n_items).astype(np.float32)
    if not len(data.events) or not config.window_days:
        return Popularity(all_time, all_time)
    start = int(data.events.time.max()) - config.window_days * DAY
    # Skips and dislikes are no sign of popularity.
    inside = (data.events.time > start) & (data.events.weight > 0) & (data.events.user >= 0)
    pairs = sparse.coo_array(
        (np.ones(inside.sum()), (data.events.user[inside], data.events.item[inside])),
        shape=(data.n_users, data.n_items),
    ).tocsr()
    # tocsr has summed repeats: an entry is a user, however often he came.
    recent = np.bincount(pairs.indices, minlength=data.n_items).astype(np.float32)
    return Popularity(recent, all_time)


ALGORITHM = Algorithm(
    PopularityConfig,
    fit,
    Popularity,
    about="Baseline: items with the most users recently.",
    limits="The same list for all users, except for items they already have.",
)
