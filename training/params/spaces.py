"""Where a hyperparameter is searched."""

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from training.models.core.base import Config

NEARBY = 0.1
"""Spread of a value near the best, as a share of its range."""


class Choices(Config):
    """One of a few values."""

    choices: tuple[int | float | str, ...]


class Range(Config):
    """Any number between two, on a linear or a logarithmic scale."""

    low: float
    high: float
    scale: Literal["linear", "log"]

    @model_validator(mode="after")
    def _holds_numbers(self) -> Self:
        if self.low > self.high or (self.scale == "log" and self.low <= 0):
            raise ValueError("low must not be above high, and above 0 on a logarithmic scale")
        return self


class Ladder(Config):
    """Ascending values of what a fit's cost grows with: searched at the first, then climbed while it pays."""

    ladder: tuple[int, ...] = Field(min_length=1)
    steepest: float = Field(gt=0)
    """Power of the value that the cost grows with, at most."""

    @model_validator(mode="after")
    def _ascends(self) -> Self:
        if any(low >= high for low, high in pairwise(self.ladder)):
            raise ValueError("the values of a ladder must increase")
        return self


Space = Mapping[str, Choices | Range | Ladder]
"""Hyperparameter → where it is searched. One of them at most is a ladder."""


def including(part: Choices | Range, value: Any) -> Choices | Range:
    """The part, widened to hold the value: what is shipped may lie outside of what is searched."""
    if isinstance(part, Range):
        return part.model_copy(update={"low": min(part.low, value), "high": max(part.high, value)})
    return part if value in part.choices else Choices(choices=(*part.choices, value))


def up_to(part: Ladder, limit: int) -> Ladder:
    """The ladder without the steps that come after the first one that reaches the limit."""
    below = [step for step in part.ladder if step < limit]
    return part.model_copy(update={"ladder": part.ladder[: len(below) + 1]})


def suggest(asked: Any, name: str, part: Choices | Range) -> Any:
    """A value, as an Optuna trial proposes it."""
    if isinstance(part, Choices):
        return asked.suggest_categorical(name, list(part.choices))
    return _short(asked.suggest_float(name, part.low, part.high, log=part.scale == "log"))


def near(value: float, part: Range, generator: np.random.Generator) -> float:
    """A value of the range, near the given one."""
    there, back = (math.log, math.exp) if part.scale == "log" else (float, float)
    low, high = there(part.low), there(part.high)
    moved = there(value) + generator.normal(0.0, NEARBY * (high - low))
    return _short(back(min(max(moved, low), high)))


def _short(value: float) -> float:
    """Four digits: what is written back to params.yaml is what was tried."""
    return float(f"{value:.4g}")
