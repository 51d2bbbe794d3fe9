"""Learn the weights of a blend on validation parts: coordinate search, above a floor of coverage if asked."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from training.evaluation.intervals import CONFIDENCE, Difference, bonferroni, compare
from training.evaluation.ranking import Ranker, TestSet
from training.models.core.types import DoubleArray, FloatArray
from training.tuning.candidate_scores import CandidateScores
from training.tuning.coordinate_search import Weights, coordinate_search

logger = logging.getLogger(__name__)

GRID = (0.0, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0, 1.4, 1.8)
"""Weights tried for each model, against 1 for the best single one."""

RESTARTS = 4
"""Searches from weights drawn by the seed, besides those from the shipped, the best single, all alike; fewer
for few models, whose weights the others find."""

SAMPLES = 1000
"""Resamples of the users for the verdict on the learned weights."""

Fold = tuple[Mapping[str, Ranker], TestSet]
"""Models by name, and the users of the part that came after what they were fitted on."""


@dataclass(frozen=True)
class Objective:
    """What the weights are to reach."""

    k: int
    """Length of the lists."""
    accuracy: tuple[str, ...] = ("ndcg",)
    """Metrics at k, keys of `training.evaluation.ranking.ACCURACY`, whose mean is maximised."""
    coverage_margin: float | None = None
    """In every fold coverage must be at least so many times the best single model's; None: it may be any.
    What just touches the best single model's coverage falls below it on half of other users."""


@dataclass(frozen=True)
class WeightsEvaluation:
    """Weights by what they reach over all folds."""

    weights: Mapping[str, float]
    accuracy: float
    """Mean of the folds' means over their users."""
    coverage: tuple[float, ...]
    """Of each fold."""
    floor_ratio: float
    """Coverage over its floor in the fold where that is the least: 1 or more is allowed."""


@dataclass(frozen=True)
class LearnedWeights:
    """The weights that were found, and the way there."""

    weights: Mapping[str, float]
    """Only those above zero; the key NEW_ITEMS of models.blend may be among them."""
    accuracy: float
    coverage: Sequence[float]
    """Of each fold, as are the floors."""
    floors: Sequence[float]
    best_single: str
    single_accuracy: Mapping[str, float]
    searches: Sequence[WeightsEvaluation]
    """Where each search ended."""
    verdict: Difference | None = None
    """The learned less the shipped weights over all folds' users, with an interval widened for the number of
    searches; the folds are those that the weights were learned on. None without shipped ones."""
    shipped_allowed: bool = True
    """Whether the shipped weights reach the floors of coverage."""

    @property
    def preferred(self) -> bool:
        """Whether they should take the place of the shipped weights.

        They must be shown to be better; where the shipped ones cover too little, not shown to be worse.
        """
        if self.verdict is None:
            return True
        return self.verdict.verdict == "better" or (
            not self.shipped_allowed and self.verdict.verdict != "worse"
        )


def learn_weights(
    folds: Sequence[Fold], objective: Objective, seed: int, shipped: Mapping[str, float] | None = None
) -> LearnedWeights:
    """Find the weights with the best accuracy over all users, at no less coverage than the objective asks.

    The best single model stays, alone, where no blend is better. That is the best one for users with a
    history: popularity may lead over all users where many are new, and its coverage would be no floor at
    all. Folds count alike.

    Args:
        folds: for each validation part, the models fitted on what came before it, and its users. The more
            folds, the less the weights follow the chance of one.
        objective: what is maximised, and under which condition.
        seed: draws where searches begin.
        shipped: weights from which the first search begins.
    """
    candidates = [CandidateScores(models, test, objective.k) for models, test in folds]
    models, names = sorted(folds[0][0]), sorted(candidates[0].by_model)
    problem = _Problem(candidates, objective, [0.0] * len(folds))
    single = {name: [found for found, _ in problem.evaluate({name: 1.0})] for name in models}
    accuracy = {name: mean_of_folds(values) for name, values in single.items()}
    # Its weight is fixed at 1: a sum's order does not change when all weights are multiplied.
    best = max(models, key=lambda name: mean_of_folds(problem.of_warm(single[name])))
    logger.info(
        "Best single model for users with a history: %s, %.4f at %d.", best, accuracy[best], objective.k
    )
    problem = problem.with_floors_of({best: 1.0})
    generator = np.random.default_rng(seed)
    searches = [
        problem.outcome(coordinate_search(start, order, GRID, problem.along))
        for start, order in _starts(names, best, shipped or {}, generator)
    ]
    allowed = [found for found in searches if found.floor_ratio >= 1.0]
    found = max([*allowed, problem.outcome({best: 1.0})], key=lambda each: each.accuracy)
    verdict, shipped_allowed = None, True
    if shipped and any(shipped.get(name) for name in names):
        before = {name: shipped.get(name, 0.0) for name in names}
        # The best of several searches looks better by chance: the interval is widened for their number.
        confidence = bonferroni(CONFIDENCE, len(searches))
        mine, theirs = (
            np.concatenate([part for part, _ in problem.evaluate(each)]) for each in (found.weights, before)
        )
        verdict = compare(mine, theirs, SAMPLES, seed, confidence)
        shipped_allowed = problem.outcome(before).floor_ratio >= 1.0
    return LearnedWeights(
        weights={name: weight for name, weight in found.weights.items() if weight},
        accuracy=found.accuracy,
        coverage=found.coverage,
        floors=problem.floors,
        best_single=best,
        single_accuracy=accuracy,
        searches=searches,
        verdict=verdict,
        shipped_allowed=shipped_allowed,
    )


def _starts(
    names: Sequence[str], best: str, shipped: Mapping[str, float], generator: np.random.Generator
) -> list[tuple[Weights, list[str]]]:
    """Weights to begin with, and the models in the order in which their weights are tried."""
    others = [name for name in names if name != best]
    alone, alike = dict.fromkeys(names, 0.0) | {best: 1.0}, dict.fromkeys(names, 1.0)
    starts = [(alone, others), (alike, others)]
    if shipped:
        starts.insert(0, ({name: shipped.get(name, 0.0) for name in names} | {best: 1.0}, others))
    for _ in range(min(RESTARTS, max(len(others) - 2, 0))):
        # From the grid, so that a search can come back to where it began.
        drawn = dict(zip(names, generator.choice(GRID, len(names)).tolist(), strict=True))
        starts.append((drawn | {best: 1.0}, [others[place] for place in generator.permutation(len(others))]))
    return starts


@dataclass(frozen=True)
class _Problem:
    """The folds, and what is asked of weights on them."""

    candidates: Sequence[CandidateScores]
    objective: Objective
    floors: Sequence[float]

    def with_floors_of(self, weights: Mapping[str, float]) -> "_Problem":
        """The same problem, in which each fold's coverage has the floor that these weights set."""
        margin = self.objective.coverage_margin
        if margin is None:
            return self
        floors = [min(coverage * margin, 1.0) for _, coverage in self.evaluate(weights)]
        return _Problem(self.candidates, self.objective, floors)

    def evaluate(self, weights: Mapping[str, float]) -> list[tuple[DoubleArray, float]]:
        """Accuracy of each user, float64[u], and coverage, of each fold."""
        return self._evaluate([part.weighted(weights) for part in self.candidates])

    def outcome(self, weights: Mapping[str, float]) -> WeightsEvaluation:
        found = self.evaluate(weights)
        coverage = tuple(coverage for _, coverage in found)
        ratios = [part / floor for part, floor in zip(coverage, self.floors, strict=True) if floor]
        return WeightsEvaluation(
            weights, mean_of_folds([each for each, _ in found]), coverage, min(ratios, default=1.0)
        )

    def along(self, weights: Weights, name: str) -> Callable[[float], float]:
        """Scores weights that differ in one name: the sum of all others is made one time."""
        rest = [part.weighted(weights | {name: 0.0}) for part in self.candidates]

        def score(weight: float) -> float:
            totals = [
                others + np.float32(weight) * part.by_model[name]
                for others, part in zip(rest, self.candidates, strict=True)
            ]
            return self._score(totals)

        return score

    def of_warm(self, values: Sequence[DoubleArray]) -> list[DoubleArray]:
        """Only the users with a history, in folds that have any."""
        return [
            each[part.warm] if part.warm.any() else each
            for each, part in zip(values, self.candidates, strict=True)
        ]

    def _score(self, totals: Sequence[FloatArray]) -> float:
        """Accuracy less what the worst fold's coverage lacks to its floor.

        On the way coverage may fall below the floor at a price, so that another model's weight can win it
        back: a hard limit would stop the search at the first weights that touch it.
        """
        found = self._evaluate(totals)
        # One for one: a share of coverage lost costs as much accuracy.
        lacking = max(floor - coverage for (_, coverage), floor in zip(found, self.floors, strict=True))
        return mean_of_folds([each for each, _ in found]) - max(0.0, lacking)

    def _evaluate(self, totals: Sequence[FloatArray]) -> list[tuple[DoubleArray, float]]:
        covered = self.objective.coverage_margin is not None
        return [
            part.evaluate(total, self.objective.accuracy, covered)
            for part, total in zip(self.candidates, totals, strict=True)
        ]


def mean_of_folds(values: Sequence[DoubleArray]) -> float:
    """The mean of the folds' means over their users (float64[u] each; a NaN is left out)."""
    return float(np.mean([np.nanmean(part) for part in values]))
