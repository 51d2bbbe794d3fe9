"""What several APIs share: the optional reason of an item."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from serving.types import Ranked

MAX_N = 1000
"""Items that a request's `n` may ask for."""


class Body(BaseModel):
    """A request's body: NaN and infinity are rejected, unknown fields are ignored."""

    model_config = ConfigDict(allow_inf_nan=False)


class Explained(BaseModel):
    """What `explain=true` adds to an item."""

    reason: str | None = None
    model: str | None = None
    score: float | None = None
    columns: dict[str, dict[str, float]] | None = Field(
        default=None,
        description="`sources`: the score from each source; `steps`: what each step added",
    )


def explained(shape: dict[str, Any], ranked: Ranked, explain: bool) -> dict[str, Any]:
    """Add the item's reason, model, score and columns to its shape when asked to."""
    if explain:
        shape["reason"] = ranked.reason
        shape["model"] = ranked.model
        shape.setdefault("score", float(ranked.score))
        shape["columns"] = ranked.columns
    return shape
