"""Items of /v1, one by one."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from serving.api.responses import answer
from serving.api.state import Plane
from serving.api.v1.fields import Id
from serving.api.v1.item import ItemOut, item_shape
from serving.api.v1.problems import documented
from serving.errors import ItemNotFound

router = APIRouter(tags=["v1 items"])

ItemInPath = Annotated[Id, Path(examples=["1095275"])]


@router.get(
    "/items/{item_id:path}",
    operation_id="get_item",
    response_model=ItemOut,
    responses=documented(404, 503),
    summary="An item",
)
async def get_item(plane: Plane, item_id: ItemInPath) -> Response:
    """What is hidden, out of stock, not published yet or expired is found here, and in no list."""
    item = await plane.get_item(item_id)
    if item is None:
        raise ItemNotFound(item_id)
    return answer(item_shape(item))
