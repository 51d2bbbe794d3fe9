"""Rolling back the bundle in service."""

import logging
from typing import Annotated

from fastapi import APIRouter, Body, Request
from pydantic import BaseModel
from starlette.background import BackgroundTask
from starlette.responses import Response

from database.deployments import PromotionBusyError
from database.rollback import OvertakenError, RollbackError
from serving.api.airflow_runs import Airflow, AirflowUnavailableError
from serving.api.errors import ApiError, documented
from serving.api.fields import KnownId, Title
from serving.api.responses import answer
from serving.api.state import Training
from serving.bundle.rollback import roll_back_bundle

logger = logging.getLogger(__name__)

router = APIRouter(tags=["training"])

_CODES: dict[type[Exception], str] = {
    RollbackError: "nothing_to_roll_back",
    OvertakenError: "another_bundle_serves",
    PromotionBusyError: "promotion_under_way",
}


class RollbackRequest(BaseModel, extra="forbid"):
    """The reason, and optionally the bundle that must be in service."""

    reason: Title
    bundle: KnownId | None = None
    """Rolled back only while it is in service, so that a request sent twice does not roll back twice."""


class RollbackAnswer(BaseModel):
    """The bundle in service now, and the one it replaced."""

    status: str
    bundle: str
    replaced: str
    reason: str


@router.post(
    "/training/rollback",
    response_model=RollbackAnswer,
    responses=documented(400, 401, 409, 413, 422, 503),
    summary="Roll back to the previous bundle",
)
async def roll_back(
    request: Request,
    airflow: Training,
    body: Annotated[RollbackRequest, Body(examples=[{"reason": "fewer clicks since noon"}])],
) -> Response:
    """Puts the latest earlier bundle that was not itself rolled back into service again, as a whole, with the
    reason. Workers switch at their next request. With `bundle`, only if that one is in service. 409 if there
    is no earlier bundle, another one is in service, or a promotion is running. Starts a `monitoring` run
    that updates MLflow's aliases."""
    try:
        now, left = await roll_back_bundle(request.app.state.settings, body.reason, body.bundle)
    except (RollbackError, PromotionBusyError) as error:
        raise ApiError(409, _CODES[type(error)], str(error)) from error
    content = {"status": "rolled_back", "bundle": now.bundle_id, "replaced": left.bundle_id}
    response = answer(content | {"reason": now.reason})
    response.background = BackgroundTask(_mirror, airflow, now.reason)
    return response


async def _mirror(airflow: Airflow, reason: str) -> None:
    try:
        await airflow.monitor(reason)
    except AirflowUnavailableError as error:
        logger.warning("MLflow's aliases will be updated by the next hourly run of `monitoring`: %s", error)
