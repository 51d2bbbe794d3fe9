"""Users of the hybrid contract: who they say they are, and what they met."""

from typing import Annotated

from fastapi import APIRouter, Body, Path
from starlette.responses import Response

from serving.api.errors import documented
from serving.api.fields import KnownId
from serving.api.protocol import PlaneProtocol
from serving.api.responses import answer
from serving.api.schemas import hybrid as shapes
from serving.api.state import Plane
from serving.catalogue.drafts import UserChanges, UserDraft

router = APIRouter(prefix="/users", tags=["users"])

HISTORY_DAYS = 365

UserInPath = Annotated[KnownId, Path(examples=["user123"])]
Newcomer = Annotated[
    shapes.UserIn,
    Body(examples=[{"user_id": "user123", "interests": ["ml", "python"], "skill_level": "intermediate"}]),
]
ChangedUser = Annotated[shapes.UserPatch, Body(examples=[{"interests": ["ml", "python", "data-science"]}])]


@router.post(
    "",
    status_code=201,
    response_model=shapes.UserOut,
    responses=documented(400, 401, 409, 413, 422, 503),
    summary="Create a user",
)
async def create_user(plane: Plane, body: Newcomer) -> Response:
    """Also for a user known only from interactions; their history is kept."""
    user = await plane.create_user(
        UserDraft(user_id=body.user_id, interests=body.interests, skill_level=body.skill_level)
    )
    return answer(shapes.user_shape(user, await _history(plane, body.user_id)), 201)


@router.get(
    "/{user_id:path}",
    response_model=shapes.UserOut,
    responses=documented(404, 422, 503),
    summary="A user and their history",
)
async def get_user(plane: Plane, user_id: UserInPath) -> Response:
    """`history` has the ids of items of every kind from the last year, newest first."""
    user = await plane.get_user(user_id)
    return answer(shapes.user_shape(user, await _history(plane, user_id)))


@router.put(
    "/{user_id:path}",
    response_model=shapes.UserOut,
    responses=documented(400, 401, 404, 413, 422, 503),
    summary="Change a user",
)
async def update_user(plane: Plane, user_id: UserInPath, body: ChangedUser) -> Response:
    """Omitted fields keep their values."""
    changes: UserChanges = {}
    if "interests" in body.model_fields_set:
        changes["interests"] = body.interests
    if "skill_level" in body.model_fields_set:
        changes["skill_level"] = body.skill_level
    user = await plane.update_user(user_id, changes)
    return answer(shapes.user_shape(user, await _history(plane, user_id)))


async def _history(plane: PlaneProtocol, user_id: str) -> list[str]:
    """Ids of the items in a user's history, newest first, each once."""
    events = await plane.user_interactions(user_id, HISTORY_DAYS)
    return list(dict.fromkeys(event.item_id for event in events if event.item_id is not None))
