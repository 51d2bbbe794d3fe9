"""One model on two files: tuned on a part of the first, fitted on all of it, evaluated on the second."""

import math
import resource
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from training.errors import TrainingError
from training.evaluation.intervals import estimate_means
from training.evaluation.ranking import Ranker, TestSet, accuracy, rank
from training.models.blend import BLEND, Blend
from training.models.core.base import Config
from training.models.registry import REGISTRY, fit_model
from training.params import Params
from training.params.learning import EvaluationParams
from training.params.spaces import Ladder, Space, up_to
from training.tuning.blend_weights import Objective, learn_weights
from training.tuning.search import SAFETY, Budget, Values, progress, search
from training.tuning.train_test import Problem, cut_validation

SPARED = 0.07
"""Share of the time that is left for what no trial shows: the intervals, a busy machine."""

BLENDING = 1.2
"""Ranking by a blend takes each member so many times what its own lists take."""

MODELS = (*(entry.name for entry in REGISTRY.values() if entry.source == "interactions"), BLEND)
"""What can be fitted on files of user-item pairs, which hold no texts and no types of events."""


@dataclass(frozen=True)
class Fitted:
    """A ranker, what it was made of and how long that took."""

    ranker: Ranker
    values: Mapping[str, Any]
    fit_seconds: float
    trials: int
    tuning_seconds: float


@dataclass(frozen=True)
class Candidate:
    """A config, and its fit on what is left of the train file without the validation part."""

    config: Config
    ranker: Ranker | None = None
    score: float = -math.inf
    fit_seconds: float = 0.0
    rank_seconds: float = 0.0


class NothingHeldOutError(TrainingError):
    """Nobody in the train file has two pairs, of which one could be held out to tune on."""

    def __init__(self) -> None:
        super().__init__("no user in the train file has enough pairs for a validation part")


class FileBenchmark:
    """Tunes one model, or the blend, on a train file, and fits it.

    A budget of time is for all that happens from `begun` to the last evaluated list: each search leaves time
    for the fit on the whole train file and for ranking the test's users, by what its trials took.
    """

    def __init__(
        self, problem: Problem, params: Params, k: int, budget: Budget | None, begun: float | None = None
    ) -> None:
        """Cut the validation part.

        Args:
            problem: the two files.
            params: all of params.yaml.
            k: length of the lists.
            budget: None: the values of params.yaml are used as they are.
            begun: when the budget's time began to run (`time.monotonic`), now unless told.
        """
        self.problem, self.params, self.k, self.budget = problem, params, k, budget
        self.begun = time.monotonic() if begun is None else begun
        self.learned, validation = cut_validation(problem, params.tune.validation_share, params.seed)
        self.validation = validation.sample(params.tune.max_users, params.seed)
        test_users = np.count_nonzero(np.diff(problem.truth.indptr))
        # A fit on the whole file is taken to last so many times as long: linear in the pairs.
        self.more_pairs = float(problem.train.interactions.nnz) / max(self.learned.interactions.nnz, 1)
        self.more_users = float(test_users) / max(self.validation.histories.shape[0], 1)

    def fit(self, name: str, changes: Mapping[str, Any]) -> Fitted:
        """Tune when asked, then fit on the whole train file.

        Raises NothingHeldOutError when something is to be learned on a validation part, and there is none;
        pydantic.ValidationError when a change names no hyperparameter, or a value out of range.
        """
        begun, blending = time.monotonic(), name == BLEND
        if (blending or self.budget is not None) and not self.validation.truth.nnz:
            raise NothingHeldOutError
        members = self.params.tune.blended if blending else {name: 1.0}
        tuned: dict[str, Candidate] = {}
        trials = 0
        for place, member in enumerate(members):
            left = list(members.values())[place:]
            budget = self._budget(tuned, left[0] / sum(left))
            tuned[member], candidate = self._tune(member, changes, budget, blending=blending)
            trials += candidate
        weights = self._weights(tuned) if blending else {name: 1.0}
        configs = {member: tuned[member].config for member in weights}
        tuned.clear()
        tuning = time.monotonic() - begun
        models = {
            member: fit_model(member, self.problem.train, config, self.params.seed)
            for member, config in configs.items()
        }
        values = {member: config.model_dump() for member, config in configs.items()}
        return Fitted(
            ranker=Blend(models, weights) if blending else models[name],
            values={"weights": weights} | values if blending else values[name],
            fit_seconds=time.monotonic() - begun - tuning,
            trials=trials,
            tuning_seconds=tuning if self.budget is not None else 0.0,
        )

    def _budget(self, tuned: Mapping[str, Candidate], share: float) -> Budget | None:
        """The next member's share of what is left of the budget."""
        if self.budget is None or self.budget.seconds is None:
            return self.budget
        still = self.begun + (1.0 - SPARED) * self.budget.seconds - time.monotonic()
        # What the members tuned so far take after their searches is not there to be shared.
        still -= SAFETY * sum(self._following(candidate, 1.0, blending=True) for candidate in tuned.values())
        return Budget(self.budget.trials, max(still * share, 0.0))

    def _following(self, candidate: Candidate, growth: float, *, blending: bool) -> float:
        """Seconds that a model takes after its search: the fit, the test's lists, the blend's weights."""
        lists: float = (self.more_users + 1.0) * BLENDING if blending else self.more_users
        seconds: float = growth * candidate.fit_seconds * self.more_pairs + lists * candidate.rank_seconds
        return seconds

    def _tune(
        self, name: str, changes: Mapping[str, Any], budget: Budget | None, *, blending: bool
    ) -> tuple[Candidate, int]:
        """The best values of the search and the number of trials."""
        config = changed(self.params.model(name), changes)
        if budget is None or name not in self.params.tune.spaces:
            return (self._try(name, config) if blending else Candidate(config)), 0
        best = Candidate(config)
        costs: list[Candidate] = []

        def objective(values: Values) -> float:
            nonlocal best
            candidate = self._try(name, changed(config, values))
            costs.append(replace(candidate, ranker=None))
            if candidate.score > best.score:
                best = candidate if blending else costs[-1]
            return candidate.score

        with progress(name, budget) as show:
            search(
                objective,
                self._space(name, changes),
                config.model_dump(),
                budget,
                startup=self.params.tune.startup_trials,
                seed=self.params.seed,
                on_trial=show,
                starts=self.params.tune.starts.get(name, ()),
                after=lambda trial, growth: self._following(costs[trial.number], growth, blending=blending),
            )
        return best, len(costs)

    def _space(self, name: str, changes: Mapping[str, Any]) -> Space:
        """What is searched: all that is not given, and how strengths are read only if they differ.

        Each ladder counts something that a model has at most as many of as there are items.
        """
        given = set(changes)
        # All strengths equal: linear, log1p and binary give the same model but for a factor.
        if (self.learned.interactions.data == 1.0).all():
            given.add("strength")
        space = self.params.tune.spaces[name] | self.params.tune.bounds.get(name, {})
        return {
            key: up_to(part, self.learned.n_items) if isinstance(part, Ladder) else part
            for key, part in space.items()
            if key not in given
        }

    def _try(self, name: str, config: Config) -> Candidate:
        begun = time.monotonic()
        ranker = fit_model(name, self.learned, config, self.params.seed)
        fitted = time.monotonic()
        score = validate(ranker, self.validation, self.k)
        return Candidate(config, ranker, score, fitted - begun, time.monotonic() - fitted)

    def _weights(self, tuned: Mapping[str, Candidate]) -> dict[str, float]:
        """Of the blend's members, for the best mean of Recall@k and NDCG@k on the validation part."""
        rankers = {name: each.ranker for name, each in tuned.items() if each.ranker is not None}
        objective = Objective(self.k, ("recall", "ndcg"))
        return dict(learn_weights([(rankers, self.validation)], objective, self.params.seed).weights)


def validate(ranker: Ranker, test: TestSet, k: int) -> float:
    """Mean of Recall@k and NDCG@k over the test users: what a search maximises."""
    lists = rank(ranker, test.histories, k, test.histories.shape[0])
    found = accuracy(lists, test.truth, [k])
    return float(np.nanmean(found[f"recall@{k}"]) + np.nanmean(found[f"ndcg@{k}"])) / 2.0


def report(fitted: Fitted, problem: Problem, k: int, params: EvaluationParams, seed: int) -> dict[str, Any]:
    """Rank all items for every test user and evaluate: Recall@k and NDCG@k as LightGCN's code does.

    Recall is hits over all of a user's right answers, NDCG has binary gains and the best possible list of
    min(k, right answers), means are over the users with a right answer. Without a history in train a user
    gets what the model says of an unknown one, mostly nothing, and counts all the same.
    """
    test = TestSet.build(problem.train.interactions, problem.truth, None)
    lists = rank(fitted.ranker, test.histories, k, params.batch_users)
    found = accuracy(lists, test.truth, [k])
    names = [f"recall@{k}", f"ndcg@{k}"]
    values = np.column_stack([found[name] for name in names])
    estimates = estimate_means(values, params.bootstrap_samples, seed)
    intervals = {
        name: {"value": each.value, "low": each.low, "high": each.high}
        for name, each in zip(names, estimates, strict=True)
    }
    return {
        **intervals,
        "users": test.histories.shape[0],
        "users_without_train_items": int(test.user_slices()["cold_users"].sum()),
        "items": problem.train.n_items,
        "train_pairs": problem.train.interactions.nnz,
        "test_pairs": problem.truth.nnz,
        "test_pairs_already_in_train": problem.repeated,
        "fit_seconds": round(fitted.fit_seconds, 3),
        "tuning_seconds": round(fitted.tuning_seconds, 3),
        "trials": fitted.trials,
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "values": fitted.values,
    }


def changed(config: Config, values: Mapping[str, Any]) -> Config:
    """The config with other values, checked like those of params.yaml.

    Raises pydantic.ValidationError when a key is unknown or a value out of range.
    """
    return type(config).model_validate(config.model_dump() | dict(values))
