"""Search of a model's hyperparameters by Optuna, within a budget of trials or of time."""

import logging
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from training.params.spaces import Ladder, Range, Space, including, near, suggest

logger = logging.getLogger(__name__)

Values = dict[str, Any]


SEARCHED_AT_LEAST, SEARCHED_AT_MOST = 0.25, 0.5
"""Shares of the time between which a ladder's foot is left: once the rest is needed to climb all of it."""

SAFETY = 1.25
"""Trials and fits are expected to take so many times what they took before."""


@dataclass(frozen=True)
class Budget:
    """When a search ends: after so many trials, after so many seconds, or whichever comes first."""

    trials: int | None
    seconds: float | None

    def __post_init__(self) -> None:
        if self.trials is None and self.seconds is None:
            raise ValueError("give trials, minutes or both")


@dataclass(frozen=True)
class Trial:
    """One set of values that was fitted and evaluated. Number 0 is what params.yaml holds."""

    number: int
    values: Values
    score: float
    seconds: float


OnTrial = Callable[[Trial], None]
After = Callable[[Trial, float], float]
"""Seconds of what follows the search if a trial is chosen whose fit takes so many times this one's."""


@dataclass(frozen=True)
class SearchOutcome:
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
    after: After | None = None,
    starts: Sequence[Values] = (),
) -> SearchOutcome:
    """Maximise `objective` over `space` by tree-structured Parzen estimators (Bergstra et al. 2011).

    The shipped values are tried first, so what is found is never worse on the data it is found on. A ladder
    stands at its first value for that and for the search; then the best values climb it, as long as each
    step is better than the last, and what is left of the budget goes to values near the best. With a
    budget of time a trial is not begun when it and what comes after would no longer fit in; the first one
    always is. The same seed and number of trials, without a budget of time, give the same trials.

    Args:
        objective: values of all searched hyperparameters → score, the higher the better.
        space: where each is searched.
        shipped: the values of params.yaml.
        budget: when to end; at least the shipped values are tried.
        startup: trials drawn at random before the sampler learns from them.
        seed: of the sampler.
        on_trial: called after every trial.
        after: what follows a trial that is chosen; None is a fit as long as the trial.
        starts: values that are tried next, those of a ladder aside.
    """
    following = after or (lambda trial, growth: growth * trial.seconds)
    return _Search(objective, space, budget, on_trial, following, starts).run(shipped, startup, seed)


@dataclass
class _Search:
    objective: Callable[[Values], float]
    space: Space
    budget: Budget
    on_trial: OnTrial
    after: After
    starts: Sequence[Values]
    trials: list[Trial] = field(default_factory=list)
    begun: float = field(init=False)

    def __post_init__(self) -> None:
        self.begun = time.monotonic()

    def run(self, shipped: Values, startup: int, seed: int) -> SearchOutcome:
        ladders = {name: part for name, part in self.space.items() if isinstance(part, Ladder)}
        foot = {name: part.ladder[0] for name, part in ladders.items()}
        self._sample({name: shipped[name] for name in self.space} | foot, ladders, startup, seed)
        for name, part in ladders.items():
            self._climb(name, part)
        self._look_around(seed)
        return SearchOutcome(tuple(self.trials))

    def _try(self, values: Values) -> Trial:
        started = time.monotonic()
        score = self.objective(values)
        trial = Trial(len(self.trials), values, score, time.monotonic() - started)
        self.trials.append(trial)
        self.on_trial(trial)
        return trial

    def _fits(self, trial: Trial, growth: float = 1.0) -> bool:
        """Whether there is room for another trial like this one, `growth` times as long."""
        if self._left() == 0:
            return False
        if self.budget.seconds is None:
            return True
        expected = SAFETY * (growth * trial.seconds + self.after(trial, growth))
        return time.monotonic() - self.begun + expected <= self.budget.seconds

    def _left(self) -> int | None:
        return None if self.budget.trials is None else self.budget.trials - len(self.trials)

    def _recent(self) -> Trial:
        """The slower of the latest two; the first is left out if it can be: it loads what all need."""
        return max((self.trials[1:] or self.trials)[-2:], key=lambda trial: trial.seconds)

    def _sample(self, first: Values, ladders: Mapping[str, Ladder], startup: int, seed: int) -> None:
        """Try the first values, then the starts, then what the sampler proposes, all at the ladders' foot."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        free = {
            name: including(part, first[name])
            for name, part in self.space.items()
            if not isinstance(part, Ladder)
        }
        for start in (first, *self.starts):
            # The sampler learns from these too; a ladder's value is none of its parameters.
            study.enqueue_trial({name: start[name] for name in free.keys() & start.keys()})
        while not self.trials or (self._fits(self._recent()) and not self._leaves_foot(ladders)):
            asked = study.ask()
            drawn = {name: suggest(asked, name, part) for name, part in free.items()}
            study.tell(asked, self._try(first | drawn if self.trials else first).score)

    def _leaves_foot(self, ladders: Mapping[str, Ladder]) -> bool:
        """Whether what is left of the budget is needed to climb the ladders."""
        if self.budget.trials is not None:
            steps = sum(len(part.ladder) - 1 for part in ladders.values())
            # Kept for the climb: a trial a step, a third of all at most.
            if len(self.trials) >= self.budget.trials - min(steps, self.budget.trials // 3):
                return True
        if self.budget.seconds is None or not ladders or len(self.trials) <= len(self.starts):
            return False
        like = max(self._recent(), SearchOutcome(tuple(self.trials)).best, key=lambda trial: trial.seconds)
        needed = 0.0
        for part in ladders.values():
            # Every step of the ladder as if cost grew at its steepest: an upper bound.
            growths = [(step / part.ladder[0]) ** part.steepest for step in part.ladder]
            needed += SAFETY * (sum(growths[1:]) * like.seconds + self.after(like, growths[-1]))
        share = 1.0 - needed / self.budget.seconds
        # However long the ladder, some of the time goes to the other values, and never all.
        share = min(max(share, SEARCHED_AT_LEAST), SEARCHED_AT_MOST)
        spent = time.monotonic() - self.begun + SAFETY * like.seconds
        return spent > share * self.budget.seconds

    def _climb(self, name: str, part: Ladder) -> None:
        # Time is expected to grow as step ^ power; `steepest` until two fits have been timed.
        best, power, like = SearchOutcome(tuple(self.trials)).best, part.steepest, self._recent()
        for step in part.ladder[1:]:
            growth = (step / best.values[name]) ** power
            if not self._fits(like, growth):
                return
            higher = self._try(best.values | {name: step})
            if higher.score <= best.score:
                return
            measured = math.log(max(higher.seconds / max(like.seconds, 1e-9), 1.0))
            # The part that grows fastest weighs more at the next step.
            # Measured exponent, log time ratio over log step ratio, and half a power as a margin.
            power = min(part.steepest, measured / math.log(step / best.values[name]) + 0.5)
            best = like = higher

    def _look_around(self, seed: int) -> None:
        """Try values near the best with what is left of the budget."""
        ranges = {name: part for name, part in self.space.items() if isinstance(part, Range)}
        generator = np.random.default_rng(seed)
        while ranges and self._fits(self._recent()):
            best = SearchOutcome(tuple(self.trials)).best
            self._try(
                best.values
                | {name: near(best.values[name], part, generator) for name, part in ranges.items()}
            )


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
