"""Fit one model on a train file and measure it on a test file: `python -m training.benchmark`.

What is tuned, is tuned on a validation part that is cut from the train file alone.
"""

import json
import logging
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from pydantic import ValidationError

from training.blending import learn_weights
from training.evaluate import Ranker, TestSet, accuracy, rank
from training.intervals import estimate_means
from training.models.base import Config
from training.models.blend import Blend
from training.models.registry import ALGORITHMS, fit_model
from training.pairs_file import Pairs, PairsFileError, read_pairs
from training.params import Params, load_params
from training.search import Budget, progress, search
from training.train_test import Problem, cut_validation, open_problem, some_users

logger = logging.getLogger(__name__)

BLEND = "blend"
NEEDS_TEXT = frozenset({"tfidf", "embeddings"})
MODELS = (*(name for name in ALGORITHMS if name not in NEEDS_TEXT), BLEND)
NAMED_LINES = 20
"""Bad lines that are named one by one; the others are counted."""


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
            return self._fit_blend(changes)
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

    def _fit_blend(self, changes: Mapping[str, Any]) -> Fitted:
        """Tune each member with its share of the budget, learn the weights, fit the members that weigh."""
        if changes:
            raise click.UsageError("--set is for a single model: the blend's members are tuned or as shipped")
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
        weights = learn_weights([(models, self.validation)], self.k, self.params.seed).weights
        models.clear()
        tuning, started = time.monotonic() - started, time.monotonic()
        fitted = {
            name: fit_model(name, self.problem.train, configs[name], self.params.seed) for name in weights
        }
        values = {"weights": dict(weights)} | {name: configs[name].model_dump() for name in weights}
        return Fitted(Blend(fitted, weights), values, time.monotonic() - started, trials, tuning)


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


def as_table(name: str, found: Mapping[str, Any], k: int) -> str:
    """The report as text: one row a model, then what it was made of."""
    columns = ("model", f"Recall@{k}", f"NDCG@{k}", "users", "fit s", "peak MB")
    recall, ndcg = found[f"recall@{k}"], found[f"ndcg@{k}"]
    cells = (
        name,
        f"{recall['value']:.4f} [{recall['low']:.4f}, {recall['high']:.4f}]",
        f"{ndcg['value']:.4f} [{ndcg['low']:.4f}, {ndcg['high']:.4f}]",
        str(found["users"]),
        f"{found['fit_seconds']:.1f}",
        f"{found['peak_memory_mb']:.0f}",
    )
    widths = [max(len(head), len(cell)) for head, cell in zip(columns, cells, strict=True)]
    rows = [
        "  ".join(part.ljust(width) for part, width in zip(row, widths, strict=True)).rstrip()
        for row in (columns, cells)
    ]
    notes = [
        f"{found['trials']} trials in {found['tuning_seconds']:.0f} s." if found["trials"] else "Not tuned."
    ]
    notes.append(f"Values: {json.dumps(found['values'])}")
    return "\n".join([*rows, *notes])


def changed(config: Config, values: Mapping[str, Any]) -> Config:
    """The config with other values, checked like those of params.yaml.

    Raises:
        pydantic.ValidationError: a key is unknown or a value out of range.
    """
    return type(config).model_validate(config.model_dump() | dict(values))


def _read(path: Path, min_rating: float | None, strict: bool) -> tuple[Pairs, dict[str, int]]:
    pairs = read_pairs(path)
    for bad in pairs.bad[:NAMED_LINES]:
        click.echo(f"{path}, line {bad.number}: {bad.reason}", err=True)
    if len(pairs.bad) > NAMED_LINES:
        click.echo(f"{path}: and {len(pairs.bad) - NAMED_LINES} more bad lines", err=True)
    if strict and pairs.bad:
        raise PairsFileError(path, f"{len(pairs.bad)} bad lines")
    if min_rating is not None and pairs.ratings is not None:
        pairs = pairs.where(pairs.ratings >= min_rating)
        if not len(pairs):
            raise PairsFileError(path, f"no rating is {min_rating} or more")
    return pairs, {"bad_lines": len(pairs.bad), "users_without_items": pairs.empty_users}


def _settings(pairs: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in pairs:
        key, mark, value = pair.partition("=")
        if not mark:
            raise click.BadParameter(f"{pair!r} is not key=value", param_hint="--set")
        found[key] = value
    return found


@click.command()
@click.option(
    "--train", "train_file", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=True
)
@click.option(
    "--test", "test_file", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=True
)
@click.option("--model", "name", type=click.Choice(MODELS), required=True)
@click.option("--tune", is_flag=True, help="Search the model's space on a validation part of the train file.")
@click.option(
    "--trials", type=click.IntRange(min=1), help="Trials of the search (of each member, for blend)."
)
@click.option(
    "--minutes", type=click.FloatRange(min=0, min_open=True), help="Time of the search and the last fit."
)
@click.option(
    "--set", "changes", multiple=True, metavar="KEY=VALUE", help="A value other than params.yaml's."
)
@click.option("--k", type=click.IntRange(min=1), default=20, show_default=True)
@click.option("--min-rating", type=float, help="Rows rated below say nothing. Without it every row counts.")
@click.option("--strict", is_flag=True, help="Refuse a file with bad lines rather than leave them out.")
@click.option("--seed", type=int, help="Other than params.yaml's.")
@click.option(
    "--json", "output", type=click.Path(path_type=Path, dir_okay=False), help="Where the JSON goes."
)
def main(
    *,
    train_file: Path,
    test_file: Path,
    name: str,
    tune: bool,
    trials: int | None,
    minutes: float | None,
    changes: tuple[str, ...],
    k: int,
    min_rating: float | None,
    strict: bool,
    seed: int | None,
    output: Path | None,
) -> None:
    """Fit a model on a train file, rank all items for the test file's users, print how good the lists are.

    Files hold LightGCN's lines (a user, then that user's items) or rows user,item[,rating[,time]]. Bad
    lines are named on stderr, left out and counted. The JSON follows the table, or goes to a file.
    """
    logging.basicConfig(
        level="INFO", stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    if (trials or minutes) and not tune:
        raise click.UsageError("--trials and --minutes belong to --tune")
    if tune and not (trials or minutes):
        raise click.UsageError("--tune needs --trials or --minutes")
    params = load_params()
    if seed is not None:
        params = params.model_copy(update={"seed": seed})
    try:
        train, train_counts = _read(train_file, min_rating, strict)
        test, test_counts = _read(test_file, min_rating, strict)
        problem = open_problem(train, test)
        if not problem.truth.nnz:
            raise PairsFileError(test_file, "every pair stands in the train file too: nothing to find")
        budget = Budget(trials, minutes * 60.0 if minutes else None) if tune else None
        fitted = Bench(problem, params, k, budget).fit(name, _settings(changes))
    except (PairsFileError, ValidationError) as error:
        raise click.ClickException(str(error)) from error
    found = report(fitted, problem, k, params)
    found |= {"model": name, "seed": params.seed, "train_file": train_counts, "test_file": test_counts}
    click.echo(as_table(name, found, k))
    text = json.dumps(found, indent=1, sort_keys=True)
    if output is None:
        click.echo(text)
    else:
        output.write_text(text + "\n")


if __name__ == "__main__":
    main()
