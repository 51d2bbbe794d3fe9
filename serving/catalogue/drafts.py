"""What consumers write: items, users and interactions on their way in."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from database.items import ItemContent


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemDraft(ItemContent):
    """A new item. Without an `item_id` the database numbers it and names it so (articles only)."""

    item_id: str | None = None
    title: str


class ItemChanges(TypedDict, total=False):
    """The fields of an item to change; one that is absent keeps its value, None clears it."""

    title: str
    description: str | None
    category: str | None
    sub_category: str | None
    tags: tuple[str, ...]
    image_url: str | None
    link: str | None
    rating: float | None
    rating_count: int | None
    price: float | None
    original_price: float | None
    discount_ratio: float | None
    hidden: bool
    available: bool
    publish_at: datetime | None
    expire_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserDraft:
    """A new user and what they say of themselves."""

    user_id: str
    interests: tuple[str, ...] = ()
    skill_level: str | None = None


class UserChanges(TypedDict, total=False):
    """The fields of a user to change; one that is absent keeps its value."""

    interests: tuple[str, ...]
    skill_level: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionDraft:
    """Something a user did. `value`: stars of a rating, seconds of a view, +1/0/-1 of feedback."""

    user_id: str
    event_type: str
    item_id: str | None = None
    query: str | None = None
    value: float | None = None
    session_id: str | None = None
    occurred_at: datetime | None = None
    dedup_key: UUID | None = None
    """Tells the user's interactions apart when one is sent again."""
