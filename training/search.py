"""Search of a model's hyperparameters by Optuna, within a budget of trials or of time."""

import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from training.models.base import Config

logger = logging.getLogger(__name__)

Values = dict[str, Any]


class Choices(Config):
    """One of a few values."""

    choices: tuple[int | float | str, ...]


class Range(Config):
    """Any number between two, on a linear or a logarithmic scale."""

    low: float
    high: float
    scale: Literal["linear", "log"]


Space = Mapping[str, Choices | Range]
"""Hyperparameter → where it is searched."""


@dataclass(frozen=True)
class Budget:
    """When a search ends: after so many trials, after so many seconds, or whichever comes first."""

    trials: int | None
    seconds: float | None

    def __post_init__(self) -> None:
        if self.trials is None and self.seconds is None:
            raise ValueError("a search needs a budget: trials, minutes, or both")


@dataclass(frozen=True)
class Trial:
    """One fitted and measured set of values. Number 0 is what params.yaml holds."""

    number: int
    values: Values
    score: float
    seconds: float


OnTrial = Callable[[Trial], None]


@dataclass(frozen=True)
class Found:
    """All trials, in order; the best is the earliest of the highest score."""

    trials: tuple[Trial, ...]

    @property
    def best(self) -> Trial:
        return max(self.trials, key=lambda trial: trial.score)


def search(
    objective: Callable[[Values], float],
    space: Space,
    shipped: Values,
    budget: Budget,
    *,
    startup: int,
    seed: int,
    on_trial: OnTrial,
) -> Found:
    """Maximise `objective` over `space` by tree-structured Parzen estimators (Bergstra et al. 2011).

    The shipped values are tried first, so what is found is never worse on the data it is found on. With a
    budget of time a trial is not begun when the slowest one so far, and a last fit as slow, would no
    longer fit in. The same seed and number of trials give the same trials.

    Args:
        objective: values of all searched hyperparameters → score, the higher the better.
        space: where each is searched.
        shipped: the values of params.yaml.
        budget: when to end; at least the shipped values are tried.
        startup: trials drawn at random before the sampler learns from them.
        seed: of the sampler.
        on_trial: called after every trial.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    begun = time.monotonic()
    trials: list[Trial] = []

    def run(values: Values) -> Trial:
        started = time.monotonic()
        score = objective(values)
        trials.append(Trial(len(trials), values, score, time.monotonic() - started))
        on_trial(trials[-1])
        return trials[-1]

    run({name: shipped[name] for name in space})
    while not _spent(budget, trials, time.monotonic() - begun):
        asked = study.ask()
        study.tell(asked, run({name: _suggest(asked, name, part) for name, part in space.items()}).score)
    return Found(tuple(trials))


def _spent(budget: Budget, trials: list[Trial], seconds: float) -> bool:
    if budget.trials is not None and len(trials) >= budget.trials:
        return True
    slowest = max(trial.seconds for trial in trials)
    return budget.seconds is not None and seconds + 2.0 * slowest > budget.seconds


def _suggest(asked: Any, name: str, part: Choices | Range) -> Any:
    if isinstance(part, Choices):
        return asked.suggest_categorical(name, list(part.choices))
    # Four digits: what is written back to params.yaml is what was tried.
    return float(f"{asked.suggest_float(name, part.low, part.high, log=part.scale == 'log'):.4g}")


@contextmanager
def progress(name: str, budget: Budget) -> Iterator[OnTrial]:
    """Show trials as they end: a bar on a terminal, a line of the log each elsewhere."""
    from tqdm import tqdm

    best = float("-inf")
    with tqdm(total=budget.trials, desc=name, unit="trial", disable=not sys.stderr.isatty()) as bar:

        def show(trial: Trial) -> None:
            nonlocal best
            best = max(best, trial.score)
            bar.update()
            bar.set_postfix(best=f"{best:.4f}")
            if bar.disable:
                logger.info(
                    "%s trial %d: %.4f (best %.4f), %.1f s, %s",
                    name,
                    trial.number,
                    trial.score,
                    best,
                    trial.seconds,
                    trial.values,
                )

        yield show
