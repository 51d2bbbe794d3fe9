"""What the app holds while it runs, and how routers reach it."""

from typing import Annotated, cast

from fastapi import Depends, Request

from serving.api.airflow_runs import Airflow
from serving.api.protocol import PlaneProtocol
from serving.observe.http_metrics import Metrics


async def _plane(request: Request) -> PlaneProtocol:
    return cast(PlaneProtocol, request.app.state.plane)


async def _airflow(request: Request) -> Airflow:
    return cast(Airflow, request.app.state.airflow)


async def _metrics(request: Request) -> Metrics:
    return cast(Metrics, request.app.state.metrics)


Plane = Annotated[PlaneProtocol, Depends(_plane)]
Training = Annotated[Airflow, Depends(_airflow)]
Measured = Annotated[Metrics, Depends(_metrics)]
