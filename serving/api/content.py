"""Content of the hybrid API."""

from typing import Annotated

from fastapi import APIRouter, Body, Path, Query
from starlette.responses import Response

from serving.api.errors import documented
from serving.api.fields import Kind, KnownId, Label, kinds_of
from serving.api.protocol import PlaneProtocol
from serving.api.quick_route import QuickRoute
from serving.api.responses import answer
from serving.api.schemas import hybrid as shapes
from serving.api.state import Plane
from serving.catalogue.drafts import ItemDraft
from serving.errors import ItemNotFoundError
from serving.types import Item

router = APIRouter(prefix="/content", tags=["content"], route_class=QuickRoute)

ContentInPath = Annotated[KnownId, Path(examples=["content456"])]
NewContent = Annotated[
    shapes.ContentIn,
    Body(
        examples=[
            {
                "content_id": "content456",
                "title": "ML Basics",
                "category": "machine-learning",
                "tags": ["beginner", "tutorial"],
                "description": "From lines to trees, with Python.",
            }
        ]
    ),
]


@router.post(
    "",
    status_code=201,
    response_model=shapes.EmbeddedContent,
    responses=documented(400, 401, 409, 413, 422, 503),
    summary="Create a content item",
)
async def create_content(plane: Plane, body: NewContent) -> Response:
    """Included in searches and recommendations from the next request on."""
    item = await plane.create_item(
        ItemDraft(
            kind="content",
            item_id=body.content_id,
            title=body.title,
            description=body.description,
            category=body.category,
            tags=body.tags,
        )
    )
    return answer(shapes.embedded_content(item, await plane.embedding(item.item_id)), 201)


@router.get(
    "/category/{category:path}",
    response_model=list[shapes.ContentOut],
    responses=documented(422),
    summary="Content of a category",
)
async def list_category(
    plane: Plane,
    category: Annotated[Label, Path(examples=["machine-learning"])],
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    kind: Kind = None,
) -> Response:
    """Empty if no content has this category. The header `X-Total-Count` has the total. Without vectors."""
    own = None if kind == "all" else kind or "content"
    items, total = await plane.list_items(own, category, offset, limit)
    return answer([shapes.content_shape(item) for item in items], headers={"X-Total-Count": str(total)})


@router.get(
    "/{content_id:path}",
    response_model=shapes.EmbeddedContent,
    responses=documented(404, 422),
    summary="A content item",
)
async def get_content(plane: Plane, content_id: ContentInPath, kind: Kind = None) -> Response:
    """For an item of another kind, give `kind`."""
    item = await _found(plane, content_id, kind)
    return answer(shapes.embedded_content(item, await plane.embedding(item.item_id)))


@router.delete(
    "/{content_id:path}",
    status_code=204,
    responses=documented(401, 404, 422, 503),
    summary="Delete a content item",
)
async def delete_content(plane: Plane, content_id: ContentInPath, kind: Kind = None) -> Response:
    """It is out of every list at the next request. For an item of another kind, give `kind`."""
    item = await _found(plane, content_id, kind)
    await plane.delete_item(item.item_id)
    return Response(status_code=204)


async def _found(plane: PlaneProtocol, content_id: str, kind: str | None) -> Item:
    item = await plane.get_item(content_id)
    kinds = kinds_of(kind, "content")
    if item is None or (kinds is not None and item.kind not in kinds):
        raise ItemNotFoundError(content_id)
    return item
