"""Many models' scores of the items that may come into a user's list, small enough to weigh them often."""

from collections.abc import Mapping, Sequence

import numpy as np

from training.evaluation import metrics
from training.evaluation.ranking import ACCURACY, SCORE_BYTES, Ranker, TestSet
from training.models.blend import CONTENT_MODEL, NEW_ITEMS, normalise
from training.models.core.types import BoolArray, Csr, DoubleArray, FloatArray, IntArray

DEPTH = 5
"""Candidates of each model for each user, as a multiple of the list's length."""


class CandidateScores:
    """The test users of one validation part: each model's normalised scores of each user's candidates.

    An item that no model has among its best is no candidate: no weighted sum would put it on top. Scores of
    the content model on new items stand there a second time, as NEW_ITEMS, to be weighed by themselves.
    """

    def __init__(self, models: Mapping[str, Ranker], test: TestSet, k: int) -> None:
        """Score the users, so many at a time that all models' scores of them fit into SCORE_BYTES.

        `by_model` then holds model → float32[u, c] of the candidates `items`, int32[u, c].
        """
        n_users, self._n_items = test.histories.shape
        # Two more than the models: NEW_ITEMS, and what is copied on the way.
        batch = max(1, SCORE_BYTES // (4 * self._n_items * (len(models) + 2)))
        parts = [
            _score(
                models, test.histories[start : start + batch], test.new_items, min(DEPTH * k, self._n_items)
            )
            for start in range(0, n_users, batch)
        ]
        self.items: IntArray = np.concatenate([items for items, _, _ in parts])
        self.closed: BoolArray = np.concatenate([closed for _, closed, _ in parts])
        """bool[u, c]: seen items and repeated candidates, which are in no list."""
        self.by_model: dict[str, FloatArray] = {
            name: np.concatenate([scores[name] for _, _, scores in parts]) for name in parts[0][2]
        }
        self.warm: BoolArray = np.diff(test.histories.indptr) > 0
        self._right = metrics.find_hits(self.items, test.truth)
        self._right_answers = metrics.right_answers(test.truth)
        self._k = k

    def weighted(self, weights: Mapping[str, float]) -> FloatArray:
        """The weighted sum of the models' scores of the candidates, float32[u, c]."""
        total: FloatArray = np.zeros(self.items.shape, dtype=np.float32)
        for name, weight in weights.items():
            if weight:
                total += np.float32(weight) * self.by_model[name]
        return total

    def evaluate(
        self, scores: FloatArray, accuracy: Sequence[str], coverage: bool = True
    ) -> tuple[DoubleArray, float]:
        """Rank each user's candidates by `scores` (float32[u, c]) and evaluate the lists.

        Args:
            scores: of the candidates.
            accuracy: names of metrics (keys of `ranking.ACCURACY`) that are averaged.
            coverage: whether coverage is wanted; it is 1 where it is not.

        Returns:
            The accuracy at k of each user, float64[u] (NaN without a right answer), and coverage@k.
        """
        # Zero is "no opinion": like a seen item, it is in no list.
        allowed = np.where(self.closed | (scores == 0.0), -np.inf, scores)
        depth = min(self._k, scores.shape[1])
        top = np.argpartition(-allowed, depth - 1, axis=1)[:, :depth]
        # Partition first: only k of a user's candidates are sorted.
        order = np.argsort(-np.take_along_axis(allowed, top, axis=1), axis=1, kind="stable")
        best = np.take_along_axis(top, order, axis=1)
        listed = np.isfinite(np.take_along_axis(allowed, best, axis=1))
        hits = np.take_along_axis(self._right, best, axis=1) & listed
        values = [ACCURACY[name](hits, self._right_answers, self._k) for name in accuracy]
        per_user: DoubleArray = np.mean(values, axis=0)
        if not coverage:
            return per_user, 1.0
        lists = np.where(listed, np.take_along_axis(self.items, best, axis=1), -1)
        return per_user, metrics.coverage(metrics.exposure(lists, self._n_items, self._k))


def _score(
    models: Mapping[str, Ranker], histories: Csr, new_items: BoolArray, depth: int
) -> tuple[IntArray, BoolArray, dict[str, FloatArray]]:
    """Candidates of some users, which of them are closed, and the models' scores of them."""
    scores = {name: normalise(model.score_batch(histories)) for name, model in models.items()}
    if CONTENT_MODEL in scores:
        scores[NEW_ITEMS] = scores[CONTENT_MODEL] * new_items
    seen = np.zeros(histories.shape, dtype=bool)
    seen[np.repeat(np.arange(histories.shape[0]), np.diff(histories.indptr)), histories.indices] = True
    # Sorted by item: repeats stand side by side.
    items = np.sort(np.hstack([_best(part, seen, depth) for part in scores.values()]), axis=1)
    closed = np.take_along_axis(seen, items, axis=1)
    # Candidates of several models: all but the first of each are closed.
    closed[:, 1:] |= items[:, 1:] == items[:, :-1]
    return items, closed, {name: np.take_along_axis(part, items, axis=1) for name, part in scores.items()}


def _best(scores: FloatArray, seen: BoolArray, depth: int) -> IntArray:
    """The `depth` best unseen items of each user, int32[u, depth], in no order."""
    if depth >= scores.shape[1]:
        return np.repeat(np.arange(scores.shape[1], dtype=np.int32)[None, :], len(scores), axis=0)
    allowed = np.where(seen, -np.inf, scores)
    return np.argpartition(-allowed, depth, axis=1)[:, :depth].astype(np.int32)
