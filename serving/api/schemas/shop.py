"""The shop's shapes: products in lists, and interactions."""

from collections.abc import Collection
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from database.interactions import InteractionRow
from serving.api.errors import MALFORMED
from serving.api.fields import KnownId, ProductId, QueryText, ShopUserId
from serving.api.responses import written
from serving.api.schemas.common import MAX_N, Body, Explained, explained
from serving.types import HOME_LISTS, HomeLists, Item, Ranked

MAX_CART = 200

MOST_CARDS = 5000
"""Products that are kept as written, some 600 bytes each."""


class Product(Explained):
    """A product as the shop shows it."""

    id: str
    name: str
    category: str | None
    image: str | None
    price: float | None
    original_price: float | None
    rating: float | None
    reviews: int | None
    discount_ratio: float | None


class Home(BaseModel):
    """The home page's lists: all five, or those that `lists` names."""

    personalized: list[Product] = []
    trending: list[Product] = []
    best_value: list[Product] = []
    top_categories: dict[str, list[Product]] = {}
    diverse_picks: list[Product] = []


class SimilarProducts(BaseModel):
    """Products like one product."""

    similar: list[Product]


class CartRequest(Body):
    """The items of a cart, in any order, and how many to recommend."""

    items: Annotated[list[KnownId], Field(min_length=1, max_length=MAX_CART)]
    n: int = Field(default=10, ge=1, le=MAX_N)


class CartAnswer(BaseModel):
    """Products that go with a cart, best first."""

    recommendations: list[Product]
    unknown_items: list[str] = Field(description="Ids of the request that no item has; they were left out.")


class SearchAnswer(BaseModel):
    """Products for a query; `fallback_reason` says why they are trending ones instead."""

    results: list[Product]
    fallback_reason: Literal["no_search_matches"] | None = None


class ShopInteraction(Body):
    """A click on a product, or a search."""

    user_id: ShopUserId
    event_type: Literal["product_click", "search_query"]
    product_id: ProductId | None = None
    query: QueryText | None = None

    @model_validator(mode="after")
    def _has_its_subject(self) -> "ShopInteraction":
        if self.event_type == "product_click" and self.product_id is None:
            raise PydanticCustomError(MALFORMED, "product_id is needed for a product_click")
        if self.event_type == "search_query" and self.query is None:
            raise PydanticCustomError(MALFORMED, "query is needed for a search_query")
        return self


class StoredInteraction(BaseModel):
    """An interaction of any API, as the shop reads it."""

    event_type: str
    product_id: str | None
    query: str | None
    timestamp: datetime


class UserInteractions(BaseModel):
    """What a user did, newest first."""

    user_id: str
    interactions: list[StoredInteraction]


def product_shape(item: Item) -> dict[str, Any]:
    """A product's fields; its category is "main > sub"."""
    category = item.category
    if category and item.sub_category:
        category = f"{category} > {item.sub_category}"
    return {
        "id": item.item_id,
        "name": item.name,
        "category": category or item.sub_category,
        "image": item.image_url,
        "price": item.price,
        "original_price": item.original_price,
        "rating": item.rating,
        "reviews": item.rating_count,
        "discount_ratio": item.discount_ratio,
    }


class ProductCards:
    """Products as JSON: most lists show the same few thousand."""

    def __init__(self, most: int = MOST_CARDS) -> None:
        """Keep up to `most`."""
        self._most = most
        # By where an item lies in memory, where no other can lie while it is kept: to compare all its fields
        # would take longer than to write them.
        self._written: dict[int, tuple[Item, orjson.Fragment]] = {}

    def of(self, item: Item) -> orjson.Fragment:
        """`product_shape` of an item, written once. An edited item is another one."""
        known = self._written.get(id(item))
        if known is None:
            if len(self._written) >= self._most:
                self._written.clear()
            known = self._written[id(item)] = item, written(product_shape(item))
        return known[1]


@lru_cache(maxsize=1)
def product_cards() -> ProductCards:
    """This process's."""
    return ProductCards()


def product_list(ranked: list[Ranked], explain: bool) -> list[Any]:
    """A list of products in the shop's shape, ready for `answer`."""
    if not explain:
        cards = product_cards()
        return [cards.of(entry.item) for entry in ranked]
    return [explained(product_shape(entry.item), entry, explain) for entry in ranked]


def home_shape(home: HomeLists, lists: Collection[str], explain: bool) -> dict[str, Any]:
    """The lists of the home page that were asked for."""
    shape: dict[str, Any] = {}
    for name in HOME_LISTS:
        if name == "top_categories" and name in lists:
            categories = home.top_categories.items()
            shape[name] = {category: product_list(entries, explain) for category, entries in categories}
        elif name in lists:
            shape[name] = product_list(getattr(home, name), explain)
    return shape


def interaction_shape(interaction: InteractionRow) -> dict[str, Any]:
    """An interaction in the shop's words."""
    return {
        "event_type": interaction.event_type,
        "product_id": interaction.item_id,
        "query": interaction.query,
        "timestamp": interaction.occurred_at,
    }
