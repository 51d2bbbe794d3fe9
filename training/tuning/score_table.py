"""What many models make of a window's users, as arrays small enough to weigh them thousands of times."""

from collections.abc import Mapping

import numpy as np

from training.evaluation import metrics
from training.evaluation.ranking import SCORE_BYTES, Ranker, TestSet
from training.models.blend import NEW_ITEMS, WORDS, normalise
from training.models.core.types import BoolArray, DoubleArray, FloatArray, IntArray

POOL = 5
"""Candidates of each model for each user, as a multiple of the list's length."""

MAX_USERS = 4000
"""Users of a window that the weights are learned from, drawn by the seed when there are more."""


class ScoredWindow:
    """One validation window as arrays: each model's normalised scores of each user's candidates.

    What TF-IDF says of new items stands there once more as NEW_ITEMS, to be weighed by itself.

    An item that no model has among its best is no candidate: no weighted sum would put it on top.
    """

    def __init__(self, models: Mapping[str, Ranker], test: TestSet, k: int, seed: int) -> None:
        """Score the users, at most so many that all models' scores fit into four times SCORE_BYTES."""
        n_items = test.histories.shape[1]
        limit = min(MAX_USERS, max(100, 4 * SCORE_BYTES // (4 * n_items * len(models))))
        self.test, self.k = test.sample(limit, seed), k
        histories = self.test.histories
        self.warm: BoolArray = np.diff(histories.indptr) > 0
        self._answers = metrics.answers(self.test.truth)
        scores = {name: normalise(model.score_batch(histories)) for name, model in models.items()}
        if WORDS in scores:
            scores[NEW_ITEMS] = scores[WORDS] * test.new_items
        seen = np.zeros(histories.shape, dtype=bool)
        seen[np.repeat(np.arange(histories.shape[0]), np.diff(histories.indptr)), histories.indices] = True
        depth = min(POOL * k, n_items)
        self.items: IntArray = np.sort(
            np.hstack([_candidates(part, seen, depth) for part in scores.values()]), axis=1
        )
        repeated = np.zeros(self.items.shape, dtype=bool)
        repeated[:, 1:] = self.items[:, 1:] == self.items[:, :-1]
        self.closed: BoolArray = repeated | np.take_along_axis(seen, self.items, axis=1)
        self.parts = {name: np.take_along_axis(part, self.items, axis=1) for name, part in scores.items()}

    def weighted(self, weights: Mapping[str, float]) -> FloatArray:
        """Scores of the candidates, float32[u, c]."""
        total: FloatArray = np.zeros(self.items.shape, dtype=np.float32)
        for name, weight in weights.items():
            if weight:
                total += np.float32(weight) * self.parts[name]
        return total

    def measure(self, scores: FloatArray) -> tuple[DoubleArray, float]:
        """NDCG@k of each user, float64[u], and coverage@k."""
        lists = self._rank(scores)
        gains = metrics.ndcg(metrics.find_hits(lists, self.test.truth), self._answers, self.k)
        return gains, metrics.coverage(metrics.exposure(lists, len(self.test.item_users), self.k))

    def _rank(self, scores: FloatArray) -> IntArray:
        """`evaluate.rank` over the candidates; ties may fall otherwise."""
        open_scores = np.where(self.closed | (scores == 0.0), -np.inf, scores)
        depth = min(self.k, scores.shape[1] - 1)
        top = np.argpartition(-open_scores, depth, axis=1)[:, :depth]
        found = np.take_along_axis(open_scores, top, axis=1)
        order = np.argsort(-found, axis=1, kind="stable")
        lists = np.where(np.isinf(found), -1, np.take_along_axis(self.items, top, axis=1))
        return np.take_along_axis(lists, order, axis=1).astype(np.int32)


def _candidates(scores: FloatArray, seen: BoolArray, depth: int) -> IntArray:
    open_scores = np.where(seen, -np.inf, scores)
    if depth >= scores.shape[1]:
        return np.repeat(np.arange(scores.shape[1], dtype=np.int32)[None, :], len(scores), axis=0)
    return np.argpartition(-open_scores, depth, axis=1)[:, :depth].astype(np.int32)
