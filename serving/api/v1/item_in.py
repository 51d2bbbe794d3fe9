"""An item as requests of /v1 send it, and as the database takes it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, Field, StrictBool, field_validator, model_validator
from pydantic_core import PydanticCustomError

from database.attributes import NOTED, as_time
from database.items import ItemRow
from serving.api.fields import Label, Labels, Text, Title
from serving.api.v1.fields import Body, Id
from serving.api.v1.item import item_shape
from serving.catalogue.index import item_of
from serving.types import PATH

MAX_ATTRIBUTES = 100
MAX_CATEGORIES = 20
MAX_STOCK = 2_147_483_647
READ_ONLY = "ignored; taken so that what a GET gives can be sent back"


def _path(text: str) -> str:
    levels = [level.strip() for level in text.split(PATH.strip())] if PATH.strip() in text else [text]
    if not all(levels):
        raise PydanticCustomError("bad_path", "must name each level of the path: 'Food > Fruit'")
    return PATH.join(levels) if PATH in text else text


CategoryPath = Annotated[Label, AfterValidator(_path)]
AttributeName = Annotated[Label, Field(max_length=64)]
AttributeIn = StrictBool | Annotated[float, Field(strict=True)] | Text | list[Label] | None


class AvailabilityIn(Body):
    """Whether an item may be in lists."""

    hidden: bool = Field(default=False, description="take it out of every list")
    available: bool = Field(default=True, description="whether it can be had; no matter while `stock` is 0")
    stock: int | None = Field(
        default=None, ge=0, le=MAX_STOCK, description="how many there are: none of 0; null is not counted"
    )


class ItemIn(Body):
    """A whole item; what is left out is empty."""

    id: Id | None = Field(default=None, description="the id of the path, if it is given")
    kind: Literal["product", "content", "article"] = "product"
    title: Title | None = Field(
        default=None, description="without one it is in no list, unless no item of the shop has a title"
    )
    description: Text | None = None
    price: float | None = Field(default=None, ge=0, le=1e12)
    original_price: float | None = Field(
        default=None, ge=0, le=1e12, description="before a reduction; best value goes by it"
    )
    image: Text | None = None
    link: Text | None = None
    category: CategoryPath | None = Field(
        default=None, description="the only one, if `categories` is not given"
    )
    categories: Annotated[tuple[CategoryPath, ...], Field(max_length=MAX_CATEGORIES)] = Field(
        default=(), description="paths, the main one first: 'Food > Fruit'"
    )
    labels: Labels = ()
    rating: float | None = Field(default=None, ge=0, le=5)
    rating_count: int | None = Field(default=None, ge=0, le=MAX_STOCK)
    availability: AvailabilityIn = AvailabilityIn()
    attributes: dict[AttributeName, AttributeIn] = Field(
        default_factory=dict,
        max_length=MAX_ATTRIBUTES,
        description="the shop's own: numbers, texts, lists of texts, booleans, times (ISO 8601 with offset). "
        "An attribute keeps the type of its first value, in every item",
    )
    timestamp: AwareDatetime | None = None
    publish_at: AwareDatetime | None = Field(default=None, description="in no list before")
    expire_at: AwareDatetime | None = Field(default=None, description="in no list from then on")
    created_at: datetime | None = Field(default=None, description=READ_ONLY)
    updated_at: datetime | None = Field(default=None, description=READ_ONLY)

    @field_validator("attributes")
    @classmethod
    def _free_names(cls, value: dict[str, Any]) -> dict[str, Any]:
        if NOTED in value:
            raise PydanticCustomError(
                "reserved", "{name} is the platform's own: name it otherwise", {"name": NOTED}
            )
        return {name: as_kept(each) for name, each in value.items() if each is not None}

    @model_validator(mode="after")
    def _one_main_category(self) -> "ItemIn":
        if self.category and self.categories:
            first = self.categories[0]
            if self.category not in (first, first.split(PATH)[0]):
                raise PydanticCustomError(
                    "two_categories", "category must be the first level of the first of categories"
                )
        return self


class BatchItem(ItemIn):
    """An item of a batch."""

    id: Id


def item_values(item_id: str, item: ItemIn) -> dict[str, Any]:
    """A whole item as `database.item_writes` takes it."""
    paths = list(dict.fromkeys(item.categories or ((item.category,) if item.category else ())))
    main = paths[0].split(PATH) if paths else []
    reduced = item.price is not None and item.original_price is not None and item.original_price > item.price
    stock = item.availability.stock
    return {
        "item_id": item_id,
        "kind": item.kind,
        "title": item.title,
        "description": item.description,
        "category": main[0] if main else None,
        "sub_category": main[1] if len(main) > 1 else None,
        "categories": paths,
        "tags": list(item.labels),
        "image_url": item.image,
        "link": item.link,
        "rating": item.rating,
        "rating_count": item.rating_count,
        "price": item.price,
        "original_price": item.original_price,
        "discount_ratio": 1 - (item.price or 0) / (item.original_price or 1) if reduced else None,
        "hidden": item.availability.hidden,
        "available": item.availability.available or stock == 0,
        "stock": stock,
        "publish_at": _written(item.publish_at),
        "expire_at": _written(item.expire_at),
        "dated_at": _written(item.timestamp),
        "attributes": item.attributes,
    }


def document_of(stored: ItemRow) -> dict[str, Any]:
    """A stored item as a whole item is sent: what a change is laid over."""
    shape = item_shape(item_of(stored))
    shape["availability"]["available"] = stored.available is not False
    return shape


def merged(document: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """A document after a JSON merge patch (RFC 7396): what is null is taken out.

    A new price ends the sale of the old one, and a new category replaces all of them, unless the patch says
    otherwise.

    >>> merged({"price": 2, "original_price": 4, "attributes": {"a": 1}}, {"price": 3})
    {'price': 3, 'attributes': {'a': 1}}
    """
    implied = {"price": "original_price", "category": "categories", "categories": "category"}
    dropped = {other for name, other in implied.items() if name in patch and other not in patch}
    result = {name: value for name, value in document.items() if name not in dropped}
    return _laid_over(result, patch)


def _laid_over(document: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(document)
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict):
            below = result.get(name)
            result[name] = _laid_over(below if isinstance(below, dict) else {}, value)
        else:
            result[name] = value
    return result


def _written(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()


def as_kept(value: Any) -> Any:
    """An attribute as it is kept: a time in UTC, as text; a whole number without a point."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    moment = as_time(value) if isinstance(value, str) else None
    return value if moment is None else moment.isoformat().replace("+00:00", "Z")
