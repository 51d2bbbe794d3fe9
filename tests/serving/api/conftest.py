"""An app on an in-memory plane, for contracts; and one on a real plane and database, behind a real server."""

import hashlib
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx
import numpy as np
import pytest
import pytest_asyncio
import uvicorn
from fastapi import FastAPI
from numpy.typing import NDArray

from client import AsyncShortlist
from database.connection import connect, create_pool
from database.ingest.adapters import ADAPTERS
from database.ingest.run import ingest_file
from database.interactions import Recorded
from database.settings import REPOSITORY, Settings
from serving.airflow import Airflow
from serving.api.app import create_app
from serving.errors import ItemExists, ItemNotFound, ModelNotReady, UserExists, UserNotFound
from serving.live.drafts import (
    Interaction,
    InteractionDraft,
    ItemChanges,
    ItemDraft,
    User,
    UserChanges,
    UserDraft,
)
from serving.live.plane import LivePlane
from serving.ranking.types import HomeLists, Item, Kinds, Ranked, SearchResult
from training.params import load_params

PRODUCT_COLUMNS = (
    "id,name,main_category,sub_category,image,link,ratings,no_of_ratings,discount_price,actual_price,"
    "discount_ratio"
)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


class FakePlane:
    """A plane of dictionaries: lists are the catalogue in order, filtered by kind."""

    bundle_id = "bundle-1"
    stale = False

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}
        self.users: dict[str, User] = {}
        self.events: list[Interaction] = []
        self.trained = True
        self.failure: Exception | None = None
        self.next_article = 1
        for number in range(1, 4):
            self._put(
                Item(
                    item_id=f"PRODUCT{number:03}",
                    kind="product",
                    title=f"Red mug {number}",
                    category="Kitchen",
                    sub_category="Mugs",
                    price=5.0,
                    original_price=10.0,
                    discount_ratio=0.5,
                    rating=4.5,
                    rating_count=10,
                    created_at=NOW,
                    updated_at=NOW,
                )
            )
        self._put(Item(item_id="course1", kind="content", title="Python course", category="programming"))

    def _put(self, item: Item) -> Item:
        self.items[item.item_id] = item
        return item

    def _ranked(self, limit: int, kinds: Kinds, skip: str = "") -> list[Ranked]:
        chosen = [i for i in self.items.values() if i.item_id != skip and (kinds is None or i.kind in kinds)]
        return [
            Ranked(item, 1 / (n + 1), "popular", "many chose it") for n, item in enumerate(chosen[:limit])
        ]

    def _found(self, item_id: str) -> Item:
        if item_id not in self.items:
            raise ItemNotFound(item_id)
        return self.items[item_id]

    async def status(self) -> dict[str, Any]:
        if self.failure:
            raise self.failure
        state = "trained" if self.trained else "not_trained"
        return {
            "database": {"n_ratings": 0, "n_users": 0, "n_products": 3, "avg_rating": None},
            "matrix_factorization": {"status": state, "n_users": 2, "n_items": 3, "n_factors": 128},
            "similarity_search": {"status": state, "n_products": 4, "embedding_dimension": 384},
        }

    async def home(self, user_id: str, limit: int, kinds: Kinds = None) -> HomeLists:
        lists = self._ranked(limit, kinds)
        return HomeLists([], lists, lists, {"Kitchen": lists}, lists)

    async def similar_products(self, item_id: str, limit: int, kinds: Kinds = None) -> list[Ranked]:
        self._found(item_id)
        return self._ranked(limit, kinds, item_id)

    async def similar_by_als(self, item_id: str, n: int, kinds: Kinds = None) -> list[Ranked]:
        self._found(item_id)
        if not self.trained:
            raise ModelNotReady("als", "no bundle is deployed")
        return self._ranked(n, kinds, item_id)

    async def for_user_als(
        self, user_id: str, n: int, filter_already_liked: bool = True, kinds: Kinds = None
    ) -> list[Ranked]:
        return self._ranked(n, kinds)

    async def semantic_search(self, query: str, k: int, kinds: Kinds = None) -> list[Ranked]:
        return self._ranked(k, kinds)

    async def similar_by_vector(self, item_id: str, k: int, kinds: Kinds = None) -> list[Ranked]:
        self._found(item_id)
        return self._ranked(k, kinds, item_id)

    async def search(self, query: str, limit: int, kinds: Kinds = None) -> SearchResult:
        listed = self._ranked(limit, kinds)
        matching = [entry for entry in listed if query.lower() in entry.item.name.lower()]
        return SearchResult(matching) if matching else SearchResult(listed, "no_search_matches")

    async def hybrid(self, user_id: str, n: int, *, kinds: Kinds = None, **wanted: Any) -> list[Ranked]:
        return self._ranked(n, kinds)

    async def get_item(self, item_id: str) -> Item | None:
        return self.items.get(item_id)

    async def embedding(self, item_id: str) -> NDArray[np.float32] | None:
        return np.array([0.6, 0.8], dtype=np.float32) if item_id in self.items else None

    async def get_article(self, article_id: int) -> Item | None:
        return next((item for item in self.items.values() if item.article_id == article_id), None)

    async def list_items(
        self, kind: str | None, category: str | None, offset: int, limit: int
    ) -> tuple[list[Item], int]:
        found = [
            item
            for item in self.items.values()
            if kind in (None, item.kind) and category in (None, item.category)
        ]
        return found[offset : offset + limit], len(found)

    async def create_item(self, draft: ItemDraft) -> Item:
        item_id, number = draft.item_id, None
        if item_id is None:
            number, self.next_article = self.next_article, self.next_article + 1
            item_id = f"A{number:09}"
        if item_id in self.items:
            raise ItemExists(item_id)
        return self._put(
            Item(
                item_id=item_id,
                kind=draft.kind,
                title=draft.title,
                description=draft.description,
                category=draft.category,
                tags=draft.tags,
                article_id=number,
                created_at=NOW,
                updated_at=NOW,
            )
        )

    async def update_item(self, item_id: str, changes: ItemChanges) -> Item:
        return self._put(replace(self._found(item_id), **changes))

    async def delete_item(self, item_id: str) -> None:
        self._found(item_id)
        del self.items[item_id]

    async def create_user(self, draft: UserDraft) -> User:
        if draft.user_id in self.users:
            raise UserExists(draft.user_id)
        user = User(draft.user_id, draft.interests, draft.skill_level, NOW, NOW)
        self.users[draft.user_id] = user
        return user

    async def get_user(self, user_id: str) -> User:
        if user_id not in self.users:
            raise UserNotFound(user_id)
        return self.users[user_id]

    async def update_user(self, user_id: str, changes: UserChanges) -> User:
        self.users[user_id] = replace(await self.get_user(user_id), **changes)
        return self.users[user_id]

    async def record_interaction(self, draft: InteractionDraft) -> Recorded:
        if self.failure:
            raise self.failure
        event = Interaction(
            interaction_id=len(self.events) + 1,
            user_id=draft.user_id,
            event_type=draft.event_type,
            item_id=draft.item_id,
            query=draft.query,
            value=draft.value,
            session_id=None,
            occurred_at=draft.occurred_at or NOW,
        )
        self.events.insert(0, event)
        return Recorded(event.interaction_id, event.occurred_at)

    async def user_interactions(self, user_id: str, days: int) -> list[Interaction]:
        since = NOW - timedelta(days=days)
        return [event for event in self.events if event.user_id == user_id and event.occurred_at >= since]


class FakeAirflow:
    """An Airflow server behind a transport: tokens, and the runs of one DAG."""

    def __init__(self) -> None:
        self.runs: list[dict[str, Any]] = []
        self.triggered: list[dict[str, Any]] = []
        self.monitored: list[dict[str, Any]] = []
        self.tokens = 0
        self.reachable = True

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if not self.reachable:
            raise httpx.ConnectError("connection refused")
        if request.url.path == "/auth/token":
            self.tokens += 1
            return httpx.Response(201, json={"access_token": f"token-{self.tokens}"})
        if request.headers["authorization"] != f"Bearer token-{self.tokens}":
            return httpx.Response(401)
        if request.method == "POST":
            return self._trigger(request)
        run_id = request.url.path.rpartition("/")[2]
        if run_id == "dagRuns":
            return httpx.Response(200, json={"dag_runs": self.runs[-1:], "total_entries": len(self.runs)})
        found = [run for run in self.runs if run["dag_run_id"] == run_id]
        return httpx.Response(200, json=found[0]) if found else httpx.Response(404)

    def _trigger(self, request: httpx.Request) -> httpx.Response:
        import orjson

        body = orjson.loads(request.content)
        if "/dags/monitoring/" in request.url.path:
            self.monitored.append(body)
            return httpx.Response(200, json={"dag_run_id": "manual__1", "state": "queued"})
        self.triggered.append(body)
        run = {"dag_run_id": f"manual__{len(self.runs) + 1}", "state": "running", "conf": body["conf"]}
        self.runs.append({**run, "start_date": NOW.isoformat(), "end_date": None})
        return httpx.Response(200, json=self.runs[-1])


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


@pytest_asyncio.fixture
async def served(plane: FakePlane, airflow: FakeAirflow) -> AsyncIterator[Answering]:
    """`served(settings, address)`: an httpx client of a running app, as from that address."""
    async with AsyncExitStack() as stack:

        async def serve(settings: Settings, address: str = "127.0.0.1") -> httpx.AsyncClient:
            @asynccontextmanager
            async def opened() -> AsyncIterator[LivePlane]:
                yield cast(LivePlane, plane)

            app = create_app(opened, settings, Airflow(settings, httpx.MockTransport(airflow)))
            await stack.enter_async_context(app.router.lifespan_context(app))
            transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 5000))
            http = httpx.AsyncClient(transport=transport, base_url="http://shortlist.test")
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
    async with AsyncShortlist("http://shortlist.test", transport=http._transport) as client:
        yield client


class WordEncoder:
    """Texts to vectors without a model: each word has its direction, so texts that share words are near."""

    name = "words"
    dimension = 64

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = np.stack([self._vector(text) for text in texts])
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / norms, dtype=np.float32)

    def _vector(self, text: str) -> NDArray[np.float32]:
        vector = np.full(self.dimension, 1e-3, dtype=np.float32)
        for word in text.lower().replace(".", " ").replace(",", " ").split():
            vector[int(hashlib.md5(word.encode()).hexdigest(), 16) % self.dimension] += 1.0
        return vector


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
            plane = await LivePlane.open(pool, params, settings, encoder=WordEncoder())
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


@pytest.fixture(scope="module")
def ingest_products(live_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """`ingest_products(id=name, ...)`: load a file of such products into that database."""

    def ingest(**names: str) -> Any:
        file = tmp_path_factory.mktemp("products") / "products.csv"
        rows = [f"{item_id},{name},home,Kitchen,,,4.5,10,5.0,10.0,0.5" for item_id, name in names.items()]
        file.write_text("\n".join([PRODUCT_COLUMNS, *rows, ""]))
        with connect(live_settings) as conn:
            return ingest_file(conn, ADAPTERS["products"], file, encoder=WordEncoder())

    return ingest


@pytest.fixture(scope="module")
def address(addresses: tuple[str, str]) -> str:
    """One of the workers."""
    return addresses[0]
