"""One moment of the live plane, as the lists are made from it. Nothing here waits for anything."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serving.bundle.loading import Generation
from serving.catalogue.index import LiveIndex
from serving.catalogue.rankings import Boards
from serving.steps.history import History
from serving.steps.order import spread
from serving.types import Item, Ranked
from training.models.blend import FEW_INTERACTIONS
from training.models.core.base import Query
from training.params import Params

Rows = NDArray[np.int32]
Scores = NDArray[np.float32]
Vector = NDArray[np.float32]
Mask = NDArray[np.bool_]

_WHOLE = 20_000
"""Rows up to which nearness is worked out for all."""


@dataclass(frozen=True, eq=False)
class View:
    """Index, bundle and boards that belong together, and what every list needs of them."""

    index: LiveIndex
    generation: Generation | None
    boards: Boards
    params: Params
    weighs: bool = False
    """Whether an experiment's arm brings weights of its own for the models, in the params."""

    @property
    def n_rows(self) -> int:
        """Rows of the catalogue."""
        return self.index.catalogue.n_rows

    def query(self, history: History) -> Query:
        """A history as the bundle's models read it: the items that the bundle knows."""
        if self.generation is None:
            return Query()
        indexes = self.generation.indexes(history.liked)
        known = indexes >= 0
        return Query(items=indexes[known], weights=history.weights[known])

    def model_scores(self, name: str, query: Query) -> Scores:
        """One model's scores of a query by catalogue row, float32[n_rows]; zeros when the bundle lacks it."""
        model = None if self.generation is None else self.generation.bundle.models.get(name)
        if self.generation is None or model is None or not len(query.items):
            return np.zeros(self.n_rows, dtype=np.float32)
        scores = model.scores(query)
        return spread(scores, self.generation.rows, self.n_rows)

    def learned_popularity(self) -> Scores:
        """The bundle's popularity by catalogue row, float32[n_rows]; zeros without a bundle."""
        if self.generation is None:
            return np.zeros(self.n_rows, dtype=np.float32)
        return spread(self.generation.loaded.popularity, self.generation.rows, self.n_rows)

    def learned_weights(self) -> Mapping[str, float]:
        """Weights of the models in home's blend: the bundle's; without a bundle, or when an experiment's arm
        brings its own, those of the params."""
        if self.generation is None or self.weighs:
            return self.params.blend.tuned
        return self.generation.loaded.weights

    def new_items(self) -> Mask:
        """Rows of items that few users are known of, bool[n_rows]; what no bundle knows is among them."""
        new = np.ones(self.n_rows, dtype=np.bool_)
        if self.generation is not None:
            rows, users = self.generation.rows, self.generation.loaded.models.popularity.all_time
            new[rows[(rows >= 0) & (users >= FEW_INTERACTIONS)]] = False
        return new

    def profile(self, history: History) -> Vector | None:
        """Mean vector of what a user likes, weighted by log(1 + strength), normalised.

        float32[d]; None without any.
        """
        vectors = self.index.vectors.gather(history.liked)
        mean = np.log1p(history.weights) @ vectors
        length = float(np.linalg.norm(mean))
        return None if length == 0 else (mean / np.float32(length)).astype(np.float32)

    def near(self, vector: Vector | None, k: int, allowed: Mask) -> Scores:
        """Cosines of the k nearest allowed rows, float32[n_rows], 0 elsewhere and where below 0.

        In a small catalogue all rows: that is quicker than to choose, and what the models are weighed by.
        """
        if vector is None:
            return np.zeros(self.n_rows, dtype=np.float32)
        if self.n_rows <= _WHOLE:
            return np.maximum(self.index.vectors.cosines(vector, self.n_rows), np.float32(0))
        rows, cosines = self.index.vectors.search(vector, k, allowed)
        return spread(np.maximum(cosines, np.float32(0)), rows, self.n_rows)

    def changed(self) -> Mask:
        """bool[n_rows]: items that the bundle's text models don't know, or know by an older text."""
        if self.generation is None:
            return np.ones(self.n_rows, dtype=np.bool_)
        changed: Mask = self.index.catalogue.column("change_seq") > self.generation.watermark
        unknown = np.ones(self.n_rows, dtype=np.bool_)
        unknown[self.generation.rows] = False
        return changed | unknown

    def item(self, row: int) -> Item:
        """The item of a row."""
        return self.index.catalogue.item(row)

    def ranked(
        self, rows: Iterable[int], scores: Iterable[float], model: str, reason: Callable[[int, Item], str]
    ) -> list[Ranked]:
        """A list of one model's items, each with its reason."""
        return [
            Ranked(item := self.item(row), float(score), model, reason(row, item))
            for row, score in zip(rows, scores, strict=True)
        ]
