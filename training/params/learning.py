"""Sections of params.yaml on what is learned from, held out, evaluated and searched."""

from typing import Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from database.event_types import EventType
from training.models.core.base import Config
from training.params.spaces import Choices, Ladder, Range


class EventWeights(Config):
    """What one event says, by event type. A type that is not here (a search) says nothing of an item."""

    like: float
    click: float
    product_click: float
    view_time: float
    purchase: float
    rating: float
    """Times (stars - neutral_stars)."""
    feedback: float
    """Times the sign."""
    skip: float


class InteractionsParams(Config):
    """Section `interactions`: how much one event says for its item (negative: against it).

    The weight of its type, 0 for a type without one; of a rating times (stars - neutral_stars), of feedback
    times its sign, of a view times its share of `database.interactions.FULL_VIEW_SECONDS`. A rating without
    stars, or feedback without a value, says nothing: 0. Training
    (`data.preparation`), the service (`steps.history`) and SQL (`database.trending`) each compute it; one
    test holds them to the same numbers.
    """

    weights: EventWeights
    neutral_stars: float = Field(ge=0, le=5)
    """A rating of so many stars speaks neither for an item nor against it."""


CountsAs = Literal[EventType, "nothing"]


class EventTypeParams(Config):
    """Section `event_types`: what a word of the shop's own for an event counts as."""

    counts_as: CountsAs
    weight: float | None = None
    """In place of that type's weight."""


class SplitParams(Config):
    """Section `split`: what is held out."""

    protocol: Literal["time", "leave_last_out"]
    validation_days: int = Field(ge=0)
    test_days: int = Field(ge=1)
    max_test_users: int = Field(default=20_000, ge=100)
    """Of more users so many are tested, drawn by the seed: each is scored on every item by each model."""


class EvaluationParams(Config):
    """Section `evaluation`: how rankings are evaluated."""

    cutoffs: tuple[PositiveInt, ...] = Field(min_length=1)
    bootstrap_samples: int = Field(ge=100)
    batch_users: int = Field(ge=1)
    """Users scored at once: memory is 4 bytes x users x items."""


class TuneParams(Config):
    """Section `tune`: the search of hyperparameters."""

    startup_trials: int = Field(ge=1)
    """Trials drawn at random before the sampler learns from them."""
    windows: int = Field(ge=1)
    """Validation windows that a workspace's search averages over."""
    coverage_margin: float = Field(ge=0)
    """In every window the blend's coverage must reach so many times that of the best single model."""
    max_users: int = Field(ge=1)
    """Validation users that a trial is evaluated on, drawn by the seed when there are more."""
    validation_share: float = Field(gt=0, lt=1)
    """Part of a train file's pairs that the benchmark tunes on."""
    blended: dict[str, PositiveFloat] = Field(min_length=1)
    """Models that the benchmark's blend is made of → how its time is divided among their searches."""
    spaces: dict[str, dict[str, Choices | Range | Ladder]]
    """model → hyperparameter → where it is searched."""
    bounds: dict[str, dict[str, Ladder]]
    """model → hyperparameter that bounds its cost → where the benchmark alone searches it."""
    starts: dict[str, tuple[dict[str, Any], ...]]
    """model → values that a search tries right after the shipped ones."""
