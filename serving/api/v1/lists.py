"""Lists of /v1: recommendations, similar items, search, trends, and the order of the caller's own items."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Body
from starlette.responses import Response

from database.event_types import EVENT_TYPES
from serving.api.errors import ApiError
from serving.api.protocol import PlaneProtocol
from serving.api.quick_route import QuickRoute
from serving.api.responses import answer
from serving.api.state import Plane
from serving.api.v1.item import recommended_shape
from serving.api.v1.list_bodies import (
    ListBody,
    ListOut,
    OrderOut,
    RecommendBody,
    RerankBody,
    SearchBody,
    SearchOut,
    SimilarBody,
    TrendingBody,
)
from serving.api.v1.pages import next_page
from serving.api.v1.problems import documented
from serving.conditions.tree import FilterError
from serving.errors import DatabaseUnavailableError
from serving.lists.list_requests import (
    ListRequest,
    ListResponse,
    RerankListRequest,
    SearchListRequest,
    UserListRequest,
)
from serving.request_context import current_request
from serving.types import Ranked, Reason

router = APIRouter(tags=["v1 lists"], route_class=QuickRoute)

_PLAIN = frozenset(EVENT_TYPES) - {"search_query"}
"""What an event with an item may count as."""

_FILTER = 'price < 20 and category in ["Kitchen", "Home"]'
Recommend = Annotated[
    RecommendBody, Body(examples=[{"user_id": "8a6e0804-2bd0-4672-b79d-d97027f9071a", "filter": _FILTER}])
]
Similar = Annotated[SimilarBody, Body(examples=[{"item_id": "1095275", "by": "bought_together", "n": 5}])]
Search = Annotated[
    SearchBody, Body(examples=[{"query": "tea", "sort": "-price", "facets": ["category", "price"]}])
]
Trending = Annotated[TrendingBody, Body(examples=[{"hours": 24, "category": "Kitchen"}])]
Rerank = Annotated[RerankBody, Body(examples=[{"user_id": "u1", "item_ids": ["1095275", "1095276"]}])]


@router.post(
    "/recommend",
    operation_id="recommend",
    response_model=ListOut,
    responses=documented(400, 413),
    summary="Items for a user, a session or a cart",
)
async def recommend(plane: Plane, body: Recommend) -> Response:
    """By the user's events, those of the session in the request, or both; by what is bought with the items of
    a cart. Whoever nothing is known of gets popular items."""
    return await _list(plane, body)


@router.post(
    "/similar",
    operation_id="similar",
    response_model=ListOut,
    responses=documented(400, 404, 413),
    summary="Similar items",
)
async def similar(plane: Plane, body: Similar) -> Response:
    """By `people`, an item that nobody has chosen yet is compared by text and price, so there is a list from
    its first minute. `bought_together` has only what baskets say: it may be empty."""
    return await _list(plane, body)


@router.post(
    "/search",
    operation_id="search",
    response_model=SearchOut,
    responses=documented(400, 413),
    summary="Search, or list all items of a filter",
)
async def search(plane: Plane, body: Search) -> Response:
    """By words and meaning. When nothing matches, `items` is empty and `total` 0."""
    return await _list(plane, body)


@router.post(
    "/trending",
    operation_id="trending",
    response_model=ListOut,
    responses=documented(400, 413),
    summary="Trending items",
)
async def trending(plane: Plane, body: Trending) -> Response:
    """The same for everybody. The events of `hours` are read at most once a minute."""
    return await _list(plane, body)


@router.post(
    "/rerank",
    operation_id="rerank",
    response_model=OrderOut,
    responses=documented(400, 413),
    summary="Put your own items in order for a user",
)
async def rerank(plane: Plane, body: Rerank) -> Response:
    """Every item that is sent comes back: in `items`, best first, or named in `unknown_items` or
    `withdrawn_items`."""
    made = await _made(plane, await _in_own_words(plane, body.list_request()), body.shown)
    return answer(
        _shape(plane, made, None)
        | {"unknown_items": made.unknown_items, "withdrawn_items": made.withdrawn_items}
    )


async def _list(plane: PlaneProtocol, body: ListBody) -> Response:
    list_request = await _in_own_words(plane, body.list_request())
    made = await _made(plane, list_request, body.shown)
    following = None
    if len(made.items) == list_request.n:
        following = next_page(body.LIST, body.first_request(), list_request.earlier_pages, made.items)
    shape = _shape(plane, made, following)
    if made.unknown_items:
        shape["unknown_items"] = made.unknown_items
    if isinstance(list_request, SearchListRequest):
        shape |= {"total": made.total, "facets": {name: _facet(each) for name, each in made.facets.items()}}
    return answer(shape)


async def _in_own_words(plane: PlaneProtocol, list_request: ListRequest) -> ListRequest:
    """The same, with what the shop's words for the events of its session count as."""
    if not isinstance(list_request, UserListRequest | RerankListRequest):
        return list_request
    if all(each.item_id is None or each.event_type in _PLAIN for each in list_request.session):
        return list_request
    try:
        words = await plane.event_words()
    except DatabaseUnavailableError:  # lists go on without the database, by what was last read
        words = await plane.remembered_event_words()
    session = []
    for index, each in enumerate(list_request.session):
        meaning = words.meaning(each.event_type, each.value)
        if meaning is None:
            reason = "is not defined: PUT /v1/event-types says what it counts as"
            raise ApiError(422, "invalid", reason, f"session.{index}.type")
        if meaning.event_type == "search_query" and each.query is None:
            raise ApiError(
                422, "invalid", "is a search: it needs a query, and no item", f"session.{index}.type"
            )
        session.append(replace(each, event_type=meaning.event_type, weight=meaning.weight))
    return replace(list_request, session=tuple(session))


async def _made(plane: PlaneProtocol, list_request: ListRequest, shown: int | None) -> ListResponse:
    request = current_request.get()
    if request is not None:
        request.credited, request.shown = True, shown
    try:
        return await plane.lists.answer(list_request)
    except FilterError as error:
        raise ApiError(422, "invalid_filter", str(error), error.source) from error


def _shape(plane: PlaneProtocol, made: ListResponse, following: str | None) -> dict[str, Any]:
    request = current_request.get()
    shape: dict[str, Any] = {
        "recommendation_id": None if request is None else str(request.answer_id),
        "items": [_item(each) for each in made.items],
        "bundle": (request and request.bundle_id) or plane.bundle_id,
        "next": following,
    }
    return shape if made.fallback is None else shape | {"fallback": made.fallback}


def _item(ranked: Ranked) -> dict[str, Any]:
    shape = recommended_shape(ranked.item, ranked.score, ranked.model, _reason(ranked.reason))
    return shape if ranked.columns is None else shape | {"columns": ranked.columns}


def _reason(reason: Reason) -> dict[str, Any]:
    return {"text": str(reason), "code": reason.code, "item": reason.item, "numbers": reason.numbers}


def _facet(facet: Any) -> dict[str, Any]:
    values = [{"value": each.value, "count": each.count} for each in facet.values]
    return {"values": values, "min": facet.least, "max": facet.most}
