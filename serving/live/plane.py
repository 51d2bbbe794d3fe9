"""The live plane: what one worker of the service knows and answers.

Every read catches up with the database by itself, in one round trip: callers need not.
Every write returns after its commit, and the worker that wrote has then applied it.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg

from database.interactions import InteractionRow, recent
from database.settings import REPOSITORY, Settings
from database.state import read_counts
from serving.errors import DatabaseUnavailable
from serving.live import everyone, hybrid, neighbours, personal, search
from serving.live.boards import Boards, stamp
from serving.live.bundles import Locate, bento_folder
from serving.live.candidates import Texts, Visitor
from serving.live.database import LiveDatabase
from serving.live.deployed import Deployed
from serving.live.drafts import (
    Interaction,
    InteractionDraft,
    ItemChanges,
    ItemDraft,
    User,
    UserChanges,
    UserDraft,
)
from serving.live.encoder import LiveEncoder, TextEncoder
from serving.live.feed import Feed
from serving.live.index import LiveIndex
from serving.live.status import describe
from serving.live.synonyms import Synonyms
from serving.live.view import Vector, View
from serving.live.words import meant
from serving.live.writes import Writes
from serving.ranking.history import build_history, queries_of
from serving.ranking.types import HomeLists, Item, Kinds, Ranked, SearchResult
from training.params import Params

log = logging.getLogger(__name__)

_EVER = datetime(1970, 1, 1, tzinfo=UTC)
_TICK_SECONDS = 1.0


@dataclass(frozen=True)
class Parts:
    """What a plane is made of: put together by `LivePlane.open`."""

    database: LiveDatabase
    index: LiveIndex
    encoder: LiveEncoder
    deployed: Deployed
    feed: Feed
    writes: Writes


class LivePlane:
    """One per worker: catalogue, indexes and bundle in memory, corrected by the database's change feed."""

    def __init__(self, parts: Parts, params: Params, clock: Callable[[], datetime]) -> None:
        self._parts = parts
        self._params = params
        self._clock = clock
        self._boards: Boards | None = None
        self._weights = params.interactions.weights.model_dump()
        self._neutral_stars = params.interactions.neutral_stars
        self._ticker: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        pool: asyncpg.Pool,
        params: Params,
        settings: Settings,
        *,
        encoder: TextEncoder | None = None,
        locate: Locate = bento_folder,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> "LivePlane":
        """Load encoder, catalogue, trending and the deployed bundle; ready to answer when this returns.

        Tests pass a small `encoder`, where bundles are (`locate`), and what time it is (`clock`).
        Raises DatabaseUnavailable; EncoderError when the embedding model is not on this machine.
        """
        model = encoder if encoder is not None else await asyncio.to_thread(_load_encoder, params)
        path = Path(params.search.synonyms)
        database = LiveDatabase(pool)
        index = LiveIndex(model.name, model.dimension, Synonyms(REPOSITORY / path), params.search)
        deployed = Deployed(database, index, locate, (model.name, model.dimension))
        feed = Feed(database, index, deployed)
        live_encoder = LiveEncoder(model)
        parts = Parts(database, index, live_encoder, deployed, feed, Writes(database, live_encoder))
        await feed.open()
        plane = cls(parts, params, clock)
        plane._ticker = asyncio.create_task(plane._tick())
        log.info("live: %d items, bundle %s", index.catalogue.n_rows, plane.bundle_id)
        return plane

    async def close(self) -> None:
        """Stop the threads. The pool is the caller's."""
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.gather(self._ticker, return_exceptions=True)
        await self._parts.deployed.close()
        await asyncio.to_thread(self._parts.encoder.close)

    @property
    def bundle_id(self) -> str:
        """Id of the bundle that answers; "none" before the first."""
        generation = self._parts.deployed.generation
        return "none" if generation is None else generation.bundle_id

    @property
    def stale(self) -> bool:
        """Whether answers come from memory because the database does not answer."""
        return not self._parts.database.available

    async def catch_up(self) -> None:
        """Apply what has happened. Reads do it by themselves."""
        await self._parts.feed.catch_up()

    async def settle(self) -> None:
        """Catch up, and wait until the deployed bundle is in place or refused."""
        await self.catch_up()
        await self._parts.deployed.settle()

    async def status(self) -> dict[str, Any]:
        """Database counts, each model's state and size, bundle, trending, feed, refused bundles."""
        await self.catch_up()
        parts = self._parts
        try:
            async with parts.database.connection("counting the tables") as conn:
                counts = await read_counts(conn)
        except DatabaseUnavailable:
            counts = None
        return describe(parts.feed, parts.deployed, parts.index, counts, parts.encoder.name)

    async def home(self, user_id: str, limit: int, kinds: Kinds = None) -> HomeLists:
        """The five lists of the home page, from the user's events of the last `blend.stale_days`."""
        events = await self._visit(user_id, self._params.blend.stale_days)
        visitor = await self._visitor(user_id, events, searches=True)
        return personal.home(self._view(), visitor, limit, kinds)

    async def for_user_als(
        self, user_id: str, n: int, filter_already_liked: bool = True, kinds: Kinds = None
    ) -> list[Ranked]:
        """ALS with the user's history folded in; for one it can say nothing of: popular items."""
        events = await self._visit(user_id)
        visitor = await self._visitor(user_id, events)
        return personal.by_als(self._view(), visitor, n, kinds, filter_seen=filter_already_liked)

    async def hybrid(
        self,
        user_id: str,
        n: int,
        *,
        use_cf: bool = True,
        use_embeddings: bool = True,
        cf_weight: float | None = None,
        kinds: Kinds = None,
    ) -> list[Ranked]:
        """NMF and content, blended; cold users by their interests and popularity. `cf_weight` 0..1."""
        events = await self._visit(user_id)
        cold = len(events) < self._params.blend.cold_below
        visitor = await self._visitor(user_id, events, interests=cold)
        blend = self._params.blend
        weight = cf_weight if cf_weight is not None else blend.cf / (blend.cf + blend.embeddings)
        return hybrid.hybrid(
            self._view(),
            visitor,
            n,
            kinds,
            use_cf=use_cf,
            use_embeddings=use_embeddings,
            cf_weight=weight,
        )

    async def similar_products(self, item_id: str, limit: int, kinds: Kinds = None) -> list[Ranked]:
        """Items named alike (TF-IDF), filled up by meaning. Raises ItemNotFound."""
        await self.catch_up()
        return neighbours.alike(self._view(), item_id, limit, kinds)

    async def similar_by_als(self, item_id: str, n: int, kinds: Kinds = None) -> list[Ranked]:
        """Items chosen by the same people. Raises ItemNotFound, ModelNotReady."""
        await self.catch_up()
        return neighbours.same_people(self._view(), item_id, n, kinds)

    async def similar_by_vector(self, item_id: str, k: int, kinds: Kinds = None) -> list[Ranked]:
        """Items near in meaning; the score is the cosine. Raises ItemNotFound."""
        await self.catch_up()
        return neighbours.near(self._view(), item_id, k, kinds)

    async def semantic_search(self, query: str, k: int, kinds: Kinds = None) -> list[Ranked]:
        """The k items nearest in meaning to a query; the score is the cosine."""
        vector = await self._parts.encoder.encode(query)
        await self.catch_up()
        return search.semantic(self._view(), query, vector, k, kinds)

    async def search(self, query: str, limit: int, kinds: Kinds = None) -> SearchResult:
        """Words and meaning fused; trending items and the reason when nothing matches."""
        vector = await self._parts.encoder.encode(meant(query))
        await self.catch_up()
        return search.fused(self._view(), query, vector, limit, kinds)

    async def get_item(self, item_id: str) -> Item | None:
        """A live item; None when there is none."""
        await self.catch_up()
        return self._parts.index.catalogue.get(item_id)

    async def get_article(self, article_id: int) -> Item | None:
        """A live article by its number; None when there is none."""
        await self.catch_up()
        return self._parts.index.catalogue.article(article_id)

    async def embedding(self, item_id: str) -> Vector | None:
        """The vector of a live item's text, float32[d], normalised; None when there is none."""
        await self.catch_up()
        row = self._parts.index.catalogue.row(item_id)
        return None if row < 0 else self._parts.index.vectors.get(row)

    async def list_items(
        self, kind: str | None, category: str | None, offset: int, limit: int
    ) -> tuple[list[Item], int]:
        """One page of the items that have a title, in order of item id, and how many there are in all."""
        await self.catch_up()
        return everyone.listed(self._view(), kind, category, offset, limit)

    async def create_item(self, draft: ItemDraft) -> Item:
        """Store a new item with its vector. Raises ItemExists, DatabaseUnavailable."""
        item = await self._parts.writes.create_item(draft)
        await self.catch_up()
        return item

    async def update_item(self, item_id: str, changes: ItemChanges) -> Item:
        """Change an item, and its vector with its text. Raises ItemNotFound, DatabaseUnavailable."""
        item = await self._parts.writes.update_item(item_id, changes)
        await self.catch_up()
        return item

    async def delete_item(self, item_id: str) -> None:
        """Take an item out of the catalogue. Raises ItemNotFound, DatabaseUnavailable."""
        await self._parts.writes.delete_item(item_id)
        await self.catch_up()

    async def create_user(self, draft: UserDraft) -> User:
        """Register a user. Raises UserExists, DatabaseUnavailable."""
        return await self._parts.writes.create_user(draft)

    async def get_user(self, user_id: str) -> User:
        """A user as stored. Raises UserNotFound, DatabaseUnavailable."""
        return await self._parts.writes.get_user(user_id)

    async def update_user(self, user_id: str, changes: UserChanges) -> User:
        """Change what a user says of themselves. Raises UserNotFound, DatabaseUnavailable."""
        return await self._parts.writes.update_user(user_id, changes)

    async def record_interaction(self, draft: InteractionDraft) -> int:
        """Store an interaction; gives its id. It is on disk when this returns. Raises DatabaseUnavailable."""
        return await self._parts.writes.record(draft)

    async def user_interactions(self, user_id: str, days: int, limit: int = 10_000) -> list[Interaction]:
        """A user's interactions of the last `days`, newest first. Raises DatabaseUnavailable."""
        since = self._clock() - timedelta(days=days)
        async with self._parts.database.connection("reading interactions") as conn:
            rows = await recent(conn, user_id, since, limit)
        return [Interaction(*(getattr(row, name) for name in Interaction.__slots__)) for row in rows]

    def _view(self) -> View:
        parts = self._parts
        generation, trending = parts.deployed.generation, parts.feed.trending
        catalogue = parts.index.catalogue
        if self._boards is None or self._boards.stamp != stamp(catalogue, trending, generation):
            self._boards = Boards(catalogue, trending, generation, self._params.ranking)
        return View(parts.index, generation, self._boards, self._params)

    async def _visit(self, user_id: str, days: int | None = None) -> Sequence[InteractionRow]:
        since = _EVER if days is None else self._clock() - timedelta(days=days)
        return await self._parts.feed.visit(user_id, since, self._params.ranking.history_events)

    async def _visitor(
        self,
        user_id: str,
        events: Sequence[InteractionRow],
        *,
        searches: bool = False,
        interests: bool = False,
    ) -> Visitor:
        generation = self._parts.deployed.generation
        count = self._params.ranking.recent_queries if searches else 0
        asked = await self._encoded(queries_of(events)[:count])
        declared = await self._encoded(await self._parts.writes.interests(user_id) if interests else ())
        # The last thing, with no wait after it: rows that it holds are those of the view made next.
        row = self._parts.index.catalogue.row
        history = build_history(events, row, self._weights, self._neutral_stars)
        trained = -1 if events or generation is None else generation.bundle.users.index(user_id)
        return Visitor(user_id, history, asked, declared, self._clock().date(), trained)

    async def _encoded(self, texts: Sequence[str]) -> Texts:
        encode = self._parts.encoder.encode
        vectors: list[Vector] = await asyncio.gather(*(encode(meant(text)) for text in texts))
        return list(zip(texts, vectors, strict=True))

    async def _tick(self) -> None:
        """Keep an idle worker current, so that its first request after a quiet hour is not a slow one."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            await self.catch_up()


def _load_encoder(params: Params) -> TextEncoder:
    from training.models.encoder import Encoder

    return Encoder(params.embeddings.model)
