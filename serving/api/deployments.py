"""What serves, and taking it back."""

from typing import Annotated

from fastapi import APIRouter, Body, Request
from pydantic import BaseModel
from starlette.responses import Response

from database.deployments import PromotionBusy
from database.rollback import RollbackError
from serving.api.answers import answer
from serving.api.errors import ApiError, documented
from serving.api.fields import Title
from serving.rollback import take_back

router = APIRouter(tags=["training"])


class RollbackRequest(BaseModel, extra="forbid"):
    """Why."""

    reason: Title


class RollbackAnswer(BaseModel):
    """What serves now, and what was taken out of service."""

    status: str
    bundle: str
    replaced: str
    reason: str


@router.post(
    "/training/rollback",
    response_model=RollbackAnswer,
    responses=documented(400, 401, 409, 413, 422, 503),
    summary="Go back to the previous bundle",
)
async def roll_back(
    request: Request,
    body: Annotated[RollbackRequest, Body(examples=[{"reason": "fewer clicks since noon"}])],
) -> Response:
    """The newest bundle that served before, and was not itself taken back, serves again: whole, recorded with
    the reason, followed by every worker at its next request. 409 when there is none, or a promotion runs."""
    try:
        now, left = await take_back(request.app.state.settings, body.reason)
    except (RollbackError, PromotionBusy) as error:
        code = "nothing_to_roll_back" if isinstance(error, RollbackError) else "promotion_under_way"
        raise ApiError(409, code, str(error)) from error
    return answer(
        {"status": "rolled_back", "bundle": now.bundle_id, "replaced": left.bundle_id, "reason": now.reason}
    )
