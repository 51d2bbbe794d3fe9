"""A weighted sum of models for the benchmark: weights learned on the items that any of them ranks high."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from training import metrics
from training.evaluate import SCORE_BYTES, Ranker, TestSet
from training.models.base import exclude, top_k
from training.models.blend import combine, normalise
from training.models.types import BoolArray, Csr, DoubleArray, FloatArray, IntArray

GRID = (0.0, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0)
"""Weights tried for each model, against 1 for the best single one."""

ROUNDS = 5
"""Passes over the models; the ascent ends earlier when a pass changes nothing."""

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

    scores: FloatArray
    """float32[models, users, c], normalised; -inf where a user has fewer candidates."""
    right: BoolArray
    """bool[users, c], which of them are right answers."""
    answers: DoubleArray
    """float64[users], how many right answers there are in all."""


def learn_weights(models: Mapping[str, Ranker], test: TestSet, k: int) -> dict[str, float]:
    """The weights with the best mean of Recall@k and NDCG@k over the test users; only those above zero.

    Coordinate ascent from the best single model and from all models alike. Only the union of the models'
    `DEPTH` * k best items is looked at, so that a set of weights is measured in milliseconds.
    """
    names = list(models)
    found = gather([models[name] for name in names], test, k)
    single = [measure(found, np.eye(len(names))[place], k) for place in range(len(names))]
    best = int(np.argmax(single))
    starts = np.eye(len(names))[best], np.ones(len(names))
    ends = [_ascend(lambda weights: measure(found, weights, k), start, best) for start in starts]
    weights, _ = max(ends, key=lambda end: end[1])
    return {name: float(weight) for name, weight in zip(names, weights, strict=True) if weight}


def gather(rankers: Sequence[Ranker], test: TestSet, k: int) -> Candidates:
    """Score the test users, a batch at a time, and keep the candidates."""
    n_users, n_items = test.histories.shape
    batch = max(1, SCORE_BYTES // (4 * n_items * (len(rankers) + 1)))
    width = min(DEPTH * k, n_items)
    scores = np.full((len(rankers), n_users, width * len(rankers)), -np.inf, dtype=np.float32)
    right = np.zeros((n_users, width * len(rankers)), dtype=bool)
    for start in range(0, n_users, batch):
        histories, truth = test.histories[start : start + batch], test.truth[start : start + batch]
        parts = np.stack([normalise(ranker.score_batch(histories)) for ranker in rankers])
        for row in range(histories.shape[0]):
            seen = histories.indices[histories.indptr[row] : histories.indptr[row + 1]]
            chosen = _best(parts[:, row], seen, width)
            scores[:, start + row, : len(chosen)] = parts[:, row, chosen]
            answers = truth.indices[truth.indptr[row] : truth.indptr[row + 1]]
            right[start + row, : len(chosen)] = np.isin(chosen, answers)
    return Candidates(scores, right, metrics.answers(test.truth))


def _best(parts: FloatArray, seen: IntArray, width: int) -> IntArray:
    """The items that stand among the `width` best unseen ones of any model, in order of index."""
    ranked = [top_k(exclude(scores, seen), width)[0] for scores in parts]
    chosen: IntArray = np.unique(np.concatenate(ranked))
    return chosen


def measure(found: Candidates, weights: DoubleArray, k: int) -> float:
    """Mean of Recall@k and NDCG@k."""
    total = np.zeros(found.right.shape, dtype=np.float32)
    for place in np.flatnonzero(weights):
        total += np.float32(weights[place]) * found.scores[place]
    depth = min(k, found.right.shape[-1])
    top = np.argpartition(-total, depth - 1, axis=1)[:, :depth]
    order = np.argsort(-np.take_along_axis(total, top, axis=1), axis=1, kind="stable")
    hits = np.take_along_axis(found.right, np.take_along_axis(top, order, axis=1), axis=1)
    values = metrics.recall(hits, found.answers, k), metrics.ndcg(hits, found.answers, k)
    return float(np.mean([np.nanmean(each) for each in values]))


def _ascend(
    reached_by: Callable[[DoubleArray], float], start: DoubleArray, fixed: int
) -> tuple[DoubleArray, float]:
    weights, reached = start.copy(), reached_by(start)
    for _ in range(ROUNDS):
        before = weights.copy()
        for place in range(len(weights)):
            for weight in GRID:
                tried = weights.copy()
                tried[place] = weight
                if place != fixed and (score := reached_by(tried)) > reached + 1e-6:
                    reached, weights = score, tried
        if (weights == before).all():
            break
    return weights, reached
