"""Recommendations of the hybrid API, and the interactions with them."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Body
from starlette.responses import Response

from database.interactions import Recorded
from serving.api.errors import documented
from serving.api.fields import LISTS_ARE_SHOWN, Explain, Kind, kinds_of
from serving.api.idempotency import IdempotencyKey
from serving.api.protocol import PlaneProtocol
from serving.api.quick_route import QuickRoute
from serving.api.responses import answer
from serving.api.schemas import hybrid as shapes
from serving.api.state import Plane
from serving.catalogue.drafts import InteractionDraft
from serving.errors import ItemNotFoundError

router = APIRouter(prefix="/recommendations", tags=["recommendations"], route_class=QuickRoute)

_SIGNS = {"positive": 1.0, "neutral": 0.0, "negative": -1.0}

RecommendBody = Annotated[
    shapes.RecommendationsRequest,
    Body(
        examples=[
            {
                "user_id": "user123",
                "n_recommendations": 10,
                "use_cf": True,
                "use_embeddings": True,
                "cf_weight": 0.5,
            }
        ]
    ),
]
Interact = Annotated[
    shapes.InteractRequest,
    Body(
        examples=[
            {
                "user_id": "user123",
                "content_id": "content456",
                "interaction_type": "click",
                "duration_seconds": 120,
            }
        ]
    ),
]
Feedback = Annotated[
    shapes.FeedbackRequest,
    Body(examples=[{"user_id": "user123", "content_id": "content456", "feedback_type": "positive"}]),
]


@router.post(
    "",
    dependencies=LISTS_ARE_SHOWN,
    response_model=shapes.Recommendations,
    responses=documented(400, 413, 422, 503),
    summary="Content for a user",
)
async def recommend(
    plane: Plane, body: RecommendBody, kind: Kind = None, explain: Explain = False
) -> Response:
    """`method` says how each was found: hybrid, cf, embeddings, interests or popular. Unknown
    users are a cold start, not an error. Without `cf_weight` the configured weights are used."""
    ranked = await plane.lists.hybrid(
        body.user_id,
        body.n_recommendations,
        use_cf=body.use_cf,
        use_embeddings=body.use_embeddings,
        cf_weight=body.cf_weight,
        kinds=kinds_of(kind, "content"),
        explain=explain,
    )
    return answer(
        {
            "user_id": body.user_id,
            "recommendations": [shapes.recommended_content(entry, explain) for entry in ranked],
            "timestamp": datetime.now(UTC),
        }
    )


@router.post(
    "/interact",
    response_model=shapes.InteractionOut,
    responses=documented(400, 401, 404, 413, 422, 503),
    summary="Record an interaction",
)
async def interact(plane: Plane, dedup_key: IdempotencyKey, body: Interact) -> Response:
    """Content must exist, of any kind (404); an unknown user is created."""
    draft = InteractionDraft(
        user_id=body.user_id,
        event_type=body.interaction_type,
        item_id=body.content_id,
        value=body.duration_seconds,
        occurred_at=datetime.now(UTC),
        dedup_key=dedup_key,
    )
    stored = await _record(plane, draft)
    return answer(
        {
            "interaction_id": stored.interaction_id,
            "user_id": body.user_id,
            "content_id": body.content_id,
            "interaction_type": body.interaction_type,
            "duration_seconds": body.duration_seconds,
            "timestamp": stored.occurred_at,
        }
    )


@router.post(
    "/feedback",
    response_model=shapes.FeedbackOut,
    responses=documented(400, 401, 404, 413, 422, 503),
    summary="Record feedback on a content item",
)
async def feedback(plane: Plane, dedup_key: IdempotencyKey, body: Feedback) -> Response:
    """Content must exist, of any kind (404); an unknown user is created. It affects the next list."""
    draft = InteractionDraft(
        user_id=body.user_id,
        event_type="feedback",
        item_id=body.content_id,
        value=_SIGNS[body.feedback_type],
        occurred_at=datetime.now(UTC),
        dedup_key=dedup_key,
    )
    stored = await _record(plane, draft)
    return answer(
        {
            "interaction_id": stored.interaction_id,
            "user_id": body.user_id,
            "content_id": body.content_id,
            "feedback_type": body.feedback_type,
            "timestamp": stored.occurred_at,
        }
    )


async def _record(plane: PlaneProtocol, draft: InteractionDraft) -> Recorded:
    if await plane.get_item(draft.item_id or "") is None:
        raise ItemNotFoundError(draft.item_id or "")
    return await plane.record_interaction(draft)
