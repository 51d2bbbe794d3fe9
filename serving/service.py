"""The BentoML service: in each worker one live plane under the HTTP app.

    bentoml serve serving.service:Shortlist

The bundle is no part of the Bento: workers follow the deployment that the database names, and start
without any. BENTOML_HOME says where the store is that deployed bundles lie in.
"""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import asyncpg
import bentoml
from starlette.types import ASGIApp

from database.connection import create_pool
from database.settings import get_settings
from serving.api.app import create_app
from serving.api.auth import bind_host, refuse_exposure
from serving.api.connections import Connections, connections_of, make_counts
from serving.api.entrance import Entrance
from serving.garbage import short_collections
from serving.observe.logs import write_logs
from serving.observe.metrics_folder import OWN, use_own_folder
from serving.plane import LivePlane
from training.params import load_params

logger = logging.getLogger(__name__)

_CONNECTIONS = (3, 13)
"""Connections that a worker keeps, and at most has."""
_DATABASE_SECONDS = 60.0
_CLOSE_SECONDS = 5.0


@asynccontextmanager
async def open_plane() -> AsyncIterator[LivePlane]:
    """This worker's plane, on a pool of its own. A database that is still starting is waited for."""
    pool = await _pool()
    try:
        plane = await LivePlane.open(pool, load_params())
        try:
            with short_collections():
                yield plane
        finally:
            await plane.close()
    finally:
        await _close(pool)


async def _close(pool: asyncpg.Pool) -> None:
    """Close the pool; a database that hangs is not waited for."""
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await pool.close()
    except TimeoutError:
        pool.terminate()


async def _pool() -> asyncpg.Pool:
    give_up = monotonic() + _DATABASE_SECONDS
    while True:
        try:
            return await create_pool(*_CONNECTIONS)
        # Not yet started; a wrong address or password would not change by waiting.
        except (OSError, asyncpg.CannotConnectNowError) as error:
            if monotonic() > give_up:
                raise
            logger.warning("waiting for the database: %s", error)
            await asyncio.sleep(1)


def prepare_supervisor() -> None:
    """Called by BentoML in the process that starts the workers."""
    from serving.supervision import watch_workers_closely

    watch_workers_closely()
    make_counts(Path(os.environ[OWN]), get_settings().service_workers)


def _connections() -> Connections:
    folder = os.environ.get(OWN)
    return connections_of(None if folder is None else Path(folder), bentoml.server_context.worker_index)


def use_one_thread() -> None:
    """One thread each for BLAS and FAISS: workers are the parallelism, and share the cores."""
    import faiss
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=1)
    faiss.omp_set_num_threads(1)


use_own_folder()
write_logs(get_settings().log_level)
refuse_exposure(get_settings(), bind_host(sys.argv[1:], os.environ))
app = create_app(open_plane, get_settings(), connections=_connections())


class Entered(bentoml.Service):  # type: ignore[misc]  # BentoML is not typed
    """A service whose requests go to the app before BentoML has done anything with them."""

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """What a worker serves; BentoML's part of it opens and closes the app."""
        return Entrance(super().to_asgi(is_main), into=app)


@bentoml.service(
    name="shortlist",
    workers=get_settings().service_workers,
    http={"host": get_settings().service_host, "port": get_settings().service_port},
    service_class=Entered,
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    # BentoML measures each request as a span, exported or not; nothing here exports them.
    tracing={"excluded_urls": ".*"},
)
@bentoml.asgi_app(app, path="/")
class Shortlist:
    """Mounts the HTTP app; its lifespan opens and closes the plane."""

    before_workers_start = bentoml.on_deployment(prepare_supervisor)

    def __init__(self) -> None:
        use_one_thread()

    async def __is_ready__(self) -> bool:
        """Ready while database and embedding model answer: writes need them. Lists do without."""
        plane: LivePlane | None = getattr(app.state, "plane", None)
        return plane is not None and plane.ready
