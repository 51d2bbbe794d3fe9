"""Items of /v1: one by one, in pages and in batches."""

import base64
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError
from starlette.responses import Response

from database.attributes import AttributeConflictError
from database.items import ItemRow
from serving.api.errors import ApiError
from serving.api.responses import answer
from serving.api.state import Plane
from serving.api.v1 import etags
from serving.api.v1.batches import LINE_RESULTS, BatchAnswer, batch_answer, batch_body
from serving.api.v1.etags import IfMatch, IfNoneMatch
from serving.api.v1.fields import Id
from serving.api.v1.item import ItemOut, item_shape
from serving.api.v1.item_in import BatchItem, ItemIn, document_of, item_values, merged
from serving.api.v1.problems import FieldProblem, documented
from serving.api.v1.rows import read_rows
from serving.catalogue.index import item_of
from serving.errors import ItemNotFoundError
from serving.types import PATH, Item, category_paths

router = APIRouter(tags=["v1 items"])

MAX_IDS = 1000
ItemInPath = Annotated[Id, Path(examples=["1095275"])]
_EXAMPLE = {
    "title": "Pears, 1 kg",
    "price": 2.49,
    "categories": ["Food > Fruit"],
    "labels": ["organic"],
    "availability": {"stock": 40},
    "attributes": {"origin": "Spain", "grams": 1000},
}
Whole = Annotated[ItemIn, Body(examples=[_EXAMPLE])]
Patch = Annotated[dict[str, Any], Body(examples=[{"price": 1.99, "availability": {"stock": 12}}])]


class ItemPage(BaseModel):
    """Items, and where the next ones begin."""

    items: list[ItemOut]
    missing: list[str] = Field(description="of the ids that were asked for, those that no item has")
    next_cursor: str | None = Field(description="send it as `cursor`; null at the end")


class CategoryCount(BaseModel):
    """A category and how many items in it may be in lists, those of the levels below it included."""

    path: str
    items: int


class Categories(BaseModel):
    """All categories, in order of their paths."""

    categories: list[CategoryCount]


@router.get(
    "/items",
    operation_id="list_items",
    response_model=ItemPage,
    responses=documented(503),
    summary="Items by id, or page by page",
)
async def list_items(
    plane: Plane,
    *,
    ids: Annotated[str | None, Query(description="separated by commas", examples=["1095275,1082185"])] = None,
    id: Annotated[list[Id] | None, Query(description="one id, also with a comma; repeat it for more")] = None,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_IDS)] = 100,
    kind: Annotated[str | None, Query(description="product, content or article")] = None,
    category: Annotated[str | None, Query(description="path of a category; those below it count")] = None,
) -> Response:
    """All live items in order of id, hidden ones too. Pages hold while items come and go between them."""
    asked = [*(id or []), *([each for each in ids.split(",") if each] if ids else [])]
    if asked:
        if len(asked) > MAX_IDS:
            raise ApiError(422, "invalid", f"at most {MAX_IDS} at once", "ids")
        found = await plane.items_by_id(asked)
        shapes = [item_shape(item) for item in found if item is not None]
        missing = [item_id for item_id, item in zip(asked, found, strict=True) if item is None]
        return answer({"items": shapes, "missing": missing, "next_cursor": None})
    items, more = await plane.items_after(
        None if cursor is None else _decoded(cursor), limit, lambda item: _wanted(item, kind, category)
    )
    following = _encoded(items[-1].item_id) if more else None
    return answer({"items": [item_shape(each) for each in items], "missing": [], "next_cursor": following})


@router.get(
    "/categories",
    operation_id="list_categories",
    response_model=Categories,
    responses=documented(503),
    summary="Categories",
)
async def list_categories(plane: Plane) -> Response:
    """Of the items that may be in lists."""
    counts = await plane.categories()
    return answer({"categories": [{"path": path, "items": count} for path, count in counts.items()]})


@router.post(
    "/items:batch",
    operation_id="put_items",
    status_code=207,
    response_model=BatchAnswer,
    responses={
        200: {"model": BatchAnswer, **LINE_RESULTS},
        207: LINE_RESULTS,
        **documented(400, 401, 413, 503),
    },
    openapi_extra=batch_body({"two": {"value": [{"id": "1", **_EXAMPLE}, {"id": "2", "title": "Plums"}]}}),
    summary="Put up to 10,000 items",
)
async def put_items(plane: Plane, request: Request) -> Response:
    """A JSON array or one object a line, each a whole item with its `id`. 200: all are stored; 207: `results`
    says which rows were refused and why, the others are stored, in one transaction after the last row has
    come. With `Accept: application/x-ndjson` the results come one a line. Vectors follow in the background:
    until then words find the items."""
    rows = await read_rows(request, BatchItem)
    stored: dict[str, bool] = {}
    conflicts: Mapping[int, AttributeConflictError] = {}
    if rows.good:
        order = list(rows.good)
        stored, found = await plane.replace_items([item_values(each.id, each) for each in rows.good.values()])
        conflicts = {order[place]: conflict for place, conflict in found.items()}
    refused = rows.bad | {index: [_of_conflict(each)] for index, each in conflicts.items()}
    return batch_answer(request, {index: each.id for index, each in rows.good.items()}, stored, refused)


@router.get(
    "/items/{item_id:path}",
    operation_id="get_item",
    response_model=ItemOut,
    responses={304: {"description": "It still has the ETag of If-None-Match"}, **documented(404, 503)},
    summary="An item",
)
async def get_item(plane: Plane, item_id: ItemInPath, if_none_match: IfNoneMatch = None) -> Response:
    """What is hidden, out of stock, not published yet or expired is found here, and in no list."""
    item = await plane.get_item(item_id)
    if item is None:
        raise ItemNotFoundError(item_id)
    return etags.read(item_shape(item), if_none_match)


@router.put(
    "/items/{item_id:path}",
    operation_id="put_item",
    response_model=ItemOut,
    responses={
        201: {"model": ItemOut, "description": "It is new"},
        **documented(400, 401, 409, 412, 413, 503),
    },
    summary="Put an item",
)
async def put_item(
    plane: Plane,
    item_id: ItemInPath,
    body: Whole,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Makes the item or replaces it; what is left out is cleared. In every list from the next request on."""
    _same_id(item_id, body)

    def make(stored: ItemRow | None) -> dict[str, Any]:
        etags.check(_shown(stored), if_match, if_none_match)
        return item_values(item_id, body)

    return await _replace(plane, item_id, make)


@router.patch(
    "/items/{item_id:path}",
    operation_id="change_item",
    response_model=ItemOut,
    responses=documented(400, 401, 404, 409, 412, 413, 503),
    summary="Change an item",
)
async def change_item(plane: Plane, item_id: ItemInPath, body: Patch, if_match: IfMatch = None) -> Response:
    """A JSON merge patch (RFC 7396): what is left out stays, null clears. A `price` alone ends a sale."""

    def make(stored: ItemRow | None) -> dict[str, Any]:
        if stored is None:
            raise ItemNotFoundError(item_id)
        etags.check(_shown(stored), if_match)
        try:
            changed = ItemIn.model_validate(merged(document_of(stored), body))
        except ValidationError as error:
            found = [{**each, "loc": ("body", *each["loc"])} for each in error.errors(include_url=False)]
            raise RequestValidationError(found) from error
        _same_id(item_id, changed)
        return item_values(item_id, changed)

    return await _replace(plane, item_id, make)


@router.delete(
    "/items/{item_id:path}",
    operation_id="delete_item",
    status_code=204,
    responses=documented(401, 404, 409, 412, 503),
    summary="Delete an item",
)
async def delete_item(plane: Plane, item_id: ItemInPath, if_match: IfMatch = None) -> Response:
    """It is out of every list at the next request, and stays out when a file names it again."""
    await plane.delete_item_if(item_id, lambda stored: etags.check(_shown(stored), if_match))
    return Response(status_code=204)


async def _replace(plane: Plane, item_id: str, make: Any) -> Response:
    try:
        item, created = await plane.replace_item(item_id, make)
    except AttributeConflictError as conflict:
        problem = _of_conflict(conflict)
        raise ApiError(422, "invalid", problem.detail, problem.field) from conflict
    shape = item_shape(item)
    return answer(shape, HTTPStatus.CREATED if created else HTTPStatus.OK, {"ETag": etags.etag_of(shape)})


def _same_id(item_id: str, body: ItemIn) -> None:
    if body.id not in (None, item_id):
        raise ApiError(422, "invalid", "must be the id of the path, or left out", "id")


def _shown(stored: ItemRow | None) -> dict[str, Any] | None:
    return None if stored is None else item_shape(item_of(stored))


def _of_conflict(conflict: AttributeConflictError) -> FieldProblem:
    return FieldProblem(field=f"attributes.{conflict.name}", detail=str(conflict))


def _wanted(item: Item, kind: str | None, category: str | None) -> bool:
    if kind is not None and item.kind != kind:
        return False
    return category is None or any(
        path == category or path.startswith(category + PATH) for path in category_paths(item)
    )


def _encoded(item_id: str) -> str:
    return base64.urlsafe_b64encode(item_id.encode()).decode().rstrip("=")


def _decoded(cursor: str) -> str:
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError as error:
        raise ApiError(422, "invalid", "is none that a page gave", "cursor") from error
