"""The lists of /v1: what to send, and how to read the response. Both clients have a method for each.

Every list takes a `filter` (`price < 20 and labels in ["new"]`), ids to `exclude`, `variants` (whether
several of one item may be in it) and `explain`. `next_page` reads the page after it.
"""

from collections.abc import Sequence
from typing import Any, Literal

from . import types
from .calls import Call

ListName = Literal["recommend", "similar", "search", "trending"]
By = Literal["people", "meaning", "title", "bought_together"]


def recommend(
    user_id: str | None = None,
    *,
    session: Sequence[types.SessionEvent] = (),
    item_ids: Sequence[str] = (),
    n: int | None = None,
    filter: str | None = None,
    exclude: Sequence[str] = (),
    diversity: float | None = None,
    include_seen: bool = False,
    variants: bool = False,
    explain: bool = False,
) -> Call[types.ItemList]:
    """Items for a user, a session or the items of a cart; without any of them, popular items."""
    body = _body(n, filter, exclude, explain, variants=variants, user_id=user_id, diversity=diversity)
    lists = _some(session=session, item_ids=item_ids)
    return _post("recommend", body | lists | ({"include_seen": True} if include_seen else {}))


def similar_to(
    item_id: str,
    *,
    by: By | None = None,
    n: int | None = None,
    filter: str | None = None,
    exclude: Sequence[str] = (),
    variants: bool = False,
    explain: bool = False,
) -> Call[types.ItemList]:
    """Similar items: by people, by baskets, by meaning or by title. Raises NotFound."""
    return _post("similar", _body(n, filter, exclude, explain, variants=variants, item_id=item_id, by=by))


def search_items(
    query: str | None = None,
    *,
    n: int | None = None,
    filter: str | None = None,
    exclude: Sequence[str] = (),
    sort: str | None = None,
    facets: Sequence[str] = (),
    variants: bool = False,
    explain: bool = False,
) -> Call[types.FoundItems]:
    """Items for a query, or all that the filter lets through; `total` and `facets` count all of them."""
    body = _body(n, filter, exclude, explain, variants=variants, query=query, sort=sort)
    return Call("POST", "/v1/search", _whole, body=body | _some(facets=facets))


def trending(
    *,
    hours: int | None = None,
    category: str | None = None,
    n: int | None = None,
    filter: str | None = None,
    exclude: Sequence[str] = (),
    variants: bool = False,
    explain: bool = False,
) -> Call[types.ItemList]:
    """What many users choose just now, or in the last `hours`."""
    return _post(
        "trending", _body(n, filter, exclude, explain, variants=variants, hours=hours, category=category)
    )


def rerank(
    item_ids: Sequence[str],
    user_id: str | None = None,
    *,
    session: Sequence[types.SessionEvent] = (),
    explain: bool = False,
) -> Call[types.OrderedItems]:
    """Your own items in the order that is best for a user."""
    body = _body(None, None, (), explain, user_id=user_id, item_ids=list(item_ids))
    return Call("POST", "/v1/rerank", _whole, body=body | _some(session=session))


def next_page(name: ListName, page: str, *, n: int | None = None) -> Call[types.ItemList]:
    """The page after a list: its name, and its `next`."""
    return _post(name, {"page": page} | ({} if n is None else {"n": n}))


def _post(name: str, body: dict[str, Any]) -> Call[types.ItemList]:
    return Call("POST", f"/v1/{name}", _whole, body=body)


def _body(
    n: int | None,
    filter: str | None,
    exclude: Sequence[str],
    explain: bool,
    *,
    variants: bool = False,
    **values: Any,
) -> dict[str, Any]:
    given = {"n": n, "filter": filter, **values}
    body = {name: value for name, value in given.items() if value is not None}
    asked = {"explain": explain, "variants": variants}
    return body | _some(exclude=exclude) | {name: True for name, said in asked.items() if said}


def _some(**values: Sequence[Any]) -> dict[str, Any]:
    """The lists that have anything in them."""
    return {name: list(value) for name, value in values.items() if value}


def _whole(body: Any) -> Any:
    return body
