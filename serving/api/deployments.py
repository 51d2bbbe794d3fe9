"""What serves, and taking it back."""

import logging
from typing import Annotated

from fastapi import APIRouter, Body, Request
from pydantic import BaseModel
from starlette.background import BackgroundTask
from starlette.responses import Response

from database.deployments import PromotionBusy
from database.rollback import OvertakenError, RollbackError
from serving.api.airflow_runs import Airflow, AirflowUnavailable
from serving.api.errors import ApiError, documented
from serving.api.fields import KnownId, Title
from serving.api.responses import answer
from serving.api.state import Training
from serving.bundle.rollback import take_back

log = logging.getLogger(__name__)

router = APIRouter(tags=["training"])

_CODES: dict[type[Exception], str] = {
    RollbackError: "nothing_to_roll_back",
    OvertakenError: "another_bundle_serves",
    PromotionBusy: "promotion_under_way",
}


class RollbackRequest(BaseModel, extra="forbid"):
    """Why, and which bundle is to go."""

    reason: Title
    bundle: KnownId | None = None
    """Taken back only while it serves, so that a request sent twice does not go back twice."""


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
    airflow: Training,
    body: Annotated[RollbackRequest, Body(examples=[{"reason": "fewer clicks since noon"}])],
) -> Response:
    """The newest bundle that served before, and was not itself taken back, serves again: whole, recorded with
    the reason, followed by every worker at its next request. With `bundle` only that one is taken back. 409
    when there is none to go back to, another bundle serves, or a promotion runs. MLflow's aliases follow by
    a run of `monitoring` that this starts."""
    try:
        now, left = await take_back(request.app.state.settings, body.reason, body.bundle)
    except (RollbackError, PromotionBusy) as error:
        raise ApiError(409, _CODES[type(error)], str(error)) from error
    content = {"status": "rolled_back", "bundle": now.bundle_id, "replaced": left.bundle_id}
    response = answer(content | {"reason": now.reason})
    response.background = BackgroundTask(_mirror, airflow, now.reason)
    return response


async def _mirror(airflow: Airflow, reason: str) -> None:
    try:
        await airflow.monitor(reason)
    except AirflowUnavailable as error:
        log.warning("MLflow's aliases wait for the hourly run of `monitoring`: %s", error)
