"""Shapes of the matrix factorisation and search APIs."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from serving.api.fields import KnownId, QueryText
from serving.api.schemas.common import MAX_N, Body, Explained, explained
from serving.types import Ranked


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


class _Open(BaseModel):
    """More may come with it than is named here."""

    model_config = ConfigDict(extra="allow")


class DatabaseStatus(_Open):
    """Rows of the database; null while it is unavailable, and until they could be counted once."""

    status: Literal["ok", "unavailable"]
    n_ratings: int | None = Field(
        description="interactions of any type between a known user and an item; the input of matrix "
        "factorisation"
    )
    n_users: int | None
    n_products: int | None
    avg_rating: float | None = Field(description="mean star rating; null if there are none")


class FactorizationStatus(_Open):
    """The ALS model in service."""

    status: Literal["trained", "not_trained"]
    n_users: int
    n_items: int
    n_factors: int


class SimilarityStatus(_Open):
    """The vector index in service."""

    status: Literal["trained", "not_trained"]
    n_products: int
    embedding_dimension: int


class RunStatus(_Open):
    """The latest training run in Airflow."""

    status: str = Field(description="idle, unknown (Airflow is unreachable), or Airflow's state")
    run_id: str | None = None
    message: str | None = Field(default=None, description="what keeps Airflow from training every night")


class ServiceStatus(_Open):
    """Data, models, the bundle in service, and the latest training run."""

    database: DatabaseStatus
    matrix_factorization: FactorizationStatus
    similarity_search: SimilarityStatus
    models: dict[str, Any] = Field(
        description="each model of the bundle with MLflow run, version and metrics"
    )
    bundle: dict[str, Any] = Field(
        description="the bundle in service, since when, its watermark; rejected bundles"
    )
    experiments: dict[str, Any] = Field(description="running experiments, and rejected bundles of their arms")
    trending: dict[str, Any]
    feed: dict[str, Any] = Field(description="how far this worker has applied the catalogue changes")
    training: RunStatus
