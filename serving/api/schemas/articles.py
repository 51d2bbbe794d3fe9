"""Shapes of the article API; an article's content is its item's description."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from serving.api.errors import MALFORMED
from serving.api.fields import MAX_BIGINT, Label, QueryText, Text, Title
from serving.api.schemas.common import Body, Explained, explained
from serving.catalogue.drafts import ItemChanges
from serving.types import Item, Ranked


class ArticleIn(Body):
    """A whole article."""

    title: Title
    content: Text
    category: Label | None = None


class ArticlePatch(Body):
    """The fields to change; those left out keep their values."""

    title: Title = ""
    content: Text = ""
    category: Label | None = None


class Article(BaseModel):
    """An article as stored."""

    id: int
    title: str
    content: str
    category: str | None
    created_at: datetime
    updated_at: datetime


class ArticlePage(BaseModel):
    """One page of articles; `next` and `previous` are addresses, null at the ends."""

    count: int
    next: str | None
    previous: str | None
    results: list[Article]


class RecommendRequest(Body):
    """Either a query or an article's id: exactly one of them."""

    query: QueryText | None = None
    article_id: int | None = Field(default=None, ge=1, le=MAX_BIGINT)
    limit: int = Field(default=5, ge=1, le=100)

    @model_validator(mode="after")
    def _one_of_two(self) -> "RecommendRequest":
        if (self.query is None) == (self.article_id is None):
            raise PydanticCustomError(MALFORMED, "give either query or article_id, and not both")
        return self


class RecommendedArticle(Explained):
    """An article near the query; `distance` is 1 - cosine: 0 is the same meaning."""

    id: int | str
    title: str | None
    content: str | None
    category: str | None
    created_at: datetime | None
    updated_at: datetime | None
    distance: float


class RecommendAnswer(BaseModel):
    """The nearest articles, nearest first."""

    recommendations: list[RecommendedArticle]


def article_shape(item: Item) -> dict[str, Any]:
    """An article's fields; an item of another kind shows its own id."""
    return {
        "id": item.article_id if item.kind == "article" else item.item_id,
        "title": item.title,
        "content": item.description or "",
        "category": item.category,
        "created_at": item.created_at,
        "updated_at": item.updated_at,
    }


def recommended_shape(ranked: Ranked, explain: bool) -> dict[str, Any]:
    """An article in a list of recommendations."""
    distance = max(0.0, 1.0 - float(ranked.score))
    return explained({**article_shape(ranked.item), "distance": distance}, ranked, explain)


def article_changes(body: ArticleIn | ArticlePatch) -> ItemChanges:
    """The item's fields that a body sets: all of a whole article, the given ones of a patch."""
    changes: ItemChanges = {}
    given = set(ArticleIn.model_fields) if isinstance(body, ArticleIn) else body.model_fields_set
    if "title" in given:
        changes["title"] = body.title
    if "content" in given:
        changes["description"] = body.content
    if "category" in given:
        changes["category"] = body.category
    return changes
