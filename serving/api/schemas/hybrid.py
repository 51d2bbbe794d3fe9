"""Shapes of the hybrid API: users, content, recommendations, interactions and training."""

from datetime import datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from database.users import UserRow
from serving.api.fields import KnownId, Label, Labels, NewItemId, NewUserId, Text, Title
from serving.api.schemas.common import Body, Explained, explained
from serving.types import Item, Ranked

MAX_SECONDS = 86_400


class UserIn(Body):
    """A new user and what they say of themselves."""

    user_id: NewUserId
    interests: Labels = ()
    skill_level: Label | None = None


class UserPatch(Body):
    """The fields to change; omitted fields keep their values."""

    interests: Labels = ()
    skill_level: Label | None = None


class UserOut(BaseModel):
    """A user; `history` is the ids of their items, newest first."""

    user_id: str
    interests: list[str]
    skill_level: str | None
    history: list[str]
    created_at: datetime


class ContentIn(Body):
    """A new content item."""

    content_id: NewItemId
    title: Title
    category: Label | None = None
    tags: Labels = ()
    description: Text | None = None


class ContentOut(BaseModel):
    """A content item as stored."""

    content_id: str
    title: str | None
    category: str | None
    tags: list[str]
    description: str | None
    created_at: datetime | None


class EmbeddedContent(ContentOut):
    """A content item with the vector of its text."""

    embedding_vector: list[float] | None = Field(
        description="L2-normalised sentence vector (384 numbers with the default model); "
        "null if the item has no text"
    )


class RecommendationsRequest(Body):
    """For whom, how many, and how the two models are weighed."""

    user_id: KnownId
    n_recommendations: int = Field(default=10, ge=1, le=100)
    use_cf: bool = True
    use_embeddings: bool = True
    cf_weight: float | None = Field(default=None, ge=0, le=1)


class RecommendedContent(Explained):
    """A recommended content item and the method that found it."""

    content_id: str
    title: str | None
    category: str | None
    score: float
    method: str


class Recommendations(BaseModel):
    """Recommended content, best first."""

    user_id: str
    recommendations: list[RecommendedContent]
    timestamp: datetime


class InteractRequest(Body):
    """What a user did with a content item."""

    user_id: KnownId
    content_id: KnownId
    interaction_type: Literal["click", "like", "skip", "view_time"]
    duration_seconds: float | None = Field(default=None, ge=0, le=MAX_SECONDS)


class InteractionOut(BaseModel):
    """The interaction as stored."""

    interaction_id: int
    user_id: str
    content_id: str
    interaction_type: str
    duration_seconds: float | None
    timestamp: datetime


class FeedbackRequest(Body):
    """What a user thinks of a content item."""

    user_id: KnownId
    content_id: KnownId
    feedback_type: Literal["positive", "negative", "neutral"]


class FeedbackOut(BaseModel):
    """The feedback as stored."""

    interaction_id: int
    user_id: str
    content_id: str
    feedback_type: str
    timestamp: datetime


class TrainRequest(Body):
    """Which parts to retrain. A run always trains everything: models of one snapshot belong together."""

    retrain_cf: bool = True
    regenerate_embeddings: bool = True


class TrainAnswer(BaseModel):
    """The run that was started, or was waiting to start."""

    status: Literal["started"]
    message: str
    run_id: str


class TrainingEnd(BaseModel):
    """How the last training ended."""

    outcome: Literal["accepted", "refused", "failed"]
    reason: str = Field(description="Why the gate refused it or a step failed; what was overruled")
    details: dict[str, Any] = Field(description="The gate's reasons, or a data check's findings with row ids")
    ended_at: datetime


class TrainingStatus(BaseModel):
    """The latest training run and the bundle in service."""

    status: str = Field(description="idle, or Airflow's state: queued, running, success, failed")
    run_id: str | None
    started_at: datetime | None
    finished_at: datetime | None
    last: TrainingEnd | None = Field(description="The last training that ended; null before the first")
    message: str | None = Field(default=None, description="what keeps Airflow from training every night")
    bundle: str
    matrix_factorization: dict[str, Any]
    similarity_search: dict[str, Any]


def content_shape(item: Item) -> dict[str, Any]:
    """A content item's fields."""
    return {
        "content_id": item.item_id,
        "title": item.title,
        "category": item.category,
        "tags": list(item.tags),
        "description": item.description,
        "created_at": item.created_at,
    }


def embedded_content(item: Item, vector: NDArray[np.float32] | None) -> dict[str, Any]:
    """A content item's fields and its vector, float32[d]."""
    return {**content_shape(item), "embedding_vector": vector}


def recommended_content(ranked: Ranked, explain: bool) -> dict[str, Any]:
    """A content item in a list of recommendations."""
    shape = {
        "content_id": ranked.item.item_id,
        "title": ranked.item.title,
        "category": ranked.item.category,
        "score": float(ranked.score),
        "method": ranked.model,
    }
    return explained(shape, ranked, explain)


def user_shape(user: UserRow, history: list[str]) -> dict[str, Any]:
    """A user's fields and their history."""
    return {
        "user_id": user.user_id,
        "interests": list(user.interests),
        "skill_level": user.skill_level,
        "history": history,
        "created_at": user.created_at,
    }
