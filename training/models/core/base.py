"""The one shape of all models: a query goes in, scores over the whole catalogue come out."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

from training.models.core.bounds import largest_of, numbers_in
from training.models.core.storage import Arrays, read_model, write_model
from training.models.core.types import Csr, FloatArray, IntArray

NO_ITEMS = np.zeros(0, dtype=np.int32)
STRIDE = 16
"""One score in so many is a sample of all."""

NO_SCORES = np.zeros(0, dtype=np.float32)


class Config(BaseModel):
    """A model's section of params.yaml. Its fields have no defaults: the file is their only home.

    No number is infinite, or larger than an integer of PostgreSQL; no time is longer than some 270 years,
    which any date can be moved back by. The unit of a time is the last word of its field's name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="after")
    @classmethod
    def _can_be_counted_with(cls, value: Any, info: ValidationInfo) -> Any:
        largest = largest_of(str(info.field_name))
        if not all(-largest <= number <= largest for number in numbers_in(value)):
            raise ValueError(f"a number here may be at most {largest:,}")
        return value


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """What is known of a user when a list is asked for: the same object for every model."""

    items: IntArray = field(default_factory=lambda: NO_ITEMS)
    """History, int32[m], distinct items."""
    weights: FloatArray = field(default_factory=lambda: NO_SCORES)
    """Strength of each item of the history, float32[m], above zero (raw: each model reads it its way)."""
    exclude: IntArray = field(default_factory=lambda: NO_ITEMS)
    """Items that must not be recommended, int32[e] (seen, skipped, deleted)."""


class Model(ABC):
    """A fitted model: arrays and a few scalars, no library objects.

    A score of exactly zero means "no opinion": such items are never recommended. An unknown user,
    or an empty history, therefore gets an empty list (from popularity: the popular items). A score that is
    nothing but rounding is no opinion: models whose terms can cancel make it zero (`zero_rounding`).
    """

    name: ClassVar[str]
    n_items: int

    @abstractmethod
    def scores(self, query: Query) -> FloatArray:
        """Scores of all items for one query, float32[n_items]; seen items are scored like others."""

    @abstractmethod
    def score_batch(self, histories: Csr) -> FloatArray:
        """Scores of all items for many histories (csr[B, n_items]), float32[B, n_items]."""

    @abstractmethod
    def arrays(self) -> Arrays:
        """The arrays that are stored."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """The scalars that are stored beside the arrays."""

    @classmethod
    @abstractmethod
    def restore(cls, arrays: Arrays, settings: dict[str, Any]) -> Self:
        """The model that `arrays` and `settings` came from."""

    def scores_and_deviation(self, query: Query) -> tuple[FloatArray, float | None]:
        """The scores, and their standard deviation over all items by what is stored; None if that is not
        known without a look at the scores."""
        return self.scores(query), None

    def contributions(self, query: Query, items: IntArray) -> FloatArray | None:
        """What each item of the history gives to each score, float32[len(items), len(query.items)].

        None from a model that can't tell.
        """
        return None

    def recommend(self, query: Query, k: int) -> tuple[IntArray, FloatArray]:
        """The best k items (int32[<=k]) and their scores, best first; ties go to the lower index."""
        return top_k(exclude(self.scores(query), query.exclude), k)

    def without_users(self) -> "Model":
        """The model without what it stores of each user: enough to score histories, as an evaluation does."""
        return self

    def save(self, directory: Path) -> None:
        """Write the model to a directory."""
        write_model(directory, self.name, self.arrays(), self.settings())

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Open a saved model, memory-mapped.

        Raises ModelFileError when the directory does not hold this model.
        """
        return cls.restore(*read_model(directory, cls.name))


NEEDS_INTERACTIONS = "Items without interactions before the snapshot are never recommended."
"""A limit that many models share, for their cards."""


@dataclass(frozen=True, slots=True)
class Algorithm:
    """How a model is configured, fitted and described: `ALGORITHM` in each model's file."""

    config: type[Config]
    """Its section of params.yaml."""
    fit: Callable[..., Model]
    """(TrainingData, config, seed, report) → the fitted model."""
    model: type[Model]
    about: str
    """One sentence for its card."""
    limits: str
    """What it can't do, for its card."""
    of_catalogue: bool = False
    """Whether it learns from the catalogue alone: one fit is that of any part of the interactions."""


def exclude(scores: FloatArray, items: IntArray) -> FloatArray:
    """A copy of the scores (float32[n]) in which `items` (int32[m]) have no score (zero)."""
    kept = scores.copy()
    kept[items] = 0.0
    return kept


def top_k(scores: FloatArray, k: int) -> tuple[IntArray, FloatArray]:
    """Indexes and scores of the k best, best first; ties go to the lower index; zeros are left out.

    Args:
        scores: float32[n].
        k: how many at most.
    """
    if k <= 0 or len(scores) == 0:
        return NO_ITEMS, NO_SCORES
    if len(scores) > 4 * STRIDE * k:
        # Partitioning a sixteenth of the scores costs a sixteenth.
        sample = scores[::STRIDE]
        bound = np.partition(sample, len(sample) - k)[len(sample) - k]
        if bound > 0.0:
            # The k best of a sample bound the k best of all from below: few items are left to order.
            few = np.flatnonzero(scores >= bound)
            places, best = _top_k(scores[few], k)
            return few[places].astype(np.int32), best
    return _top_k(scores, k)


def _top_k(scores: FloatArray, k: int) -> tuple[IntArray, FloatArray]:
    n = len(scores)
    if k < n:
        # partition is O(n), a full sort O(n log n): only the k best are sorted.
        threshold = np.partition(scores, n - k)[n - k]
        above = np.flatnonzero(scores > threshold)
        ties = np.flatnonzero(scores == threshold)[: k - len(above)]
        chosen = np.concatenate([above, ties])
        if threshold <= 0.0:
            # Zeros take places that items below zero could have: choose again among those with an opinion.
            chosen = _best_with_opinion(scores, k)
    else:
        chosen = np.flatnonzero(scores)
    best = scores[chosen]
    # Ties by index: the same list on every worker and after every load.
    order = np.lexsort((chosen, -best))
    return chosen[order].astype(np.int32), best[order]


def _best_with_opinion(scores: FloatArray, k: int) -> IntArray:
    some = np.flatnonzero(scores)
    order = np.lexsort((some, -scores[some]))[:k]
    return some[order].astype(np.int32)
