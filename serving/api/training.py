"""Training and status: runs of the daily training in Airflow, and the bundle in service."""

import asyncio
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from starlette.responses import Response

from serving.api.airflow_runs import Airflow, AirflowUnavailableError
from serving.api.errors import documented
from serving.api.fields import RunId
from serving.api.responses import answer
from serving.api.schemas import hybrid as shapes
from serving.api.schemas.matrix_factor import ServiceStatus, TrainingAnswer, TrainingRequest
from serving.api.state import Plane, Training

router = APIRouter(tags=["training"])

STATUS_PATIENCE_SECONDS = 1.0
"""How long `/status` waits for Airflow: the service's own state is worth more than the run's."""

_NAMES = {
    "mf": ("Matrix Factorization", "matrix_factorization"),
    "ss": ("Similarity Search", "similarity_search"),
}
TrainingBody = Annotated[TrainingRequest, Body(examples=[{"model_type": "mf", "force_retrain": False}])]
Train = Annotated[shapes.TrainRequest, Body(examples=[{"retrain_cf": True, "regenerate_embeddings": True}])]


@router.post(
    "/training",
    response_model=TrainingAnswer,
    responses={
        202: {"model": TrainingAnswer, "description": "Run started; follow it with `GET /training/status`"},
        **documented(400, 401, 409, 413, 422, 503),
    },
    summary="Train or retrain a model",
)
async def train(plane: Plane, airflow: Training, body: TrainingBody) -> Response:
    """If trained and not forced: 200 with its metrics. Otherwise starts `daily_training`, which trains all
    models on one snapshot, and returns 202 with the run id."""
    name, section = _NAMES[body.model_type]
    stats = (await plane.status()).get(section, {})
    if stats.get("status") == "trained" and not body.force_retrain:
        return answer(_trained(name, body.model_type, stats))
    run = await airflow.train({"model_type": body.model_type, "force": body.force_retrain})
    message = f"{name} model training started in Airflow as run {run.run_id}"
    started = {"status": "started", "message": message, "model_type": body.model_type}
    return answer({**started, "stats": stats, "run_id": run.run_id}, 202)


@router.get("/status", response_model=ServiceStatus, summary="Data, models and bundle")
async def status(plane: Plane, airflow: Training) -> Response:
    """Counts of the database, each model's state and size, the bundle in service, and the latest run."""
    return answer({**await plane.status(), "training": await _training(airflow)})


@router.post(
    "/training/train",
    status_code=202,
    response_model=shapes.TrainAnswer,
    responses=documented(400, 401, 409, 413, 422, 503),
    summary="Train the models",
)
async def train_hybrid(airflow: Training, body: Train) -> Response:
    """Starts `daily_training` and returns its run id. With either part requested, it trains even if nothing
    has changed."""
    force = body.retrain_cf or body.regenerate_embeddings
    run = await airflow.train({**body.model_dump(), "force": force})
    message = f"training started in Airflow as run {run.run_id}"
    return answer({"status": "started", "message": message, "run_id": run.run_id}, 202)


@router.get(
    "/training/status",
    response_model=shapes.TrainingStatus,
    responses=documented(404, 422, 503),
    summary="Status of a training run",
)
async def training_status(
    plane: Plane,
    airflow: Training,
    run_id: Annotated[RunId | None, Query(description="Run id; by default the latest run")] = None,
) -> Response:
    """The state of the run in Airflow (503 when Airflow is unreachable), why the last training failed or was
    refused (whoever started it), and the bundle in service.

    `message` says what keeps Airflow from training every night, if anything does."""
    obstacle = await airflow.obstacle()
    run = await airflow.latest_run() if run_id is None else await airflow.run(run_id)
    models, last = await plane.status(), await plane.last_training()
    return answer(
        {
            "status": run.state if run else "idle",
            "run_id": run.run_id if run else None,
            "started_at": run.started_at if run else None,
            "finished_at": run.finished_at if run else None,
            "last": None if last is None else asdict(last),
            "message": obstacle,
            "bundle": plane.bundle_id,
            "matrix_factorization": models.get("matrix_factorization", {}),
            "similarity_search": models.get("similarity_search", {}),
        }
    )


def _trained(name: str, model_type: str, stats: dict[str, Any]) -> dict[str, Any]:
    message = f"{name} model trained successfully"
    return {"status": "success", "message": message, "model_type": model_type, "stats": stats}


async def _training(airflow: Airflow) -> dict[str, Any]:
    try:
        async with asyncio.timeout(STATUS_PATIENCE_SECONDS):
            obstacle = await airflow.obstacle()
            run = await airflow.latest_run()
    except TimeoutError:
        return {"status": "unknown", "message": f"Airflow at {airflow.address} is slow to respond"}
    except AirflowUnavailableError as error:
        return {"status": "unknown", "message": str(error)}
    if run is None:
        return {"status": "idle", "run_id": None, "message": obstacle}
    return {
        "status": run.state,
        "run_id": run.run_id,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "message": obstacle,
    }
