"""Who asks for a list: a user's events, searches and interests, read and made ready for the steps."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime

from database.state import UserEvents
from serving.components import Components
from serving.lists.remembered import MadeOf, RememberedLists
from serving.request_context import current_request
from serving.steps.context import Texts, User
from serving.steps.history import History, build_history, queries_of
from serving.text.terms import without_stop_words
from serving.types import Clock, Kinds, Vector
from training.params import Params

_HISTORY_BYTES = 25_000_000
"""What users' histories, summed up, may take of a worker's memory."""


class UserReader:
    """Reads what is known of who asks."""

    def __init__(self, components: Components, params: Params, clock: Clock) -> None:
        self._components = components
        self._params = params
        self._clock = clock
        self._histories = RememberedLists[History](lambda history: len(history.seen), _HISTORY_BYTES)

    async def events(self, user_id: str) -> UserEvents:
        """The user's latest events, with the state of the database: the worker has caught up with it then."""
        request = current_request.get()
        if request is not None and request.read is not None and request.read[0] == user_id:
            (_, events), request.read = request.read, None
            return events
        return await self._components.feed.user_events(user_id, self._params.ranking.history_events)

    async def user(
        self,
        events: UserEvents,
        user_id: str,
        since: datetime | None = None,
        *,
        searches: bool = False,
        interests: bool = False,
        kinds: Kinds = None,
    ) -> User:
        """What is known of a user; their searches and interests are made ready for items of these kinds."""
        count = self._params.ranking.recent_queries if searches else 0
        asked = await self._with_vectors(queries_of(events.since(since))[:count])
        declared = await self._with_vectors(
            await self._components.writes.interests(user_id) if interests else ()
        )
        await self.guess([text for text, _ in (*asked, *declared)], kinds)
        # The last thing, with no wait after it: rows that it holds are those of the context made next.
        history = self._history(events, user_id, since)
        day = self._clock().date()
        return User(
            user_id,
            history,
            asked,
            declared,
            day,
            known=bool(events.latest),
            assigned_as=events.assigned_as,
        )

    def forget(self) -> None:
        """Forget what is remembered of users' histories."""
        self._histories.clear()

    def _history(self, events: UserEvents, user_id: str, since: datetime | None) -> History:
        """The sums of a user's events, kept until there are others or the catalogue changes."""
        catalogue, feed = self._components.index.catalogue, self._components.feed

        def anew() -> History:
            return build_history(events, catalogue.row, self._params.interactions, since)

        # Of what the worker itself does not keep, a session's events for one, nothing is kept either.
        if not events.latest or events is not feed.users.last(user_id) or user_id in feed.forgotten:
            return anew()
        self._histories.keep_only((catalogue.revision, feed.forgotten_id))
        made_of = MadeOf(events, len(events.since(since)), ())
        return self._histories.get(user_id, made_of, anew)

    async def vector(self, text: str) -> Vector | None:
        """What a text means; None, and the answer says so, while the embedding model is not there."""
        vector = await self._components.encoder.encode_soon(without_stop_words(text))
        request = current_request.get()
        if vector is None and request is not None:
            request.words_only = True
        return vector

    async def guess(self, texts: Iterable[str], kinds: Kinds) -> None:
        """Look for what unknown words may stand for, with others let in after each of them."""
        index = self._components.index
        for text in texts:
            for word in index.lexical.unknown(text, index.catalogue.listed(kinds)):
                index.lexical.guess(word)
                await asyncio.sleep(0)

    async def _with_vectors(self, texts: Sequence[str]) -> Texts:
        if not texts:
            return ()
        return list(zip(texts, await asyncio.gather(*map(self.vector, texts)), strict=True))
