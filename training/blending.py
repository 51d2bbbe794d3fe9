"""Learn the weights of the blend on the validation part: coordinate search with a floor under coverage."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from training import metrics
from training.evaluate import SCORE_BYTES, Ranker, TestSet
from training.models.blend import normalise
from training.models.types import Csr, FloatArray, IntArray

logger = logging.getLogger(__name__)

GRID = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.55, 0.7, 1.0, 1.5)
"""Weights tried for each model, against 1 for the best single one."""

ROUNDS = 5
"""Passes over the models; the search ends earlier when a pass changes nothing."""

FLOOR_MARGIN = 1.03
"""Of the floor under coverage: what just touches it on one set of users falls below it on half of others."""

MAX_USERS = 4000
"""Users that the weights are learned from, drawn by the seed when there are more."""


Fold = tuple[Mapping[str, Ranker], TestSet]
"""Models by name, and the users of the part that came after what they were fitted on."""


@dataclass(frozen=True)
class Learned:
    """The weights that were found, and the way there."""

    weights: Mapping[str, float]
    """Only those above zero."""
    ndcg: float
    coverage: float
    best_single: str
    single_ndcg: Mapping[str, float]
    floor: float
    """Coverage that the blend was not allowed to fall below: that of the best single model and a margin."""
    history: Sequence[float] = field(default_factory=list)
    """NDCG after each improvement."""


def learn_weights(folds: Sequence[Fold], k: int, seed: int) -> Learned:
    """Find the weights with the best NDCG@k over all users, at no less coverage than the best single model.

    The best single model is the best one for users with a history: popularity may lead over all users
    where many are new, and its coverage would be no floor at all.

    Args:
        folds: for each validation part, the models fitted on what came before it, and its users. The more
            parts, the less the weights follow the chance of one.
        k: length of the lists.
        seed: draws the users when there are many.
    """
    tests = [_sample(test, len(models) * len(folds), seed) for models, test in folds]
    parts = {
        name: np.vstack(
            [
                normalise(models[name].score_batch(test.histories))
                for (models, _), test in zip(folds, tests, strict=True)
            ]
        )
        for name in folds[0][0]
    }
    test = _stack(tests)
    single = {name: _measure(scores, test, k) for name, scores in parts.items()}
    best = max(single, key=lambda name: _measure(parts[name], test, k, warm_only=True)[0])
    logger.info("Best single model for users with a history: %s, NDCG@%d %.4f.", best, k, single[best][0])
    floor = min(single[best][1] * FLOOR_MARGIN, 1.0)
    weights, history = _search(parts, best, lambda total: _measure(total, test, k), floor)
    total = _weighted(parts, weights)
    ndcg, coverage = _measure(total, test, k)
    return Learned(
        weights={name: weight for name, weight in weights.items() if weight},
        ndcg=ndcg,
        coverage=coverage,
        best_single=best,
        single_ndcg={name: value for name, (value, _) in single.items()},
        floor=floor,
        history=history,
    )


def _search(
    parts: Mapping[str, FloatArray],
    best: str,
    measure: Callable[[FloatArray], tuple[float, float]],
    floor: float,
) -> tuple[dict[str, float], list[float]]:
    """Coordinate ascent from the best single model, and from all models alike; the better end counts.

    On the way coverage may fall below the floor at a price, so that another model's weight can win it back:
    a wall would stop the ascent at the first weights that touch it.
    """
    single = dict.fromkeys(parts, 0.0) | {best: 1.0}
    ends = [_ascend(parts, start, best, measure, floor) for start in (single, dict.fromkeys(parts, 1.0))]
    reached = [end for end in ends if end[2] >= floor]
    if not reached:
        return single, [measure(parts[best])[0]]
    weights, history, _ = max(reached, key=lambda end: end[1][-1])
    return weights, history


def _ascend(
    parts: Mapping[str, FloatArray],
    start: Mapping[str, float],
    fixed: str,
    measure: Callable[[FloatArray], tuple[float, float]],
    floor: float,
) -> tuple[dict[str, float], list[float], float]:
    """Weights, NDCG after each improvement, and coverage."""
    weights = dict(start)
    ndcg, coverage = measure(_weighted(parts, weights))
    reached, history = ndcg - max(0.0, floor - coverage), [ndcg]
    for _ in range(ROUNDS):
        before = dict(weights)
        for name in sorted(parts.keys() - {fixed}):
            rest = _weighted(parts, weights | {name: 0.0})
            for weight in GRID:
                found, covered = measure(rest + np.float32(weight) * parts[name])
                score = found - max(0.0, floor - covered)
                if score > reached + 1e-6:
                    reached, weights[name], coverage = score, weight, covered
                    history.append(found)
        if weights == before:
            break
    return weights, history, coverage


def _weighted(parts: Mapping[str, FloatArray], weights: Mapping[str, float]) -> FloatArray:
    total: FloatArray = np.zeros_like(next(iter(parts.values())))
    for name, weight in weights.items():
        if weight:
            total += np.float32(weight) * parts[name]
    return total


def _measure(scores: FloatArray, test: TestSet, k: int, warm_only: bool = False) -> tuple[float, float]:
    """NDCG@k over all users, or those with a history if there are any; and coverage@k over all."""
    lists = _rank(scores, test.histories, k)
    hits = metrics.find_hits(lists, test.truth)
    gains = metrics.ndcg(hits, metrics.answers(test.truth), k)
    warm = test.user_slices()["warm_users"]
    ndcg = float(np.nanmean(gains[warm] if warm_only and warm.any() else gains))
    return ndcg, metrics.coverage(metrics.exposure(lists, len(test.item_users), k))


def _rank(scores: FloatArray, histories: Csr, k: int) -> IntArray:
    """`evaluate.rank` of prepared scores, all users at once; ties may fall otherwise."""
    open_scores = np.where(scores == 0.0, -np.inf, scores)
    open_scores[np.repeat(np.arange(len(scores)), np.diff(histories.indptr)), histories.indices] = -np.inf
    depth = min(k, scores.shape[1] - 1)
    top = np.argpartition(-open_scores, depth, axis=1)[:, :depth]
    found = np.take_along_axis(open_scores, top, axis=1)
    order = np.argsort(-found, axis=1, kind="stable")
    lists = np.where(np.isinf(found), -1, top)
    return np.take_along_axis(lists, order, axis=1).astype(np.int32)


def _sample(test: TestSet, models: int, seed: int) -> TestSet:
    """So few users that all models' scores of them fit into four times SCORE_BYTES."""
    n_users, n_items = test.histories.shape
    limit = min(MAX_USERS, max(100, 4 * SCORE_BYTES // (4 * n_items * models)))
    if n_users <= limit:
        return test
    chosen = np.sort(np.random.default_rng(seed).permutation(n_users)[:limit])
    return TestSet(
        test.histories[chosen], test.truth[chosen], test.item_users, test.n_train_users, test.vectors
    )


def _stack(tests: Sequence[TestSet]) -> TestSet:
    """The users of several parts as one; what belongs to the items is the first part's."""
    return TestSet(
        sparse.vstack([test.histories for test in tests], format="csr"),
        sparse.vstack([test.truth for test in tests], format="csr"),
        tests[0].item_users,
        tests[0].n_train_users,
        None,
    )
