"""One ranking from many models' scores: pure functions of arrays, the same for evaluation and service.

Models' scores have no common unit: a cosine, a sum of confidences, a count. Each model's scores are
therefore divided by their standard deviation over the catalogue before they are weighted and added. A
zero stays a zero ("no opinion"), and a model with no opinion at all (a cold user's ALS) adds nothing, so
that popularity and trending decide there by themselves.

Nothing that is learned from histories can say much of an item that few have bought. TF-IDF can, so it may
have a weight of its own on such items.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

import numpy as np

from training.models.core.rounding import zero_rounding
from training.models.core.types import BoolArray, Csr, FloatArray

LEAST_SPREAD = 1e-3
"""Below the spread of a single item's score among 1 M: no model with few opinions is touched."""

FEW_INTERACTIONS = 5
"""An item with fewer training users is new; a user with fewer training items has few interactions."""

CONTENT_MODEL = "tfidf"
"""The model that knows new items, by their words."""
NEW_ITEMS = "new_items"
"""Key of the weight that CONTENT_MODEL has on top, on new items."""

ROUNDED = 3
"""Roundings of a part before it is added: the score's own, the division by its spread, the weight."""

Weight = float | FloatArray
"""Of all items alike, or of each: float32[n_items]."""

BLEND = "blend"
"""What the blend is called in tables, among the judged models, and in their folders."""


def scale_of(scores: FloatArray, n_items: int) -> float:
    """What `normalise` divides by, for the scores of m items (float32[m]) where all others of n_items have 0.

    >>> scores = np.array([3, 1], dtype=np.float32)
    >>> scale, normalised = scale_of(scores, 1000), normalise(np.pad(scores, (0, 998)))
    >>> np.allclose(scores / scale, normalised[:2])
    True
    """
    exact = scores.astype(np.float64)
    mean = exact.sum() / max(n_items, 1)
    spread = np.sqrt(max((exact @ exact) / max(n_items, 1) - mean * mean, 0.0))
    return scale_from(float(spread), float(np.abs(exact).max(initial=0.0)))


def scale_from(deviation: float, largest: float) -> float:
    """The same, from the scores' standard deviation and the largest of their sizes.

    >>> scale_from(0.0, 2.0), scale_from(0.5, 2.0), scale_from(0.0, 0.0)
    (0.002, 0.5, 1.0)
    """
    scale = max(deviation, LEAST_SPREAD * largest)
    return scale if scale > 0.0 else 1.0


def normalise(scores: FloatArray) -> FloatArray:
    """Scores over their standard deviation along the last axis; all zeros stay all zeros.

    The divisor is at least `LEAST_SPREAD` times the largest score: of scores that hardly differ, the
    differences are noise, and are not blown up to the size of another model's opinion.

    Args:
        scores: float32[n_items] or float32[B, n_items].
    """
    return scores / _divisor(scores)


def _divisor(scores: FloatArray) -> FloatArray:
    """float32[..., 1]; 1 where all scores are 0, or there is none."""
    if not scores.shape[-1]:
        return np.ones((*scores.shape[:-1], 1), dtype=np.float32)
    # The standard deviation, not the range: one outlier would set the scale of all others.
    spread = scores.std(axis=-1, keepdims=True)
    least = LEAST_SPREAD * np.abs(scores).max(axis=-1, keepdims=True, initial=0.0)
    spread = np.maximum(spread, least)
    # 1 where there is no spread: a model without an opinion stays at zero.
    return np.where(spread > 0.0, spread, 1.0).astype(np.float32)


def combine(parts: Iterable[tuple[FloatArray, Weight]]) -> FloatArray:
    """The weighted sum of normalised scores; 0 ("no opinion") where only rounding is left of it.

    Args:
        parts: scores (float32[n_items] or float32[B, n_items], all alike) and their weight: a number, or
            float32[n_items]. A weight of zero is skipped.

    Returns:
        float32 of the parts' shape.

    Raises ValueError when no part has a weight.
    """
    weighted = (
        normalise(scores) * np.asarray(weight, dtype=np.float32) for scores, weight in parts if np.any(weight)
    )
    total = next(weighted, None)
    if total is None:
        raise ValueError("no model of the blend has a weight above zero")
    magnitude, terms = np.abs(total), 1
    for part in weighted:
        total += part
        magnitude += np.abs(part)
        terms += 1
    return zero_rounding(total, magnitude, terms + ROUNDED)


def weights_by_model(weights: Mapping[str, float], new_items: BoolArray | None = None) -> dict[str, Weight]:
    """The weight of each model that has one: of each item where NEW_ITEMS sets new items apart.

    Args:
        weights: of models and of NEW_ITEMS.
        new_items: bool[n_items], items with under FEW_INTERACTIONS users; needed where NEW_ITEMS weighs.

    Raises ValueError when NEW_ITEMS has a weight, and which items are new is not given.
    """
    found: dict[str, Weight] = {
        name: weight for name, weight in weights.items() if weight and name != NEW_ITEMS
    }
    if extra := weights.get(NEW_ITEMS, 0.0):
        if new_items is None:
            raise ValueError(f"{NEW_ITEMS} has a weight, but which items are new is not given")
        found[CONTENT_MODEL] = np.float32(weights.get(CONTENT_MODEL, 0.0)) + np.float32(
            extra
        ) * new_items.astype(np.float32)
    return found


class Scorer(Protocol):
    """A model, as far as a blend needs it."""

    def score_batch(self, histories: Csr) -> FloatArray: ...


class Blend:
    """Several fitted models as one ranker: their normalised scores, weighted and added."""

    def __init__(
        self, models: Mapping[str, Scorer], weights: Mapping[str, float], new_items: BoolArray | None = None
    ) -> None:
        """Weigh `models` by `weights`, new items (bool[n_items]) by NEW_ITEMS on top.

        A model without a weight is left out.
        """
        self.parts = [(models[name], weight) for name, weight in weights_by_model(weights, new_items).items()]

    def score_batch(self, histories: Csr) -> FloatArray:
        """Scores of all items for many histories (csr[B, n_items]), float32[B, n_items]."""
        return combine((model.score_batch(histories), weight) for model, weight in self.parts)
