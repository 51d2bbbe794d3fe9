"""One model on two files: tuned on a part of the first, fitted on all of it, measured on the second."""

import logging
import resource
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.blending import learn_weights
from training.evaluate import Ranker, TestSet, accuracy, rank
from training.intervals import estimate_means
from training.models.base import Config
from training.models.blend import Blend
from training.models.registry import ALGORITHMS, fit_model
from training.params import Params
from training.search import Budget, progress, search
from training.train_test import Problem, cut_validation, some_users

logger = logging.getLogger(__name__)

BLEND = "blend"
NEEDS_TEXT = frozenset({"tfidf", "embeddings"})
MODELS = (*(name for name in ALGORITHMS if name not in NEEDS_TEXT), BLEND)


@dataclass(frozen=True)
class Fitted:
    """A ranker, what it was made of and how long that took."""

    ranker: Ranker
    values: Mapping[str, Any]
    fit_seconds: float
    trials: int
    tuning_seconds: float


class Bench:
    """One model's way from the files to a ranker."""

    def __init__(self, problem: Problem, params: Params, k: int, budget: Budget | None) -> None:
        """Cut the validation part. `budget` None: the values of params.yaml are used as they are."""
        self.problem, self.params, self.k, self.budget = problem, params, k, budget
        self.learned, validation = cut_validation(problem, params.tune.validation_share, params.seed)
        self.validation = some_users(validation, params.tune.max_users, params.seed)

    def fit(self, name: str, changes: Mapping[str, Any]) -> Fitted:
        """Tune when asked, then fit on the whole train file."""
        if name == BLEND:
            return self._fit_blend()
        config, trials, tuning = self._config(name, changes, self.budget)
        started = time.monotonic()
        model = fit_model(name, self.problem.train, config, self.params.seed)
        return Fitted(model, config.model_dump(), time.monotonic() - started, trials, tuning)

    def _config(
        self, name: str, changes: Mapping[str, Any], budget: Budget | None
    ) -> tuple[Config, int, float]:
        config = changed(getattr(self.params, name), changes)
        if budget is None or name not in self.params.tune.spaces:
            return config, 0, 0.0
        started = time.monotonic()
        space = {key: part for key, part in self.params.tune.spaces[name].items() if key not in changes}
        with progress(name, budget) as show:
            found = search(
                lambda values: self._score(name, changed(config, values)),
                space,
                config.model_dump(),
                budget,
                startup=self.params.tune.startup_trials,
                seed=self.params.seed,
                on_trial=show,
            )
        return changed(config, found.best.values), len(found.trials), time.monotonic() - started

    def _score(self, name: str, config: Config) -> float:
        return validate(fit_model(name, self.learned, config, self.params.seed), self.validation, self.k)

    def _fit_blend(self) -> Fitted:
        """Tune each member with its share of the budget, learn the weights, fit the members that weigh."""
        members = self.params.tune.blended
        budget = None
        if self.budget is not None:
            seconds = self.budget.seconds and self.budget.seconds / (len(members) + 1)
            budget = Budget(self.budget.trials, seconds)
        configs: dict[str, Config] = {}
        trials, started = 0, time.monotonic()
        for name in members:
            configs[name], tried, _ = self._config(name, {}, budget)
            trials += tried
        models = {
            name: fit_model(name, self.learned, config, self.params.seed) for name, config in configs.items()
        }
        weights = learn_weights(
            [(models, self.validation)], self.k, self.params.seed, self.params.tune.coverage_margin
        ).weights
        models.clear()
        tuning, started = time.monotonic() - started, time.monotonic()
        fitted = {
            name: fit_model(name, self.problem.train, configs[name], self.params.seed) for name in weights
        }
        values = {"weights": dict(weights)} | {name: configs[name].model_dump() for name in weights}
        return Fitted(
            Blend(fitted, weights, self.validation.new_items),
            values,
            time.monotonic() - started,
            trials,
            tuning,
        )


def validate(ranker: Ranker, test: TestSet, k: int) -> float:
    """Mean of Recall@k and NDCG@k over the test users: what a search maximises."""
    lists = rank(ranker, test.histories, k, test.histories.shape[0])
    found = accuracy(lists, test.truth, [k])
    return float(np.nanmean(found[f"recall@{k}"]) + np.nanmean(found[f"ndcg@{k}"])) / 2.0


def report(fitted: Fitted, problem: Problem, k: int, params: Params) -> dict[str, Any]:
    """Rank all items for every test user and measure: Recall@k and NDCG@k as LightGCN's code does.

    Recall is hits over all of a user's right answers, NDCG has binary gains and the best possible list of
    min(k, right answers), means are over the users with a right answer. Without a history in train a user
    gets what the model says of an unknown one, mostly nothing, and counts all the same.
    """
    test = TestSet.build(problem.train.interactions, problem.truth, None)
    lists = rank(fitted.ranker, test.histories, k, params.evaluation.batch_users)
    found = accuracy(lists, test.truth, [k])
    names = [f"recall@{k}", f"ndcg@{k}"]
    values = np.column_stack([found[name] for name in names])
    estimates = estimate_means(values, params.evaluation.bootstrap_samples, params.seed)
    measured = {
        name: {"value": each.value, "low": each.low, "high": each.high}
        for name, each in zip(names, estimates, strict=True)
    }
    return {
        **measured,
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

    Raises:
        pydantic.ValidationError: a key is unknown or a value out of range.
    """
    return type(config).model_validate(config.model_dump() | dict(values))
