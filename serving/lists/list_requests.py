"""What requests of /v1 ask for, and what they get: one shape for every list."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from serving.types import Ranked

By = Literal["people", "meaning", "title", "bought_together"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRequest:
    """What every list may be asked."""

    n: int
    filter: str | None = None
    """Which items may be in it, in the language of `serving.conditions`."""
    exclude: tuple[str, ...] = ()
    """Ids of items that are in no case in it."""
    earlier_pages: frozenset[int] = frozenset()
    """`page_key` of each item that they showed."""
    explain: bool = False
    variants: bool = False
    """Whether several variants of an item may be in it."""


@dataclass(frozen=True, slots=True)
class SessionEvent:
    """Something that a visitor did, as the request itself says; the latest come last."""

    item_id: str | None
    event_type: str = "click"
    query: str | None = None
    value: float | None = None
    weight: float | None = None
    """In place of its type's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserListRequest(ListRequest):
    """Items for a user, for a visitor's session, for both, or for anybody."""

    user_id: str | None = None
    session: tuple[SessionEvent, ...] = ()
    diversity: float | None = None
    include_seen: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsListRequest(ListRequest):
    """Items that go with several others, such as those of a cart."""

    item_ids: tuple[str, ...]
    diversity: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarListRequest(ListRequest):
    """Items like one item."""

    item_id: str
    by: By


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchListRequest(ListRequest):
    """Items for a query; without one, all that the filter lets through."""

    query: str | None = None
    sort: str | None = None
    """A field of numbers or times, with a minus for the largest first; None: how well it fits."""
    facets: tuple[str, ...] = ()
    """Fields whose values are counted over all that is found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendingListRequest(ListRequest):
    """What many users choose just now."""

    category: str | None = None
    hours: int | None = None
    """Of how many hours; None: the hourly scores of `trending.window_days`, where late events count more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankListRequest(ListRequest):
    """The caller's own items in the order that is best for a user."""

    item_ids: tuple[str, ...]
    user_id: str | None = None
    session: tuple[SessionEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class FacetValue:
    """How many of the found items have a value."""

    value: Any
    count: int


@dataclass(frozen=True, slots=True)
class Facet:
    """A field over all that is found: its most frequent values, or the range of its numbers."""

    values: tuple[FacetValue, ...] = ()
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True)
class ListResponse:
    """A list, and what there is to say of it."""

    items: Sequence[Ranked]
    fallback: str | None = None
    """Why these are not what was asked for; None where they are."""
    unknown_items: tuple[str, ...] = ()
    """Ids of the request that no item has."""
    withdrawn_items: tuple[str, ...] = ()
    """Ids of the request whose items may be in no list now."""
    total: int | None = None
    """How many items there are on all pages of a search."""
    facets: Mapping[str, Facet] = field(default_factory=dict)


KEY_BITS = 40


def page_key(identity: int) -> int:
    """What stands for an item in a page's token: the upper bits of its identity.

    Two of a million items share them once in two million; one of the two is then missing on a later page.
    """
    return identity >> (64 - KEY_BITS)
