"""A weighted sum of models for the benchmark: weights learned on the items that any of them ranks high."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from training.evaluation import metrics
from training.evaluation.ranking import SCORE_BYTES, Ranker, TestSet
from training.models.blend import combine, normalise
from training.models.core.base import exclude, top_k
from training.models.core.types import BoolArray, Csr, DoubleArray, FloatArray, IntArray
from training.tuning.coordinate_search import Weights, ascend

GRID = (0.0, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0)
"""Weights tried for each model, against 1 for the best single one."""

DEPTH = 5
"""Candidates of each model, as a multiple of the list's length."""


class Mixture:
    """Several fitted models as one ranker: their normalised scores, weighted and added."""

    def __init__(self, models: Mapping[str, Ranker], weights: Mapping[str, float]) -> None:
        """Weigh `models` by `weights`; a model without a weight is left out."""
        self.parts = [(models[name], weight) for name, weight in weights.items() if weight]

    def score_batch(self, histories: Csr) -> FloatArray:
        """Scores of all items for many histories (csr[B, n_items]), float32[B, n_items]."""
        return combine((model.score_batch(histories), weight) for model, weight in self.parts)


@dataclass(frozen=True)
class Candidates:
    """What the models say of the items that may come into a user's list."""

    scores: Mapping[str, FloatArray]
    """model → float32[users, c], normalised; -inf where a user has fewer candidates."""
    right: BoolArray
    """bool[users, c], which of them are right answers."""
    answers: DoubleArray
    """float64[users], how many right answers there are in all."""


def learn_weights(models: Mapping[str, Ranker], test: TestSet, k: int) -> dict[str, float]:
    """The weights with the best mean of Recall@k and NDCG@k over the test users; only those above zero.

    Coordinate ascent from the best single model and from all models alike. Only the union of the models'
    `DEPTH` * k best items is looked at, so that a set of weights is measured in milliseconds.
    """
    found = gather(models, test, k)
    best = max(models, key=lambda name: measure(found, {name: 1.0}, k))
    others = [name for name in models if name != best]

    def along(weights: Weights, name: str) -> Callable[[float], float]:
        return lambda weight: measure(found, weights | {name: weight}, k)

    starts = dict.fromkeys(models, 0.0) | {best: 1.0}, dict.fromkeys(models, 1.0)
    ends = [ascend(start, measure(found, start, k), others, GRID, along, score=float) for start in starts]
    weights, _ = max(ends, key=lambda end: end[1])
    return {name: weight for name, weight in weights.items() if weight}


def gather(models: Mapping[str, Ranker], test: TestSet, k: int) -> Candidates:
    """Score the test users, a batch at a time, and keep the candidates."""
    n_users, n_items = test.histories.shape
    batch = max(1, SCORE_BYTES // (4 * n_items * (len(models) + 1)))
    width = min(DEPTH * k, n_items)
    scores = np.full((len(models), n_users, width * len(models)), -np.inf, dtype=np.float32)
    right = np.zeros((n_users, width * len(models)), dtype=bool)
    for start in range(0, n_users, batch):
        histories, truth = test.histories[start : start + batch], test.truth[start : start + batch]
        parts = np.stack([normalise(model.score_batch(histories)) for model in models.values()])
        for row in range(histories.shape[0]):
            seen = histories.indices[histories.indptr[row] : histories.indptr[row + 1]]
            chosen = _best(parts[:, row], seen, width)
            scores[:, start + row, : len(chosen)] = parts[:, row, chosen]
            answers = truth.indices[truth.indptr[row] : truth.indptr[row + 1]]
            right[start + row, : len(chosen)] = np.isin(chosen, answers)
    return Candidates(dict(zip(models, scores, strict=True)), right, metrics.answers(test.truth))


def _best(parts: FloatArray, seen: IntArray, width: int) -> IntArray:
    """The items that stand among the `width` best unseen ones of any model, in order of index."""
    ranked = [top_k(exclude(scores, seen), width)[0] for scores in parts]
    chosen: IntArray = np.unique(np.concatenate(ranked))
    return chosen


def measure(found: Candidates, weights: Mapping[str, float], k: int) -> float:
    """Mean of Recall@k and NDCG@k over the users with a right answer."""
    total = np.zeros(found.right.shape, dtype=np.float32)
    for name, weight in weights.items():
        if weight:
            total += np.float32(weight) * found.scores[name]
    depth = min(k, found.right.shape[-1])
    top = np.argpartition(-total, depth - 1, axis=1)[:, :depth]
    order = np.argsort(-np.take_along_axis(total, top, axis=1), axis=1, kind="stable")
    hits = np.take_along_axis(found.right, np.take_along_axis(top, order, axis=1), axis=1)
    values = metrics.recall(hits, found.answers, k), metrics.ndcg(hits, found.answers, k)
    return float(np.mean([np.nanmean(each) for each in values]))
