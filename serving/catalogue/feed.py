"""Keeping up with the database: catalogue changes, trending scores and deployments, once for all who wait."""

import asyncio
from collections.abc import Sequence
from time import monotonic

import asyncpg

from database import event_changes, items
from database.items import ItemRow
from database.state import State, UserEvents, read_changes, read_request
from database.trending import load_trending
from database.user_removal import forgotten_users
from serving.bundle.deployed import Deployed
from serving.catalogue.index import LiveIndex
from serving.catalogue.known_users import KnownUsers
from serving.catalogue.signals import TrendingScores
from serving.database_pool import Lane, LiveDatabase
from serving.errors import DatabaseUnavailableError
from serving.request_context import current_request

_READ_AT_ONCE = 500
_SLICE_SECONDS = 0.02
"""Between slices whoever waits is answered. With shorter ones a file takes minutes to apply under load."""
_PATIENCE_SECONDS = 0.8


class ChangeFeed:
    """Applies to the index what happened in the database.

    Whoever asks waits until what was committed before is applied. Only when this worker has been behind for
    nearly a second, because very many items changed at once, does nobody wait any more until it has caught
    up: they are answered from what is there, as stale.
    """

    def __init__(self, database: LiveDatabase, index: LiveIndex, deployed: Deployed) -> None:
        self._database = database
        self._index = index
        self._deployed = deployed
        self._applying: asyncio.Task[None] | None = None
        self._behind_since: float | None = None
        self._reading: asyncio.Task[State] | None = None
        self._next: asyncio.Task[State] | None = None
        """The state that is being read, and the reading after it, which all wait for who come meanwhile."""
        self.users = KnownUsers()
        self.forgotten_id = 0
        """How many ids this worker had to forget so far, one that came again counted again."""
        self.forgotten: set[str] = set()
        """Ids of deleted users, and of visitors that they were, of whom a bundle may still know."""
        self.trending = TrendingScores()
        self.applied = 0
        """Every change up to this catalogue sequence number is in the index."""
        self.known = 0
        """The highest sequence number that the database has told of."""

    @property
    def behind(self) -> bool:
        """Whether the database has told of changes that are not applied yet."""
        return self.known > self.applied

    async def open(self) -> None:
        """Load the whole catalogue and the trending scores as of one moment, then the deployed bundle."""
        async with self._database.connection("loading the catalogue", Lane.FOLLOW) as conn:
            async with conn.transaction(isolation="repeatable_read", readonly=True):
                self.users.kept = await event_changes.are_kept(conn)
                state, changes = await read_changes(conn, None)
                self.users.note(changes)
                async for rows in items.load_catalogue(conn):
                    self._index.apply(rows)
                await self._load_trending(conn, state.trending_version)
                await self._forget(conn, state)
            self.applied = self.known = state.catalogue_seq
        await self._deployed.open(state.deployment_id)

    async def close(self) -> None:
        """Give up what is being read and applied."""
        tasks = [task for task in (self._applying, self._reading, self._next) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def user_events(self, user_id: str, limit: int) -> UserEvents:
        """Catch up, and a user's events, the `limit` latest one by one; those that are known and have not
        changed are not read again.

        Without the database: what this worker last saw of the user. Every caller asks for the same `limit`.
        """
        try:
            known = await self._still_known(user_id)
            if known is not None:
                return known
            begun, asked = self.users.readings, monotonic()
            async with self._database.connection("reading the state", Lane.ANSWER) as conn:
                read = await read_request(conn, user_id, limit)
            if read.state.forgotten_id >= self.forgotten_id:  # else they may have been deleted meanwhile
                self.users.remember(user_id, read, begun=begun, asked=asked)
            await self._catch_up(read.state)
        except DatabaseUnavailableError:
            _mark_stale()
            return self.users.last(user_id)
        return read.events

    async def still(self, user_id: str) -> bool:
        """Whether a user is known and, once caught up, has not changed. False without the database."""
        try:
            return await self._still_known(user_id) is not None
        except DatabaseUnavailableError:
            return False

    async def _still_known(self, user_id: str) -> UserEvents | None:
        """Catch up, where a user is known; their events if these have not changed.

        Raises DatabaseUnavailableError.
        """
        if self.users.current(user_id) is None:
            return None
        await self._catch_up(await self._state())
        known = self.users.current(user_id)
        if known is not None:
            self.users.touch(user_id)
        return known

    async def catch_up(self) -> None:
        """Apply what has happened; nothing when the database does not answer."""
        try:
            await self._catch_up(await self._state())
        except DatabaseUnavailableError:
            _mark_stale()

    async def _state(self) -> State:
        """The state as the database has it after this was asked: who comes while it is read waits for the
        next reading, which is one for all of them. Raises DatabaseUnavailableError.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._read_after(self._reading))
        reading = self._next
        await asyncio.wait([reading])
        if reading.cancelled():  # the feed is being closed, which is no end of the request that waits
            raise DatabaseUnavailableError("reading the state")
        return reading.result()

    async def _read_after(self, reading: asyncio.Task[State] | None) -> State:
        try:
            if reading is not None:
                await asyncio.wait([reading])
            async with self._database.connection("reading the state", Lane.ANSWER) as conn:
                self._begin()
                conn.add_termination_listener(self._doubt)
                state, changes = await read_changes(conn, self.users.snapshot)
        finally:
            self._begin()
        self.users.note(changes)
        return state

    def _doubt(self, _: asyncpg.Connection) -> None:
        """A connection ended: the server may have crashed, and give numbers of transactions once more."""
        self.users.doubt()

    def _begin(self) -> None:
        """Let who asks from now on wait for another reading than the one that runs."""
        if self._next is asyncio.current_task():
            self._reading, self._next = self._next, None

    async def refresh_item(self, *, item_id: str | None = None, article_id: int | None = None) -> None:
        """Catch up, and where that must wait for many changes bring this one item up to date before them."""
        await self.catch_up()
        if not self.behind:
            return
        try:
            async with self._database.connection("reading an item", Lane.ANSWER) as conn:
                if article_id is not None:
                    row = await items.get_article(conn, article_id)
                else:
                    row = await items.get_item(conn, item_id or "")
        except DatabaseUnavailableError:
            return
        if row is not None:
            self._index.apply((row,))

    async def _catch_up(self, state: State) -> None:
        self.known = max(self.known, state.catalogue_seq)
        if state.forgotten_id > self.forgotten_id:
            async with self._database.connection("reading who was deleted", Lane.ANSWER) as conn:
                await self._forget(conn, state)
        if self._behind(state):
            if self._behind_since is None:
                self._behind_since = monotonic()
            patience = self._behind_since + _PATIENCE_SECONDS - monotonic()
            try:
                async with asyncio.timeout(max(0.0, patience)):
                    while self._behind(state):
                        await self._applied(state)
            except TimeoutError:
                _mark_stale()
        # What other requests know of counts as well: else each of them would have to wait anew.
        if not self.behind and not self._behind(state):
            self._behind_since = None
        self._deployed.follow(state.deployment_id, self.catch_up)

    def _behind(self, state: State) -> bool:
        return state.catalogue_seq > self.applied or state.trending_version > self.trending.version

    async def _applied(self, state: State) -> None:
        """Wait for what is being applied; begun by the first who asks, and not given up when they do."""
        if self._applying is None or self._applying.done():
            self._applying = asyncio.create_task(self._apply(state))
        applying = self._applying
        await asyncio.wait([applying])
        if applying.cancelled():  # the feed is being closed, which is no end of the request that waits
            raise DatabaseUnavailableError("reading the changes")
        applying.result()

    async def _apply(self, state: State) -> None:
        async with self._database.connection("reading the changes", Lane.FOLLOW) as conn:
            if state.catalogue_seq > self.applied:
                async for rows in items.changes(conn, self.applied, _READ_AT_ONCE):
                    await self._apply_rows(rows)
                self.applied = state.catalogue_seq
            if state.trending_version > self.trending.version:
                await self._load_trending(conn, state.trending_version)

    async def _apply_rows(self, rows: Sequence[ItemRow]) -> None:
        """Bit by bit: a large ingestion must not hold up those who do not wait for it."""
        slice_ends = monotonic() + _SLICE_SECONDS
        for row in rows:
            self._index.apply((row,))
            if monotonic() > slice_ends:
                await asyncio.sleep(0)
                slice_ends = monotonic() + _SLICE_SECONDS

    async def _load_trending(self, conn: asyncpg.Connection, version: int) -> None:
        self.trending = TrendingScores(version, *await load_trending(conn))

    async def _forget(self, conn: asyncpg.Connection, state: State) -> None:
        """Forget the users who were deleted since the last time."""
        gone = await forgotten_users(conn, self.forgotten_id)
        self.users.forget(gone)
        self.forgotten.update(gone)
        self.forgotten_id = max(self.forgotten_id, state.forgotten_id)


def _mark_stale() -> None:
    if (request := current_request.get()) is not None:
        request.stale = True
