"""What the service's functions take and give: arrays, items, and items placed in a list with their reason."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int32]
"""Rows of the catalogue."""

Groups = NDArray[np.int32]
"""A number for each item; those that share it are alike."""

Identities = NDArray[np.uint64]
"""By these ties are broken: the same on every worker, whose rows may differ."""

Mask = NDArray[np.bool_]
Scores = NDArray[np.float32]
Doubles = NDArray[np.float64]
Vector = NDArray[np.float32]
"""float32[d], the meaning of one text or item."""

Clock = Callable[[], datetime]
"""What time it is, in UTC; tests set it."""

KINDS = ("product", "content", "article")
"""Kinds of items; their position is the kind's code in arrays."""

PATH = " > "
"""What separates the levels of a category's path."""

AttributeValue = str | float | int | bool | list[str] | None
"""A value of an attribute of the shop's own; a time is text as ISO 8601 writes it, in UTC."""

NO_ATTRIBUTES: Mapping[str, Any] = {}
"""Of most items: one for all of them."""

Kinds = frozenset[str] | None
"""The kinds a list may hold; None is all of them."""


@dataclass(frozen=True, slots=True)
class Item:
    """One item of the live catalogue, as the service shows it."""

    item_id: str
    kind: str
    title: str | None
    description: str | None = None
    category: str | None = None
    sub_category: str | None = None
    tags: tuple[str, ...] = ()
    image_url: str | None = None
    link: str | None = None
    rating: float | None = None
    rating_count: int | None = None
    price: float | None = None
    original_price: float | None = None
    discount_ratio: float | None = None
    hidden: bool = False
    """Taken out of every list by its owner."""
    available: bool = True
    """Whether it can be had; what can't is in no list."""
    publish_at: datetime | None = None
    """It is in no list before this moment."""
    expire_at: datetime | None = None
    """It is in no list from this moment on."""
    categories: tuple[str, ...] = ()
    """Paths of all its categories, the main one first, their levels separated by PATH; may be of an older
    `category`."""
    stock: int | None = None
    """How many there are; None is not counted."""
    timestamp: datetime | None = None
    """The item's own date, such as when it was made."""
    attributes: Mapping[str, Any] = field(default_factory=lambda: NO_ATTRIBUTES, hash=False)
    """The shop's own, an AttributeValue each."""
    article_id: int | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def name(self) -> str:
        """What a reason calls the item: its title, or its id while only interactions know it."""
        return self.title or self.item_id


def category_paths(item: Item) -> list[str]:
    """Paths of an item's categories, the main one first.

    Category and sub-category win over paths that were written before them: an edit through one of the
    original APIs, or a file, changes those alone.

    >>> category_paths(Item("1", "product", "Pear", category="Food", sub_category="Fruit"))
    ['Food > Fruit']
    """
    own = [level for level in (item.category, item.sub_category) if level]
    if item.categories and item.categories[0].split(PATH)[:2] == own:
        return list(item.categories)
    if not own:
        return list(item.categories)
    return [PATH.join(own), *(path for path in item.categories[1:] if path != PATH.join(own))]


class Reason(str):
    """Why an item is in a list: a text, and its parts for a shop that words it in its own language."""

    code: str
    """What kind of reason it is."""
    item: str | None
    """Id of the item that it names."""
    numbers: Mapping[str, float]
    """The numbers of the text, by name."""

    def __new__(cls, text: str, code: str, item: Item | None = None, **numbers: float) -> "Reason":
        """The reason of a code that names an item (or none) and tells numbers."""
        made = super().__new__(cls, text)
        made.code, made.item, made.numbers = code, None if item is None else item.item_id, numbers
        return made


UNTOLD = Reason("", "")
"""In place of a reason that nobody asked for."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """An item in a list: how good, put there by which model, and why in words."""

    item: Item
    score: float
    model: str
    reason: Reason
    """UNTOLD where nobody asked for it."""
    columns: Mapping[str, Mapping[str, float]] | None = None
    """What each source said of it (`sources`) and what each step gave (`steps`), when that was asked for."""


HOME_LISTS = ("personalized", "trending", "best_value", "top_categories", "diverse_picks")
"""Names of the lists of the home page."""


@dataclass(frozen=True, slots=True)
class HomeLists:
    """The five lists of the home page; those that were not asked for are empty."""

    personalized: list[Ranked] = field(default_factory=list)
    trending: list[Ranked] = field(default_factory=list)
    best_value: list[Ranked] = field(default_factory=list)
    top_categories: dict[str, list[Ranked]] = field(default_factory=dict)
    diverse_picks: list[Ranked] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Search results, and why they are trending items when nothing matched."""

    results: list[Ranked]
    fallback_reason: str | None = None
