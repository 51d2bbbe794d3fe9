"""What one worker of the service holds of a small shop, made in memory by the service's own code."""

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from database.deployments import Deployment
from database.interactions import InteractionRow
from database.settings import REPOSITORY
from database.state import UserEvents
from serving.bundle.loading import PlacedBundle, load, place
from serving.catalogue.index import LiveIndex
from serving.catalogue.rankings import Rankings
from serving.catalogue.signals import TrendingScores
from serving.steps.context import Context, User
from serving.steps.history import History, build_history
from serving.text.synonyms import Synonyms
from serving.types import Item
from tests.serving.worker import MODELS, write_bundle
from tests.worlds.shop import DIMENSION, ENCODER, NOUNS, NOW, SHADES, Shop, Vector, build_shop, encode
from training.models.als import AlsConfig
from training.models.fpgrowth import FpGrowthConfig
from training.models.nmf import NmfConfig
from training.params import Params, load_params

SIZES = {"tiny": (12, 8), "small": (150, 60), "large": (2000, 400)}
"""Items and users. The large one is longer than every block, pool and page of the product."""


def world_params() -> Params:
    """The shipped params with small models and short pools, so that lists are longer than they are."""
    params = load_params(REPOSITORY / "params.yaml")
    return params.model_copy(
        update={
            "als": params.section(AlsConfig).model_copy(update={"factors": 8, "iterations": 8}),
            "nmf": params.section(NmfConfig).model_copy(update={"factors": 6, "iterations": 10}),
            "embeddings": params.embeddings.model_copy(update={"model": ENCODER}),
            "fpgrowth": params.section(FpGrowthConfig).model_copy(update={"min_support_baskets": 2}),
            "search": params.search.model_copy(update={"synonyms": "none", "candidates": 60}),
            "ranking": params.ranking.model_copy(update={"candidates": 25}),
        }
    )


@dataclass(frozen=True, eq=False)
class World:
    """A shop as a worker knows it."""

    shop: Shop
    params: Params
    index: LiveIndex
    placed: PlacedBundle | None
    trending: TrendingScores
    vectors: dict[str, Vector] = field(default_factory=dict)
    """Of the live items, as they were written."""

    @property
    def items(self) -> dict[str, Item]:
        """The live items by id."""
        return {item.item_id: item for _, item in self.index.catalogue.live()}

    def row(self, item_id: str) -> int:
        return self.index.catalogue.row(item_id)

    def item_id(self, row: int) -> str:
        return self.index.catalogue.id_of(row)

    def history(self, events: UserEvents) -> History:
        """What the service makes of a user's events."""
        return build_history(events, self.row, self.params.interactions)

    def context(self, n: int = 10, **wanted: Any) -> Context:
        """The context of one list."""
        weights = self.params.blend.tuned if self.placed is None else self.placed.loaded.weights
        asked: dict[str, Any] = {"params": self.params, "weights": weights, **wanted}
        rankings = Rankings(self.index.catalogue, self.trending, self.placed, asked["params"].ranking)
        return Context(index=self.index, bundle=self.placed, rankings=rankings, n=n, **asked)


@lru_cache(maxsize=16)
def world(seed: int, size: str = "small", *, bundle: bool = True) -> World:
    """The world of a seed. It is shared between tests: nobody changes it."""
    return make_world(seed, size, bundle=bundle)


def make_world(seed: int, size: str = "small", *, bundle: bool = True) -> World:
    """A world of the test's own: a bundle learned from the snapshot serves, with the changes on top."""
    params, shop = world_params(), build_shop(seed, *SIZES[size])
    index = LiveIndex(ENCODER, DIMENSION, Synonyms(Path("none")), params.search)
    index.catalogue.at(NOW)
    index.apply(shop.snapshot)
    half = len(shop.changes) // 2
    index.apply(shop.changes[:half])
    placed = None
    if bundle:
        with tempfile.TemporaryDirectory() as folder:
            placed = _placed(Path(folder), shop, params, index)
        index.rebase(placed.vector_base(), placed.watermark)
    index.catalogue.give_back([] if placed is None else [placed.rows])
    index.apply(shop.changes[half:])
    index.catalogue.at(NOW)
    trending = _trending(seed, [row.item_id for row in (*shop.snapshot, *shop.changes)])
    latest = {row.item_id: row for row in (*shop.snapshot, *shop.changes)}
    vectors = {
        item_id: np.frombuffer(row.vector, dtype="<f4").astype(np.float32)
        for item_id, row in latest.items()
        if row.vector is not None and row.deleted_at is None
    }
    return World(shop, params, index, placed, trending, vectors)


def _placed(folder: Path, shop: Shop, params: Params, index: LiveIndex) -> PlacedBundle:
    path = write_bundle(folder / "bundle", shop.data, params, shop.watermark, (*MODELS, "ease"))
    deployment = Deployment(1, "bundle", "bundle", {}, "test", NOW, None)
    loaded = asyncio.run(load(deployment, lambda tag: path, DIMENSION, ENCODER))
    return asyncio.run(place(loaded, index.catalogue.reserve))


def _trending(seed: int, ids: Sequence[str]) -> TrendingScores:
    """Of a third of the items, many of them equal; some are below zero, one is of no item."""
    random = np.random.default_rng(seed + 1)
    chosen = random.choice(sorted(set(ids)), len(set(ids)) // 3, replace=False).tolist()
    scores = np.round(random.lognormal(0.5, 1.2, len(chosen)), 1) - 0.5
    found = {
        item_id: (float(score), int(abs(score)) + 1) for item_id, score in zip(chosen, scores, strict=True)
    }
    return TrendingScores(1, {**found, "of no item": (9.0, 3)})


def visit(made: World, seed: int, events: int = 12) -> UserEvents:
    """What somebody did in the last days: events of all types, also with new, edited and deleted items."""
    random = np.random.default_rng(seed)
    ids = sorted({row.item_id for row in (*made.shop.snapshot, *made.shop.changes)})
    changed = [row.item_id for row in made.shop.changes]
    few = random.choice(ids, min(len(ids), max(3, events // 2)), replace=False).tolist()
    found = []
    for number in range(events):
        item_id = str(random.choice(changed if random.random() < 0.2 else few))
        event_type = str(
            random.choice(["product_click", "like", "purchase", "skip", "rating", "feedback", "view_time"])
        )
        value = {"rating": float(random.integers(1, 6)), "feedback": float(random.integers(-1, 2))}.get(
            event_type
        )
        if event_type == "view_time" and random.random() < 0.7:
            value = float(random.choice([-3.0, 0.0, 12.0, 30.0, 90.0]))
        at = NOW - timedelta(hours=float(number))
        found.append(InteractionRow(events - number, "ann", event_type, item_id, None, value, None, at))
    return UserEvents(tuple(found))


def texts(seed: int, count: int) -> list[tuple[str, Vector | None]]:
    """Searches or interests, with their vectors; about one in five could not be encoded."""
    random = np.random.default_rng(seed + 7)
    found: list[tuple[str, Vector | None]] = []
    for _ in range(count):
        words = [str(random.choice(SHADES)), str(random.choice(NOUNS))][random.integers(0, 2) :]
        found.append((" ".join(words), None if random.random() < 0.2 else encode(" ".join(words))))
    return found


def user(made: World, seed: int, *, events: int = 12, searches: int = 0, interests: int = 0) -> User:
    """Somebody who asks for a list: every other one was trained, as other users than their events say."""
    history = made.history(visit(made, seed, events)) if events else History()
    trained = seed % made.shop.data.n_users if seed % 2 else -1
    return User(
        f"user {seed}",
        history,
        tuple(texts(seed, searches)),
        tuple(texts(seed + 1, interests)),
        day=NOW.date(),
        trained=trained,
    )


def changed_params(params: Params, section: str, **values: Any) -> Params:
    """The params with some keys of a section changed."""
    return params.model_copy(update={section: getattr(params, section).model_copy(update=values)})
