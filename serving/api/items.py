"""Items of any kind: taken out of lists and put back, or deleted."""

from typing import Annotated

from fastapi import APIRouter, Body, Path
from starlette.responses import Response

from serving.api.errors import documented
from serving.api.fields import KnownId
from serving.api.responses import answer
from serving.api.schemas.items import ItemOut, ItemPatch, item_changes, item_shape
from serving.api.state import Plane
from serving.errors import ItemNotFoundError

router = APIRouter(prefix="/items", tags=["items"])

ItemInPath = Annotated[KnownId, Path(examples=["ABCD1234XY"])]
Patch = Annotated[ItemPatch, Body(examples=[{"available": False}])]


@router.get(
    "/{item_id:path}", response_model=ItemOut, responses=documented(404, 422), summary="An item of any kind"
)
async def get_item(plane: Plane, item_id: ItemInPath) -> Response:
    """What is hidden, out of stock, not published yet or expired is found here, and in no list."""
    item = await plane.get_item(item_id)
    if item is None:
        raise ItemNotFoundError(item_id)
    return answer(item_shape(item))


@router.patch(
    "/{item_id:path}",
    response_model=ItemOut,
    responses=documented(400, 401, 404, 413, 422, 503),
    summary="Take an item out of lists, or put it back",
)
async def change_item(plane: Plane, item_id: ItemInPath, body: Patch) -> Response:
    """It holds for every list at the next request; models go on learning from the item's interactions."""
    return answer(item_shape(await plane.update_item(item_id, item_changes(body))))


@router.delete(
    "/{item_id:path}", status_code=204, responses=documented(401, 404, 422, 503), summary="Delete an item"
)
async def delete_item(plane: Plane, item_id: ItemInPath) -> Response:
    """It is out of every list at the next request, and stays out when a file names it again."""
    await plane.delete_item(item_id)
    return Response(status_code=204)
