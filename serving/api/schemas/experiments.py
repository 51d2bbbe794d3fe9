"""Shapes of experiments: what starts and stops one, and what one has found."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import Body, Path
from pydantic import BaseModel, ConfigDict, Field

from experiments.off_policy import OffPolicy
from experiments.reading import Reading
from serving.api.fields import Title

_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
_ID = r"^[a-z0-9][a-z0-9._-]{0,63}$"
ExperimentId = Annotated[str, Path(pattern=_ID, examples=["more-cf"])]


class _Strict(BaseModel):
    """Here an unknown field is refused: an operator who misspells one should know."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class ArmIn(_Strict):
    """An arm: what it changes of the deployed bundle and blend."""

    name: str = Field(pattern=_NAME)
    share: float = Field(gt=0, le=1)
    bundle_id: str | None = Field(default=None, pattern=_NAME)
    blend: dict[str, float | str | dict[str, float]] | None = None
    """Keys of the params' section `blend` and their values; `tuned` is replaced as a whole."""
    epsilon: float = Field(default=0.0, ge=0, lt=1)


class ExperimentIn(_Strict):
    """A new experiment; the first arm is the control."""

    experiment_id: str = Field(pattern=_ID)
    kind: Literal["ab", "shadow"] = "ab"
    arms: list[ArmIn] = Field(min_length=2, max_length=8)


class StopIn(_Strict):
    """Why an experiment ends."""

    reason: Title


NewExperiment = Annotated[
    ExperimentIn,
    Body(
        examples=[
            {
                "experiment_id": "more-cf",
                "kind": "ab",
                "arms": [{"name": "now", "share": 0.5}, {"name": "more", "share": 0.5, "blend": {"cf": 0.8}}],
            }
        ]
    ),
]

Reason = Annotated[StopIn, Body(examples=[{"reason": "seen enough"}])]


def reading_shape(reading: Reading, unseen: OffPolicy | None) -> dict[str, Any]:
    """What an experiment has found so far; `unseen` is what its shadow would have earned."""
    arms = [
        {
            "name": arm.name,
            "users": arm.rate.users,
            "shown": arm.rate.shown,
            "clicked": arm.rate.clicked,
            "click_rate": arm.rate.value,
            "interval": [arm.low, arm.high],
            "difference": asdict(arm.difference) if arm.difference else None,
            "verdict": arm.verdict,
            "waits": arm.waits,
            "harmed": arm.harmed,
            "outcomes": {name: asdict(outcome) for name, outcome in arm.outcomes.items()},
            "lists": {
                name: {"shown": rate.shown, "clicked": rate.clicked, "click_rate": rate.value}
                for name, rate in arm.lists.items()
            },
        }
        for arm in reading.arms
    ]
    return {
        "experiment": asdict(reading.experiment),
        "arms": arms,
        "ratio": asdict(reading.ratio) if reading.ratio else None,
        "off_policy": asdict(unseen) if unseen else None,
        "read_at": reading.read_at,
    }
