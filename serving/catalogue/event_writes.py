"""Events of /v1 on their way to the database, and the words that a shop has for them."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from database import events
from database.event_words import DEFAULTS, EventType, EventWords
from database.interactions import DedupConflictError
from serving.database_pool import Lane, LiveDatabase
from serving.errors import KeyReusedError
from training.params.event_types import event_types_of
from training.params.learning import EventTypeParams


class EventWrites:
    """Each write returns after its commit, and raises DatabaseUnavailableError when nothing was stored."""

    def __init__(self, database: LiveDatabase, defined: Mapping[str, EventTypeParams]) -> None:
        self._database = database
        self._defined = event_types_of(defined)
        self._read: EventWords | None = None

    async def words(self) -> EventWords:
        """The words that are defined now: by default, in params.yaml, and by API, which has the last word."""
        async with self._database.connection("reading the event types") as conn:
            by_api, version = await events.read_event_types(conn)
        self._read = EventWords([*DEFAULTS, *self._defined, *by_api], version)
        return self._read

    async def remembered_words(self) -> EventWords:
        """The words as they were last read: `record` says when there are others by now."""
        return await self.words() if self._read is None else self._read

    async def define(self, types: Sequence[EventType]) -> EventWords:
        """Define these words by API, and no others; how they all stand then."""
        async with self._database.connection("writing the event types", Lane.EVENT) as conn:
            await events.write_event_types(conn, types)
        return EventWords([*DEFAULTS, *self._defined, *types])

    async def record(
        self, rows: Sequence[Mapping[str, Any]], once: tuple[UUID, str, str] | None, version: str | None
    ) -> str | None:
        """Store events that were read by the words of a version: see `database.events.store_events`.

        Raises KeyReusedError; EventTypesChangedError when other words are defined by now.
        """
        try:
            async with self._database.connection("recording events", Lane.EVENT) as conn:
                return await events.store_events(conn, rows, once=once, types_version=version)
        except DedupConflictError as error:
            raise KeyReusedError from error

    async def undo(self, key: str) -> bool:
        """Delete the event of a key; whether there was one."""
        async with self._database.connection("undoing an event", Lane.EVENT) as conn:
            return await events.delete_event(conn, key)
