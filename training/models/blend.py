"""One ranking from many models' scores: pure functions of arrays, the same for evaluation and service.

Models' scores have no common unit: a cosine, a sum of confidences, a count. Each model's scores are
therefore divided by their standard deviation over the catalogue before they are weighted and added. A
zero stays a zero ("no opinion"), and a model with no opinion at all (a cold user's ALS) adds nothing, so
that popularity and trending decide there by themselves.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

import numpy as np

from training.models.types import Csr, FloatArray

LEAST_SPREAD = 1e-3
"""Below the spread of a single item's score among 1 M: no model with few opinions is touched."""

BLEND = "blend"
"""What the blend is called in tables, among the judged models, and in their folders."""


def normalise(scores: FloatArray) -> FloatArray:
    """Scores over their standard deviation along the last axis; all zeros stay all zeros.

    The divisor is at least `LEAST_SPREAD` times the largest score: of scores that hardly differ, the
    differences are noise, and are not blown up to the size of another model's opinion.

    Args:
        scores: float32[n_items] or float32[B, n_items].
    """
    spread = scores.std(axis=-1, keepdims=True)
    least = LEAST_SPREAD * np.abs(scores).max(axis=-1, keepdims=True, initial=0.0)
    spread = np.maximum(spread, least)
    divisor: FloatArray = np.where(spread > 0.0, spread, 1.0).astype(np.float32)
    return scores / divisor


def combine(parts: Iterable[tuple[FloatArray, float]]) -> FloatArray:
    """The weighted sum of normalised scores.

    Args:
        parts: scores (all of one shape) and their weight; a weight of zero is skipped.

    Raises:
        ValueError: no part has a weight.
    """
    total: FloatArray | None = None
    for scores, weight in parts:
        if weight:
            part = normalise(scores) * np.float32(weight)
            total = part if total is None else total + part
    if total is None:
        raise ValueError("no model of the blend has a weight above zero")
    return total


class Scorer(Protocol):
    """A model, as far as a blend needs it."""

    def score_batch(self, histories: Csr) -> FloatArray: ...


class Blend:
    """Several fitted models as one ranker, for evaluation."""

    def __init__(self, models: Mapping[str, Scorer], weights: Mapping[str, float]) -> None:
        """Weigh `models` by `weights`; a model without a weight is left out."""
        self.parts = [(models[name], weight) for name, weight in weights.items() if weight]

    def score_batch(self, histories: Csr) -> FloatArray:
        """Scores of all items for many histories (csr[B, n_items]), float32[B, n_items]."""
        return combine((model.score_batch(histories), weight) for model, weight in self.parts)
