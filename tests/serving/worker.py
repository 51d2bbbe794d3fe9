"""Two workers on a real PostgreSQL, a small shop, and bundles fitted on it in a second."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import numpy as np
import psycopg2
import pytest
from scipy import sparse

from database import deployments, items
from database.items import Embedding, ItemContent, embedding_text, text_hash
from database.settings import REPOSITORY
from serving.plane import LivePlane
from tests.serving.words import BagOfWords
from training.models.als import AlsConfig
from training.models.bundle import Watermark, write_manifest
from training.models.core.data import Catalogue, TrainingData
from training.models.core.vocabulary import Vocabulary
from training.models.fpgrowth import FpGrowthConfig
from training.models.nmf import NmfConfig
from training.models.registry import fit_model
from training.params import Params, load_params
from training.pipeline.trending import score_trending

MODELS = ("als", "nmf", "tfidf", "embeddings", "fpgrowth", "popularity")
SHOP = {
    "tea": ("teapot", "tea cosy", "tea towel", "tea strainer", "tea caddy", "tea tray"),
    "garden": ("garden spade", "garden hose", "garden gloves", "garden gnome", "garden lamp", "garden fork"),
    "office": ("paper stapler", "paper clips", "paper tray", "paper punch", "paper knife", "paper weight"),
}


def shop_items() -> list[tuple[str, ItemContent]]:
    """(id, content) of 18 products in three categories, ids TEA0000000, TEA0000001, …"""
    return [
        (
            f"{category[:3].upper()}{number:07d}",
            ItemContent(
                kind="product",
                title=title,
                category=category,
                price=5.0 + number,
                rating=4.0,
                rating_count=10,
            ),
        )
        for category, titles in SHOP.items()
        for number, title in enumerate(titles)
    ]


@dataclass
class Clock:
    """A clock that a test moves."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.now

    def advance(self, days: float) -> None:
        self.now += timedelta(days=days)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def small_params(tmp_path_factory: pytest.TempPathFactory) -> Params:
    """The real params with small models and a synonyms file of the test's own."""
    params = load_params(REPOSITORY / "params.yaml")
    synonyms = tmp_path_factory.mktemp("search") / "synonyms.txt"
    synonyms.write_text("hose, sprinkler\n# a comment\ntea cosy, kettle warmer\n")
    return params.model_copy(
        update={
            "als": params.section(AlsConfig).model_copy(update={"factors": 3, "iterations": 20}),
            "nmf": params.section(NmfConfig).model_copy(update={"factors": 3, "iterations": 30}),
            "embeddings": params.embeddings.model_copy(update={"model": BagOfWords.name}),
            "fpgrowth": params.section(FpGrowthConfig).model_copy(update={"min_support_baskets": 2}),
            "search": params.search.model_copy(update={"synonyms": str(synonyms)}),
        }
    )


@pytest.fixture
async def pool(database) -> AsyncIterator[asyncpg.Pool]:  # type: ignore[no-untyped-def]
    opened = await asyncpg.create_pool(database.dsn, min_size=1, max_size=8)
    yield opened
    await opened.close()


async def fill_shop(pool: asyncpg.Pool) -> None:
    """Insert the products of `shop_items`, with their vectors."""
    encoder = BagOfWords()
    async with pool.acquire() as conn:
        for item_id, content in shop_items():
            text = embedding_text(content.title, content.category, None, (), None)
            vector = encoder.encode([text])[0]
            await items.insert_item(conn, item_id, content, Embedding(encoder.name, text_hash(text), vector))


@pytest.fixture
async def shop(pool: asyncpg.Pool) -> list[str]:
    """The 18 products in the database, with their vectors; gives their ids."""
    await fill_shop(pool)
    return [item_id for item_id, _ in shop_items()]


def score_trends(dsn: str, now: datetime, params: Params) -> None:
    """Compute trending anew, as its DAG does."""
    with psycopg2.connect(dsn) as conn:
        score_trending(conn, now, params)
    conn.close()


OpenPlane = Callable[[], Awaitable[LivePlane]]


@pytest.fixture
async def open_plane(
    pool: asyncpg.Pool, small_params: Params, tmp_path: Path, clock: Clock
) -> AsyncIterator[OpenPlane]:
    """Starts workers: each call is one more. Bundles lie in tmp_path by their tag."""
    planes: list[LivePlane] = []

    async def start() -> LivePlane:
        plane = await LivePlane.open(
            pool,
            small_params,
            encoder=BagOfWords(),
            locate=lambda tag: tmp_path / tag.rpartition(":")[2],
            clock=clock,
        )
        planes.append(plane)
        return plane

    yield start
    for plane in planes:
        await plane.close()


@pytest.fixture
async def plane(shop: list[str], open_plane: OpenPlane) -> LivePlane:
    """A worker on the shop, without any bundle."""
    return await open_plane()


async def logged(plane: LivePlane) -> None:
    """Wait until every list that was shown, or made in a shadow, is in the database or refused by it."""
    exposure = plane._components.exposure
    async with asyncio.timeout(120):
        while exposure._shadows._tasks or exposure.impressions.waiting:
            await asyncio.sleep(0.02)


@dataclass(frozen=True)
class Deployer:
    """Fits bundles on the shop and deploys them."""

    dsn: str
    folder: Path
    params: Params
    dimension: int = BagOfWords.dimension
    """Longer than the encoder's: the vectors end in zeros."""

    def __call__(self, tag: str = "first", watermark: int = 18, seed: int = 0) -> Path:
        """Fit, write under `tag`, deploy; gives the bundle's folder."""
        path = self.write(tag, watermark, seed)
        self.deploy(tag)
        return path

    def write(self, tag: str, watermark: int = 18, seed: int = 0) -> Path:
        data = shop_data(seed)
        if data.vectors is not None:
            longer = np.pad(data.vectors, ((0, 0), (0, self.dimension - BagOfWords.dimension)))
            data = replace(data, vectors=longer)
        return write_bundle(self.folder / tag, data, self.params, watermark)

    def deploy(self, tag: str) -> None:
        with psycopg2.connect(self.dsn) as conn:
            deployments.activate(conn, tag, tag, {}, "test")
        conn.close()


def write_bundle(
    path: Path, data: TrainingData, params: Params, watermark: int, models: Sequence[str] = MODELS
) -> Path:
    """Fit the models on the data and write them as a bundle into a new folder."""
    path.mkdir()
    data.items.save(path / "items.npy")
    data.users.save(path / "users.npy")
    for name in models:
        fit_model(name, data, getattr(params, name), 42).save(path / name)
    write_manifest(
        path,
        watermark=Watermark(watermark, 0),
        snapshot_hash="0" * 32,
        params=params.model_dump(mode="json"),
        git_commit="test",
        models={name: {} for name in models},
        created_at=datetime.now(UTC),
    )
    return path


@pytest.fixture
def deploy(database, tmp_path: Path, small_params: Params) -> Deployer:  # type: ignore[no-untyped-def]
    return Deployer(database.dsn, tmp_path, small_params)


def shop_data(seed: int) -> TrainingData:
    """30 users, each of whom bought four of the six items of one category (user u01, u02, …)."""
    contents = dict(shop_items())
    vocabulary = Vocabulary.build(contents)
    users = Vocabulary.build(f"u{number:02d}" for number in range(30))
    matrix = np.zeros((30, len(contents)), dtype=np.float32)
    generator = np.random.default_rng(seed)
    ids = list(contents)
    for number in range(30):
        own = [item_id for item_id in ids if item_id.startswith(("TEA", "GAR", "OFF")[number % 3])]
        for item_id in generator.choice(own, 4, replace=False):
            matrix[number, vocabulary.index(str(item_id))] = 5.0
    ordered = [contents[item_id] for item_id in vocabulary.decode(np.arange(len(contents), dtype=np.int32))]
    texts = [embedding_text(each.title, each.category, None, (), None) for each in ordered]
    interactions = sparse.csr_array(matrix)
    return TrainingData(
        items=vocabulary,
        users=users,
        interactions=interactions,
        catalogue=Catalogue(
            tuple(each.title or "" for each in ordered), tuple(each.category or "" for each in ordered), ()
        ),
        baskets=sparse.csr_array((matrix > 0).astype(np.float32)),
        vectors=BagOfWords().encode(texts),
    )
