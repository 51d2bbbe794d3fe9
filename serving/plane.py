"""The live plane: what one worker of the service knows and answers.

Every read catches up with the database by itself, in one round trip: callers need not.
Every write returns after its commit, and the worker that wrote has then applied it.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from database.attributes import AttributeConflictError
from database.counts import Counts, read_counts
from database.event_words import EventType, EventWords
from database.interactions import InteractionRow, Recorded, recent
from database.items import ItemRow
from database.training_failures import TrainingOutcome, fetch_last_outcome
from database.users import UserRow
from serving.bundle.loading import Locate, bento_folder
from serving.catalogue.drafts import (
    InteractionDraft,
    ItemChanges,
    ItemDraft,
    UserChanges,
    UserDraft,
)
from serving.catalogue.item_writes import Make
from serving.catalogue.user_writes import Make as MakeUser
from serving.components import Components, assemble, reach_encoder, reach_shared_answers
from serving.errors import DatabaseBusyError, DatabaseUnavailableError
from serving.lists.shared_answers import SharedAnswers
from serving.lists.shop_lists import ShopLists
from serving.observe.list_metrics import list_metrics
from serving.observe.status import describe
from serving.types import Clock, Item, Vector
from training.models.core.encoder import TextEncoder
from training.params import Params

logger = logging.getLogger(__name__)

_POLL_SECONDS = 1.0
_COUNTED_FOR = timedelta(seconds=10)


class LivePlane:
    """One per worker: catalogue, indexes and bundle in memory, corrected by the database's change feed."""

    def __init__(self, components: Components, params: Params, clock: Clock) -> None:
        self._components = components
        self._clock = clock
        self.params = params
        """As they were when the worker started: lists, experiments and their results go by the same."""
        self.lists = ShopLists(components, params, clock)
        """Makes every list."""
        self._polling: asyncio.Task[None] | None = None
        self._counting = asyncio.Lock()
        self._tried_to_count: datetime | None = None
        self._counted: tuple[datetime, Counts] | None = None
        self.healthy = True
        """False while this worker can't follow the database, though that answers."""

    @classmethod
    async def open(
        cls,
        pool: asyncpg.Pool,
        params: Params,
        *,
        encoder: TextEncoder | None = None,
        locate: Locate = bento_folder,
        clock: Clock = lambda: datetime.now(UTC),
        shared_answers: SharedAnswers | None = None,
    ) -> "LivePlane":
        """Load catalogue, trending and the deployed bundle; ready to answer when this returns.

        The embedding model may still be loading in its process: lists do without it meanwhile.
        Tests pass a small `encoder`, where bundles are (`locate`), what time it is (`clock`), and what it
        shares with other workers (`shared_answers`).
        Raises DatabaseUnavailableError; EncoderError when the embedding model is not on this machine.
        """
        model = encoder if encoder is not None else await asyncio.to_thread(reach_encoder, params)
        shared = shared_answers or reach_shared_answers()
        plane = cls(assemble(pool, params, model, locate, clock, shared_answers=shared), params, clock)
        components = plane._components
        await components.encoder.open()
        await components.feed.open()
        await components.experiments.open()
        components.exposure.impressions.open()
        components.vectors.open()
        plane._polling = asyncio.create_task(plane._poll())
        logger.info("ready: %d items, bundle %s", components.index.catalogue.n_rows, plane.bundle_id)
        return plane

    async def close(self) -> None:
        """Stop the threads. The pool is the caller's."""
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.gather(self._polling, return_exceptions=True)
        await self._components.vectors.close()
        await self._components.experiments.close()
        await self._components.arms.close()
        await self._components.exposure.close()
        await self._components.feed.close()
        await self._components.deployed.close()
        await self._components.database.close()
        await self._components.encoder.close()
        self._components.shared_answers.close()

    async def catch_up(self) -> None:
        """Apply what has happened. Reads do it by themselves."""
        await self._components.feed.catch_up()

    @property
    def bundle_id(self) -> str:
        """Id of the bundle that answers; "none" before the first."""
        placed = self._components.deployed.bundle
        return "none" if placed is None else placed.bundle_id

    @property
    def stale(self) -> bool:
        """Whether answers come from memory because the database does not answer."""
        return not self._components.database.available

    @property
    def ready(self) -> bool:
        """Whether this worker can do all it is asked for; one that is not still reads from memory."""
        return self.healthy and not self.stale and self._components.encoder.available

    async def settle(self) -> None:
        """Catch up, and wait until every bundle that is asked for is in place or refused."""
        await self.catch_up()
        await self._components.deployed.settle()
        await self._components.experiments.refresh()
        self._components.arms.follow(self._components.experiments.running)
        await self._components.arms.settle()

    async def status(self) -> dict[str, Any]:
        """Database counts, each model's state and size, bundle, trending, feed, refused bundles."""
        await self.catch_up()
        await self._count()
        return describe(self._components, self._counted)

    async def last_training(self) -> TrainingOutcome | None:
        """How the last training ended; None before the first, and without a database."""
        try:
            async with self._components.database.connection("reading how the last training ended") as conn:
                return await fetch_last_outcome(conn)
        except DatabaseUnavailableError:
            return None

    async def _count(self) -> None:
        """Count the tables, at most every few seconds. Where that takes too long the last counts stay."""
        async with self._counting:
            now = self._clock()
            if self._tried_to_count is not None and now - self._tried_to_count < _COUNTED_FOR:
                return
            try:
                async with self._components.database.connection("counting the tables") as conn:
                    self._counted = (now, await read_counts(conn))
            except DatabaseBusyError as error:
                logger.warning("the tables could not be counted: %s", error)
            except DatabaseUnavailableError:
                return
            self._tried_to_count = now

    async def get_item(self, item_id: str) -> Item | None:
        """A live item; None when there is none."""
        await self._components.feed.refresh_item(item_id=item_id)
        return self._components.index.catalogue.get(item_id)

    async def get_article(self, article_id: int) -> Item | None:
        """A live article by its number; None when there is none."""
        await self._components.feed.refresh_item(article_id=article_id)
        return self._components.index.catalogue.article(article_id)

    async def embedding(self, item_id: str) -> Vector | None:
        """The vector of a live item's text, float32[d], normalised; None when there is none."""
        await self._components.feed.refresh_item(item_id=item_id)
        row = self._components.index.catalogue.row(item_id)
        return None if row < 0 else self._components.index.vectors.get(row)

    async def list_items(
        self, kind: str | None, category: str | None, offset: int, limit: int
    ) -> tuple[list[Item], int]:
        """One page of the items that have a title, in order of item id, and how many there are in all."""
        await self.catch_up()
        rows = self.lists.rankings().listing(kind, category)
        item = self._components.index.catalogue.item
        return [item(row) for row in rows[offset : offset + limit].tolist()], len(rows)

    async def create_item(self, draft: ItemDraft) -> Item:
        """Store a new item with its vector. Raises ItemExistsError, DatabaseUnavailableError."""
        item = await self._components.writes.create_item(draft)
        await self.catch_up()
        return item

    async def update_item(self, item_id: str, changes: ItemChanges) -> Item:
        """Change an item, and its vector with its text.

        Raises ItemNotFoundError, DatabaseUnavailableError.
        """
        item = await self._components.writes.update_item(item_id, changes)
        await self.catch_up()
        return item

    async def delete_item(self, item_id: str) -> None:
        """Take an item out of the catalogue. Raises ItemNotFoundError, DatabaseUnavailableError."""
        await self._components.writes.delete_item(item_id)
        await self.catch_up()

    async def replace_item(self, item_id: str, make: Make) -> tuple[Item, bool]:
        """Store a whole item of /v1: see ItemWrites.replace."""
        stored = await self._components.item_writes.replace(item_id, make)
        await self.catch_up()
        return stored

    async def delete_item_if(self, item_id: str, check: Callable[[ItemRow | None], None]) -> None:
        """Take an item out of the catalogue if `check` raises nothing. Raises ItemNotFoundError."""
        await self._components.item_writes.delete(item_id, check)
        await self.catch_up()

    async def replace_items(
        self, rows: Sequence[Mapping[str, Any]]
    ) -> tuple[dict[str, bool], dict[int, AttributeConflictError]]:
        """Store whole items of /v1, whose vectors follow: see ItemWrites.replace_many."""
        stored = await self._components.item_writes.replace_many(rows)
        await self.catch_up()
        return stored

    async def items_by_id(self, item_ids: Sequence[str]) -> list[Item | None]:
        """The live item of each id, None where there is none."""
        await self.catch_up()
        return [self._components.index.catalogue.get(item_id) for item_id in item_ids]

    async def items_after(
        self, after: str | None, limit: int, wanted: Callable[[Item], bool] = lambda item: True
    ) -> tuple[list[Item], bool]:
        """Up to `limit` live items in order of id, after one; and whether more may follow."""
        await self.catch_up()
        return self._components.index.catalogue.after(after, limit, wanted)

    async def categories(self) -> Mapping[str, int]:
        """How many items that may be in lists there are in each category, by path."""
        await self.catch_up()
        catalogue = self._components.index.catalogue
        counts = catalogue.fields.codes("categories", "texts").counts(catalogue.listed(None))
        return {str(path): count for path, count in sorted(counts.items(), key=lambda each: str(each[0]))}

    async def event_words(self) -> EventWords:
        """The words for events that are defined now. Raises DatabaseUnavailableError."""
        return await self._components.event_writes.words()

    async def remembered_event_words(self) -> EventWords:
        """The words for events as this worker last read them: see EventWrites."""
        return await self._components.event_writes.remembered_words()

    async def define_event_types(self, types: Sequence[EventType]) -> EventWords:
        """Define a shop's words for events. Raises DatabaseUnavailableError."""
        return await self._components.event_writes.define(types)

    async def record_events(
        self, rows: Sequence[Mapping[str, Any]], once: tuple[UUID, str, str] | None, version: str | None
    ) -> str | None:
        """Store events of /v1 that were read by the words of a version: see `database.events.store_events`.

        Raises EventTypesChangedError, KeyReusedError, DatabaseUnavailableError.
        """
        return await self._components.event_writes.record(rows, once, version)

    async def undo_event(self, key: str) -> bool:
        """Delete the event of a key; whether there was one. Raises DatabaseUnavailableError."""
        return await self._components.event_writes.undo(key)

    async def create_user(self, draft: UserDraft) -> UserRow:
        """Register a user. Raises UserExistsError, DatabaseUnavailableError."""
        return await self._components.writes.create_user(draft)

    async def get_user(self, user_id: str) -> UserRow:
        """A user as stored. Raises UserNotFoundError, DatabaseUnavailableError."""
        return await self._components.writes.get_user(user_id)

    async def update_user(self, user_id: str, changes: UserChanges) -> UserRow:
        """Change what a user says of themselves. Raises UserNotFoundError, DatabaseUnavailableError."""
        return await self._components.writes.update_user(user_id, changes)

    async def replace_user(self, user_id: str, make: MakeUser) -> tuple[UserRow, bool]:
        """Store a user of /v1: see UserWrites.replace. Raises DatabaseUnavailableError."""
        return await self._components.user_writes.replace(user_id, make)

    async def replace_users(self, users: Mapping[str, Mapping[str, Any]]) -> dict[str, bool]:
        """Store users of /v1: see UserWrites.replace_many. Raises DatabaseUnavailableError."""
        return await self._components.user_writes.replace_many(users)

    async def delete_user(self, user_id: str, check: Callable[[UserRow | None], None]) -> None:
        """Delete a user with all that is known of them.

        Raises UserNotFoundError, DatabaseUnavailableError.
        """
        await self._components.user_writes.delete(user_id, check)
        await self.catch_up()
        self._components.shared_answers.clear()  # at once, and by each worker that hears of it: `Repeating`

    async def merge_users(self, anonymous_id: str, user_id: str) -> int:
        """Move a visitor's history to a user; how many events moved.

        Raises RegisteredUserError, DatabaseUnavailableError.
        """
        return await self._components.user_writes.merge(anonymous_id, user_id)

    async def record_interaction(self, draft: InteractionDraft) -> Recorded:
        """Store an interaction, once for each `dedup_key` of its user. It is on disk when this returns.

        Raises KeyReusedError, DatabaseUnavailableError.
        """
        return await self._components.writes.record(draft)

    async def user_interactions(self, user_id: str, days: int, limit: int = 10_000) -> list[InteractionRow]:
        """A user's interactions of the last `days`, newest first. Raises DatabaseUnavailableError."""
        since = self._clock() - timedelta(days=days)
        async with self._components.database.connection("reading interactions") as conn:
            return await recent(conn, user_id, since, limit)

    async def _poll(self) -> None:
        """Keep an idle worker current, so that its first request after a quiet hour is not a slow one.

        What goes wrong here goes wrong in requests too: the worker is not ready until a poll succeeds again.
        """
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            try:
                await self.catch_up()
                self._components.arms.follow(self._components.experiments.running)
                self._measure()
            except Exception:  # the boundary of a task that nobody waits for
                if self.healthy:
                    logger.exception("this worker can't follow the database and is not ready")
                self.healthy = False
            else:
                self.healthy = True

    def _measure(self) -> None:
        components = self._components
        placed, now = components.deployed.bundle, self._clock()
        deployed = None if placed is None else placed.loaded.deployment.deployed_at
        computed = components.feed.trending.computed_at
        list_metrics().set_state(
            applied=components.feed.applied,
            lag=components.feed.known - components.feed.applied,
            encoder_waiting=components.encoder.waiting,
            bundle_seconds=None if deployed is None else (now - deployed).total_seconds(),
            trending_seconds=None if computed is None else (now - computed).total_seconds(),
        )
