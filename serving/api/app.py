"""The HTTP app: all APIs behind shared middleware."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from database.settings import Settings
from serving.api import (
    articles,
    content,
    deployments,
    documentation,
    errors,
    experiments,
    hybrid,
    interactions,
    items,
    matrix_factor,
    shop,
    training,
    users,
)
from serving.api.airflow_runs import Airflow
from serving.api.allowed_hosts import AllowedHosts
from serving.api.auth import ADMINISTRATION, is_private, is_read, key_list, refuse_exposure
from serving.api.connections import ClosedInTurn, Connections
from serving.api.failures import Failures
from serving.api.middleware import BodyLimit, Envelope, HeadAsGet, KeyCheck, RateLimit
from serving.api.origins import Origins
from serving.api.protocol import PlaneProtocol
from serving.api.repeats import Repeats
from serving.api.state import Measured
from serving.api.time_limit import TimeLimit
from serving.api.unknown_fields import HEADER, fields_by_route, note_unknown_fields
from serving.api.v1 import problems
from serving.api.v1 import router as v1
from serving.observe.http_metrics import Metrics
from serving.observe.watch_metrics import watched_text

OpenPlane = Callable[[], AbstractAsyncContextManager[PlaneProtocol]]
"""Opens this worker's live plane, and closes it with whatever it stands on (the pool) at the end."""

_LIMITS = ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "Retry-After"]
_EXPOSED = ["ETag", "X-Bundle", "X-Request-ID", "X-Stale", "X-Total-Count", "X-Words-Only", HEADER, *_LIMITS]
_DESCRIPTION = """Recommendations for shops, content and articles: four APIs over one catalogue, one history
and one set of models.

Paths work with and without a trailing slash. Errors have one shape: `detail`, and `error` with `code`,
`message` and, if a field is invalid, `field`. Every response has `X-Request-ID` (yours, if you sent one) and
`X-Bundle`. `explain=true` adds `reason`, `model`, `score` and `columns` to every item. Each API returns its
own kind of item; `kind` selects another.
"""


def create_app(
    open_plane: OpenPlane,
    settings: Settings,
    airflow: Airflow | None = None,
    connections: Connections | None = None,
) -> FastAPI:
    """Put the app together; the plane opens when it starts, and closes when it stops.

    `connections`, where there are other workers, closes some for their sake.

    Raises ExposureRefusedError when it would let anyone on the network write.
    """
    refuse_exposure(settings)
    metrics = Metrics()
    accepting = connections or ClosedInTurn()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.airflow = airflow or Airflow(settings)
        try:
            async with open_plane() as plane:
                app.state.plane = plane
                with accepting.accepted():
                    yield
        finally:
            await app.state.airflow.close()

    app = FastAPI(
        title="Shortlist",
        version="1",
        description=_DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        responses=errors.documented(429, 500, 504),
        dependencies=[Depends(note_unknown_fields)],
        middleware=_middleware(settings, metrics, accepting, lambda: app.state.plane),
    )
    app.state.metrics = metrics
    app.state.settings = settings
    errors.install(app)
    slow_plane = (training, deployments, experiments)
    routers = (shop, interactions, matrix_factor, hybrid, users, content, *slow_plane, articles, items)
    for each in routers:
        app.include_router(each.router)
    app.include_router(v1.router)
    app.include_router(documentation.router)
    app.include_router(_own)
    app.state.fields = fields_by_route(app)
    app.openapi = lambda: _openapi(app, bool(key_list(settings)))  # type: ignore[method-assign]
    return app


def _middleware(
    settings: Settings, metrics: Metrics, connections: Connections, plane: Callable[[], PlaneProtocol]
) -> list[Middleware]:
    layers = [
        Middleware(
            Envelope,
            settings=settings,
            bundle_id=lambda: plane().bundle_id,
            stale=lambda: plane().stale,
            metrics=metrics,
            connections=connections,
        ),
        Middleware(AllowedHosts, settings=settings),
        Middleware(Origins, settings=settings, exposed=_EXPOSED),
        Middleware(Failures),
        Middleware(TimeLimit),
    ]
    if settings.rate_limit_per_minute:
        layers.append(Middleware(RateLimit, settings=settings))
    if key_list(settings):
        layers.append(Middleware(KeyCheck, settings=settings))
    layers.append(_body_limit(settings))
    layers.append(Middleware(HeadAsGet))
    layers.append(Middleware(Repeats, plane=plane))
    return layers


def _body_limit(settings: Settings) -> Middleware:
    return Middleware(
        BodyLimit,
        max_bytes=settings.max_body_bytes,
        max_batch_bytes=max(settings.max_batch_bytes, settings.max_body_bytes),
    )


_own = APIRouter(tags=["service"])


@_own.get("/", include_in_schema=False)
async def index() -> Response:
    return RedirectResponse("/docs")


@_own.get(ADMINISTRATION, response_class=Response, summary="Metrics in Prometheus' text format")
async def metrics_text(metrics: Measured, request: Request) -> Response:
    """Requests, errors and seconds by route template, of all workers; drift as it was last measured."""
    return metrics.render(await watched_text(request.app.state.settings))


def _openapi(app: FastAPI, keyed: bool) -> dict[str, Any]:
    """The OpenAPI document. With keys set it says what needs one; FastAPI's error shape is left out."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        schema["components"]["securitySchemes"] = {
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            "bearer": {"type": "http", "scheme": "bearer"},
        }
        for path, operations in schema["paths"].items():
            for method, operation in operations.items():
                if "HTTPValidationError" in str(operation["responses"].get("422")):
                    del operation["responses"]["422"]
                if keyed and (is_private(path) or not is_read(method.upper(), path)):
                    operation["security"] = [{"key": []}, {"bearer": []}]
        schema["components"]["schemas"] |= problems.schemas()
        for unused in ("HTTPValidationError", "ValidationError"):
            schema["components"]["schemas"].pop(unused, None)
        app.openapi_schema = schema
    return app.openapi_schema
