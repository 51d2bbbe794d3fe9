"""Learn the weights of the blend on validation windows: coordinate search with a floor under coverage."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from training.evaluation.ranking import Ranker, TestSet
from training.models.core.types import DoubleArray, FloatArray
from training.tuning.coordinate_search import Weights, ascend
from training.tuning.score_table import ScoredWindow

logger = logging.getLogger(__name__)

GRID = (0.0, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0, 1.4, 1.8)
"""Weights tried for each model, against 1 for the best single one."""

RESTARTS = 4
"""Ascents from weights drawn by the seed, besides those from the shipped, the best single, all alike."""

Fold = tuple[Mapping[str, Ranker], TestSet]
"""Models by name, and the users of the part that came after what they were fitted on."""


@dataclass(frozen=True)
class Learned:
    """The weights that were found, and the way there."""

    weights: Mapping[str, float]
    """Only those above zero; the key NEW_ITEMS of models.blend may be among them."""
    ndcg: float
    """Mean over the windows."""
    coverage: Sequence[float]
    """Of each window, as are the floors."""
    floors: Sequence[float]
    """What each window's coverage was not allowed to fall below: the best single model's, and a margin."""
    best_single: str
    single_ndcg: Mapping[str, float]
    ends: Sequence[tuple[float, float, Mapping[str, float]]]
    """Where each ascent ended: NDCG, the least share of coverage to its floor, weights."""


@dataclass(frozen=True)
class Measured:
    """Weights by what they reach over all windows."""

    ndcg: float
    coverage: tuple[float, ...]
    score: float
    """NDCG less what the worst window's coverage lacks to its floor."""


def learn_weights(
    folds: Sequence[Fold], k: int, seed: int, margin: float, shipped: Mapping[str, float]
) -> Learned:
    """Find the weights with the best NDCG@k over all users, at no less coverage than the best single model.

    In every window a blend's coverage must reach `margin` times that of the best single model, which stays,
    alone, where no such blend is better. That is the best one for users with a history: popularity may lead
    over all users where many are new, and its coverage would be no floor at all. Windows count alike.

    Args:
        folds: for each validation window, the models fitted on what came before it, and its users. The more
            windows, the less the weights follow the chance of one.
        k: length of the lists.
        seed: draws the users when there are many, and where ascents begin.
        margin: what just touches the best single model's coverage falls below it on half of other users.
        shipped: weights from which the first ascent begins.
    """
    windows = [ScoredWindow(models, test, k, seed) for models, test in folds]
    models, names = sorted(folds[0][0]), sorted(windows[0].parts)
    single = {name: [window.measure(window.parts[name]) for window in windows] for name in models}
    ndcg = {name: mean_of_windows([gains for gains, _ in found]) for name, found in single.items()}
    best = max(
        models, key=lambda name: mean_of_windows(_of_warm(windows, [gains for gains, _ in single[name]]))
    )
    logger.info("Best single model for users with a history: %s, NDCG@%d %.4f.", best, k, ndcg[best])
    floors = [min(coverage * margin, 1.0) for _, coverage in single[best]]
    ends = [
        _ascend(windows, start, order, floors)
        for start, order in _starts(names, best, shipped, np.random.default_rng(seed))
    ]
    reached = [end for end in ends if _share(end[1], floors) >= 1.0]
    alone = _measure(windows, [window.parts[best] for window in windows], floors)
    weights, found = max([*reached, ({best: 1.0}, alone)], key=lambda end: end[1].ndcg)
    return Learned(
        weights={name: weight for name, weight in weights.items() if weight},
        ndcg=found.ndcg,
        coverage=found.coverage,
        floors=floors,
        best_single=best,
        single_ndcg=ndcg,
        ends=[(end.ndcg, _share(end, floors), weights) for weights, end in ends],
    )


def _starts(
    names: Sequence[str], best: str, shipped: Mapping[str, float], generator: np.random.Generator
) -> list[tuple[Weights, list[str]]]:
    """Weights to begin with, and the models in the order in which their weights are tried."""
    others = [name for name in names if name != best]
    before = {name: shipped.get(name, 0.0) for name in names} | {best: 1.0}
    alone, alike = dict.fromkeys(names, 0.0) | {best: 1.0}, dict.fromkeys(names, 1.0)
    starts = [(before, others), (alone, others), (alike, others)]
    for _ in range(RESTARTS):
        drawn = dict(zip(names, generator.choice(GRID, len(names)).tolist(), strict=True))
        starts.append((drawn | {best: 1.0}, [others[place] for place in generator.permutation(len(others))]))
    return starts


def _ascend(
    windows: Sequence[ScoredWindow], start: Weights, order: Sequence[str], floors: Sequence[float]
) -> tuple[Weights, Measured]:
    """The weights that coordinate ascent comes to, and what they reach.

    On the way coverage may fall below the floor at a price, so that another model's weight can win it back:
    a wall would stop the ascent at the first weights that touch it.
    """

    def along(weights: Weights, name: str) -> Callable[[float], Measured]:
        rest = [window.weighted(weights | {name: 0.0}) for window in windows]

        def measured(weight: float) -> Measured:
            totals = [
                part + np.float32(weight) * window.parts[name]
                for part, window in zip(rest, windows, strict=True)
            ]
            return _measure(windows, totals, floors)

        return measured

    reached = _measure(windows, [window.weighted(start) for window in windows], floors)
    return ascend(start, reached, order, GRID, along, score=lambda found: found.score)


def _measure(
    windows: Sequence[ScoredWindow], totals: Sequence[FloatArray], floors: Sequence[float]
) -> Measured:
    found = [window.measure(total) for window, total in zip(windows, totals, strict=True)]
    ndcg = mean_of_windows([gains for gains, _ in found])
    lacking = max(floor - coverage for (_, coverage), floor in zip(found, floors, strict=True))
    return Measured(ndcg, tuple(coverage for _, coverage in found), ndcg - max(0.0, lacking))


def _share(found: Measured, floors: Sequence[float]) -> float:
    return min(
        coverage / floor if floor else 1.0 for coverage, floor in zip(found.coverage, floors, strict=True)
    )


def mean_of_windows(gains: Sequence[DoubleArray]) -> float:
    """The mean of the windows' means over their users (float64[u] each; a NaN is left out)."""
    return float(np.mean([np.nanmean(part) for part in gains]))


def _of_warm(windows: Sequence[ScoredWindow], gains: Sequence[DoubleArray]) -> list[DoubleArray]:
    """Only the users with a history, in windows that have any."""
    return [
        part[window.warm] if window.warm.any() else part for window, part in zip(windows, gains, strict=True)
    ]
