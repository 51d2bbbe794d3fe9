"""The one item object of /v1, and the same in a list of recommendations."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from serving.types import AttributeValue, Item, category_paths


class Availability(BaseModel):
    """Whether an item may be in lists: those that are hidden or not available are in none."""

    hidden: bool = Field(description="taken out of every list by its owner")
    available: bool = Field(description="whether it can be had; false as well while `stock` is 0")
    stock: int | None = Field(description="how many there are; null is not counted")


class ItemOut(BaseModel):
    """An item, wherever /v1 shows one."""

    id: str
    kind: str
    title: str | None
    description: str | None
    price: float | None
    original_price: float | None
    image: str | None
    link: str | None
    category: str | None = Field(description="the first level of the first of `categories`")
    categories: list[str] = Field(
        description="paths, their levels separated by ' > ': 'Food > Fruit'; the main one first"
    )
    labels: list[str]
    rating: float | None
    rating_count: int | None
    availability: Availability
    attributes: dict[str, AttributeValue] = Field(description="the shop's own")
    timestamp: datetime | None = Field(description="the item's own date, such as when it was made")
    publish_at: datetime | None
    expire_at: datetime | None
    created_at: datetime | None
    updated_at: datetime | None


class Reason(BaseModel):
    """Why an item is in a list: in words, and as parts for a shop that words it itself."""

    text: str
    code: str
    item: str | None = Field(default=None, description="id of the item that it is recommended because of")
    numbers: dict[str, float] = Field(default_factory=dict, description="the numbers of the text, by name")


class RecommendedItem(ItemOut):
    """An item in a list."""

    score: float
    model: str
    reason: Reason | None = None


def item_shape(item: Item) -> dict[str, Any]:
    """An item's fields, as ItemOut has them."""
    return {
        "id": item.item_id,
        "kind": item.kind,
        "title": item.title,
        "description": item.description,
        "price": item.price,
        "original_price": item.original_price,
        "image": item.image_url,
        "link": item.link,
        "category": item.category,
        "categories": category_paths(item),
        "labels": list(item.tags),
        "rating": item.rating,
        "rating_count": item.rating_count,
        "availability": {"hidden": item.hidden, "available": item.available, "stock": item.stock},
        "attributes": dict(item.attributes),
        "timestamp": item.timestamp,
        "publish_at": item.publish_at,
        "expire_at": item.expire_at,
        "created_at": item.created_at,
        "updated_at": item.updated_at,
    }


def recommended_shape(
    item: Item, score: float, model: str, reason: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The fields of an item in a list, as RecommendedItem has them; `reason` as Reason has them."""
    shape = item_shape(item) | {"score": float(score), "model": model}
    return shape if reason is None else shape | {"reason": dict(reason)}
