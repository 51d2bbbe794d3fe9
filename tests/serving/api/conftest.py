"""An app on an in-memory plane, for contracts; and one on a real plane and database, behind a real server."""

import hashlib
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import httpx
import pytest
import pytest_asyncio
import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr

from client import AsyncShortlist
from database.connection import connect, create_pool
from database.ingest.adapters import ADAPTERS
from database.ingest.run import ingest_file
from database.settings import REPOSITORY, Settings
from serving.api.airflow_runs import Airflow
from serving.api.app import create_app
from serving.api.protocol import PlaneProtocol
from serving.plane import LivePlane
from tests.serving.api.fake_airflow import FakeAirflow
from tests.serving.api.fake_plane import FakePlane
from tests.serving.words import BagOfWords
from training.params import load_params

PRODUCT_COLUMNS = (
    "id,name,main_category,sub_category,image,link,ratings,no_of_ratings,discount_price,actual_price,"
    "discount_ratio"
)


Answering = Callable[..., Any]


@pytest.fixture
def plane() -> FakePlane:
    return FakePlane()


@pytest.fixture
def airflow() -> FakeAirflow:
    return FakeAirflow()


@pytest.fixture
def settings() -> Settings:
    """Settings of the tests: nothing of the environment or of a file."""
    return Settings(_env_file=None)


class FakedApp:
    """An app whose plane and Airflow are a test's. To put one together takes longer than most tests of it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._plane = FakePlane()
        self._airflow = FakeAirflow()
        self.app = create_app(self._opened, settings, self._client())

    @asynccontextmanager
    async def run(self, plane: FakePlane, airflow: FakeAirflow) -> AsyncIterator[FastAPI]:
        """Start it on this plane and Airflow, and stop it."""
        self._plane, self._airflow = plane, airflow
        async with self.app.router.lifespan_context(self.app):
            yield self.app

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[PlaneProtocol]:
        self.app.state.airflow = self._client()  # stopping the app closed the one before
        yield self._plane

    def _client(self) -> Airflow:
        return Airflow(self.settings, httpx.MockTransport(self._airflow))


@pytest.fixture(scope="session")
def faked_apps() -> list[FakedApp]:
    """Those that were put together, of different settings."""
    return []


@pytest_asyncio.fixture
async def served(
    faked_apps: list[FakedApp], plane: FakePlane, airflow: FakeAirflow
) -> AsyncIterator[Answering]:
    """`served(settings, address)`: an httpx client of a running app, as from that address.

    Tests with the same settings share an app, unless they ask for a `new` one: it keeps its metrics, and
    the requests it counts against a limit.
    """
    async with AsyncExitStack() as stack:

        async def serve(
            settings: Settings, address: str = "127.0.0.1", *, new: bool = False
        ) -> httpx.AsyncClient:
            known = None if new else next((each for each in faked_apps if each.settings == settings), None)
            faked = known or FakedApp(settings)
            if not new and known is None:
                faked_apps.append(faked)
            app = await stack.enter_async_context(faked.run(plane, airflow))
            transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 5000))
            http = httpx.AsyncClient(transport=transport, base_url="http://localhost")
            return await stack.enter_async_context(http)

        yield serve


@pytest_asyncio.fixture
async def http(served: Answering, settings: Settings) -> httpx.AsyncClient:
    """Requests to an app with default settings."""
    answer: httpx.AsyncClient = await served(settings)
    return answer


@pytest_asyncio.fixture
async def shortlist(http: httpx.AsyncClient) -> AsyncIterator[AsyncShortlist]:
    """The typed client of the same app."""
    async with AsyncShortlist("http://localhost", transport=http._transport) as client:
        yield client


@contextmanager
def _server(app: FastAPI) -> Iterator[str]:
    """Serve an app on a free port in a thread of its own; gives its address."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()  # who comes before it has started waits
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=20)


def _live_app(settings: Settings) -> FastAPI:
    @asynccontextmanager
    async def opened() -> AsyncIterator[LivePlane]:
        params = load_params(REPOSITORY / "params.yaml")
        async with await create_pool(1, 4, settings) as pool:
            plane = await LivePlane.open(pool, params, encoder=BagOfWords())
            try:
                yield plane
            finally:
                await plane.close()

    return create_app(opened, settings, Airflow(settings, httpx.MockTransport(FakeAirflow())))


@pytest.fixture(scope="module")
def live_settings(postgres: Any, request: pytest.FixtureRequest) -> Iterator[Settings]:
    """Settings that name a database of the module's own."""
    name = "api_" + hashlib.md5(str(request.path).encode()).hexdigest()[:8]
    postgres.execute(f"create database {name} template template_shortlist")
    yield Settings(_env_file=None, database_url=postgres.url(name))
    postgres.execute(f"drop database {name} with (force)")


@pytest.fixture(scope="module")
def addresses(live_settings: Settings) -> Iterator[tuple[str, str]]:
    """Two workers, each on a real plane of its own, over that database."""
    with _server(_live_app(live_settings)) as one, _server(_live_app(live_settings)) as other:
        yield one, other


@pytest.fixture
def keyed(live_settings: Settings) -> Iterator[httpx.Client]:
    """A client without a key of a worker that asks for one: `secret`, or in a page `page`."""
    keys = {"api_keys": SecretStr("secret"), "public_keys": SecretStr("page")}
    with (
        _server(_live_app(live_settings.model_copy(update=keys))) as address,
        httpx.Client(base_url=address, timeout=60) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def ingest_products(live_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """`ingest_products(id=name, ...)`: load a file of such products into that database."""

    def ingest(**names: str) -> Any:
        file = tmp_path_factory.mktemp("products") / "products.csv"
        rows = [f"{item_id},{name},home,Kitchen,,,4.5,10,5.0,10.0,0.5" for item_id, name in names.items()]
        file.write_text("\n".join([PRODUCT_COLUMNS, *rows, ""]))
        with connect(live_settings) as conn:
            return ingest_file(conn, ADAPTERS["products"], file, encoder=BagOfWords())

    return ingest


@pytest.fixture(scope="module")
def address(addresses: tuple[str, str]) -> str:
    """One of the workers."""
    return addresses[0]
