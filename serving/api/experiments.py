"""Experiments and monitoring: the operators' endpoints of the service.

They ask the database on a thread of their own, over the same functions as `python -m experiments`:
these calls are rare, and no request of a shopper waits for one.
"""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError
from starlette.responses import Response

from database.connection import REPORT_SECONDS, connect
from database.experiments import (
    STARTED,
    Arm,
    ExperimentBusyError,
    ExperimentError,
    ExperimentUnknownError,
    list_experiments,
    start_experiment,
    stop_experiment,
)
from database.monitoring import drift_reports, guard_events, read_freshness
from database.settings import Settings
from experiments.reading import read_all
from serving.api.errors import ApiError, documented
from serving.api.responses import answer
from serving.api.schemas.experiments import ExperimentId, ExperimentIn, NewExperiment, Reason, reading_shape
from serving.api.state import Plane
from serving.database_errors import ask_in_thread
from training.params.experiments import ExperimentsParams
from training.params.ranking import BlendParams

router = APIRouter(tags=["experiments"])


@router.post(
    "/experiments",
    status_code=201,
    response_model=dict[str, Any],
    responses=documented(400, 401, 409, 413, 422, 503),
    summary="Start an experiment",
)
async def start(request: Request, plane: Plane, body: NewExperiment) -> Response:
    """Workers notice within seconds. One A/B test and one shadow test can run at a time."""
    made = await _asked(request, "starting an experiment", _start, body, plane.params.blend)
    return answer(made, 201)


@router.post(
    "/experiments/{experiment_id}/stop",
    response_model=dict[str, Any],
    responses=documented(400, 401, 404, 413, 422, 503),
    summary="Stop an experiment",
)
async def stop(request: Request, experiment_id: ExperimentId, body: Reason) -> Response:
    """All users get the deployed bundle again; the results stay readable."""
    return answer(await _asked(request, "stopping an experiment", _stop, experiment_id, body.reason))


@router.get(
    "/experiments",
    response_model=list[dict[str, Any]],
    responses=documented(422, 503),
    summary="The latest experiments",
)
async def latest(request: Request, limit: Annotated[int, Query(ge=1, le=100)] = 20) -> Response:
    """Newest first; a running one has no `stopped_at`."""
    return answer(await _asked(request, "listing the experiments", _latest, limit))


@router.get(
    "/experiments/{experiment_id}",
    response_model=dict[str, Any],
    responses=documented(404, 422, 503),
    summary="Results of an experiment",
)
async def read(request: Request, plane: Plane, experiment_id: ExperimentId) -> Response:
    """Each arm's click rate and outcomes with their intervals, and a verdict that is valid however often it
    is read; it is withheld if the arms don't have their shares of the users. For a shadow test also the
    estimated click rate of the shadow lists."""
    params = plane.params.experiments
    return answer(await _asked(request, "reading an experiment", _read, experiment_id, params))


@router.get(
    "/monitoring", response_model=dict[str, Any], responses=documented(503), summary="Freshness, drift, guard"
)
async def monitoring(request: Request) -> Response:
    """Freshness, the latest drift report, the guard's latest decisions and the drop that it finds here."""
    return answer(await _asked(request, "reading the monitoring", _watch))


async def _asked(request: Request, operation: str, question: Any, *arguments: Any) -> Any:
    """Run a database call in a thread; its errors become API errors, `operation` names it in them."""
    try:
        return await ask_in_thread(operation, question, request.app.state.settings, *arguments)
    except ExperimentUnknownError as error:
        raise ApiError(404, "not_found", str(error)) from error
    except ExperimentBusyError as error:
        raise ApiError(409, "already_exists", str(error)) from error
    except ExperimentError as error:
        raise ApiError(422, "invalid", str(error)) from error


def _start(settings: Settings, body: ExperimentIn, blend: BlendParams) -> dict[str, Any]:
    for arm in body.arms:
        try:
            blend.changed(arm.blend or {})
        except ValueError as error:
            why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            raise ApiError(422, "invalid", f"blend of arm {arm.name!r}: {why}") from error
    arms = [Arm(**arm.model_dump()) for arm in body.arms]
    with connect(settings, REPORT_SECONDS) as conn:
        return asdict(start_experiment(conn, body.experiment_id, body.kind, arms))


def _stop(settings: Settings, experiment_id: str, reason: str) -> dict[str, Any]:
    with connect(settings, REPORT_SECONDS) as conn:
        return asdict(stop_experiment(conn, experiment_id, reason))


def _latest(settings: Settings, limit: int) -> list[dict[str, Any]]:
    with connect(settings, REPORT_SECONDS) as conn:
        return [asdict(one) for one in list_experiments(conn, limit, kinds=STARTED)]


def _read(settings: Settings, experiment_id: str, params: ExperimentsParams) -> dict[str, Any]:
    with connect(settings, REPORT_SECONDS) as conn:
        return reading_shape(*read_all(conn, experiment_id, datetime.now(UTC), params))


def _watch(settings: Settings) -> dict[str, Any]:
    with connect(settings, REPORT_SECONDS) as conn:
        drift = drift_reports(conn, 1)
        return {
            "freshness": asdict(read_freshness(conn)),
            "drift": asdict(drift[0]) if drift else None,
            "guard": [asdict(event) for event in guard_events(conn, 10)],
            "guard_power": drift[0].report.get("guard_power") if drift else None,
        }
