"""The shop's interaction endpoints; the doubled word in their paths is the original shop API's."""

from typing import Annotated

from fastapi import APIRouter, Body, Path, Query
from starlette.responses import Response

from serving.api.errors import documented
from serving.api.fields import ShopUserId, clamp
from serving.api.idempotency import IdempotencyKey
from serving.api.quick_route import QuickRoute
from serving.api.responses import answer
from serving.api.schemas.shop import ShopInteraction, UserInteractions, interaction_shape
from serving.api.state import Plane
from serving.catalogue.drafts import InteractionDraft

router = APIRouter(prefix="/api/v1/interactions", tags=["interactions"], route_class=QuickRoute)

MAX_DAYS = 3650

_EXAMPLES = {
    "click": {
        "summary": "A click on a product",
        "value": {"user_id": "user123", "event_type": "product_click", "product_id": "ABCD1234XY"},
    },
    "search": {
        "summary": "A search",
        "value": {"user_id": "user123", "event_type": "search_query", "query": "red shoes"},
    },
}


@router.post(
    "/interactions",
    response_class=Response,
    responses={200: {"description": "Stored; empty body"}, **documented(400, 401, 413, 422, 503)},
    summary="Log an interaction",
)
async def log_interaction(
    plane: Plane,
    dedup_key: IdempotencyKey,
    body: Annotated[ShopInteraction, Body(openapi_examples=_EXAMPLES)],
) -> Response:
    """Stored when this returns, and used in the user's next list. Unknown users are created."""
    clicked = body.event_type == "product_click"
    await plane.record_interaction(
        InteractionDraft(
            user_id=body.user_id,
            event_type=body.event_type,
            item_id=body.product_id if clicked else None,
            query=None if clicked else body.query,
            dedup_key=dedup_key,
        )
    )
    return Response(status_code=200)


@router.get(
    "/interactions/{user_id}",
    response_model=UserInteractions,
    responses=documented(400, 422, 503),
    summary="A user's interactions, newest first",
)
async def user_interactions(
    plane: Plane,
    user_id: Annotated[ShopUserId, Path(description="1 to 50 letters or digits.", examples=["user123"])],
    days: Annotated[int, Query(description=f"How far back; clamped to 1..{MAX_DAYS}.")] = 30,
) -> Response:
    """All event types from all APIs; empty for unknown users."""
    stored = await plane.user_interactions(user_id, clamp(days, 1, MAX_DAYS))
    return answer({"user_id": user_id, "interactions": [interaction_shape(entry) for entry in stored]})
