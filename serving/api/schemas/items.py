"""Shapes of items of any kind: whether they may be in lists."""

from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, Field

from serving.api.schemas.common import Body
from serving.catalogue.drafts import ItemChanges
from serving.types import Item


class ItemPatch(Body):
    """The fields to change; those left out keep their values."""

    hidden: bool = Field(default=False, description="take it out of every list, or put it back")
    available: bool = Field(default=True, description="whether it can be had: false is out of stock")
    publish_at: AwareDatetime | None = Field(
        default=None, description="in no list before; null: no such time"
    )
    expire_at: AwareDatetime | None = Field(default=None, description="in no list from then on; null: never")


class ItemOut(BaseModel):
    """An item of any kind, and whether it may be in lists."""

    item_id: str
    kind: str
    title: str | None
    category: str | None
    price: float | None
    hidden: bool
    available: bool
    publish_at: datetime | None
    expire_at: datetime | None
    updated_at: datetime | None


def item_changes(body: ItemPatch) -> ItemChanges:
    """The fields that the request names."""
    changes: ItemChanges = {}
    sent = body.model_fields_set
    if "hidden" in sent:
        changes["hidden"] = body.hidden
    if "available" in sent:
        changes["available"] = body.available
    if "publish_at" in sent:
        changes["publish_at"] = body.publish_at
    if "expire_at" in sent:
        changes["expire_at"] = body.expire_at
    return changes


def item_shape(item: Item) -> dict[str, Any]:
    """An item's fields."""
    return {name: getattr(item, name) for name in ItemOut.model_fields}
