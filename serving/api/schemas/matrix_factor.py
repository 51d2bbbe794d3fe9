"""Shapes of the matrix factorisation and search contract."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from serving.api.fields import KnownId, QueryText
from serving.api.schemas.common import Body, Explained, explained
from serving.ranking.types import Ranked

MAX_N = 1000


class SimilarRequest(Body):
    """Which item, and how many like it."""

    item_id: KnownId
    n: int = Field(default=10, ge=1, le=MAX_N)


class UserRequest(Body):
    """Which user, how many items, and whether those they know are left out."""

    user_id: KnownId
    n: int = Field(default=10, ge=1, le=MAX_N)
    filter_already_liked: bool = True


class SemanticSearchRequest(Body):
    """What to search for, and how many results."""

    query: QueryText
    top_k: int = Field(default=10, ge=1, le=MAX_N)


class TrainingRequest(Body):
    """Which model: `mf` is matrix factorisation, `ss` similarity search."""

    model_type: Literal["mf", "ss"]
    force_retrain: bool = False


class FactorItem(Explained):
    """A recommended item."""

    item_id: str
    score: float
    title: str | None
    image_url: str | None


class FactorAnswer(BaseModel):
    """Recommended items, best first."""

    recommendations: list[FactorItem]


class FoundItem(Explained):
    """A search result; its score is the cosine."""

    product_id: str
    title: str | None
    score: float
    image_url: str | None


class SemanticSearchAnswer(BaseModel):
    """Search results, best first."""

    results: list[FoundItem]


class TrainingAnswer(BaseModel):
    """What a training request came to: `success` when trained already, `started` with the run's id."""

    status: Literal["success", "started"]
    message: str
    model_type: str
    stats: dict[str, Any]
    run_id: str | None = None


def factor_shape(ranked: Ranked, explain: bool) -> dict[str, Any]:
    """An item in a list of recommendations."""
    shape: dict[str, Any] = {
        "item_id": ranked.item.item_id,
        "score": float(ranked.score),
        "title": ranked.item.title,
        "image_url": ranked.item.image_url,
    }
    return explained(shape, ranked, explain)


def found_shape(ranked: Ranked, explain: bool) -> dict[str, Any]:
    """An item in a list of search results."""
    shape: dict[str, Any] = {
        "product_id": ranked.item.item_id,
        "title": ranked.item.title,
        "score": float(ranked.score),
        "image_url": ranked.item.image_url,
    }
    return explained(shape, ranked, explain)
