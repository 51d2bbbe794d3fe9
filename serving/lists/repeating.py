"""Whether lists that were made for a request would be made the same for another one."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from weakref import ReferenceType

from database.state import UserEvents
from serving.components import Components
from serving.experiments.exposure import Showing
from serving.request_context import current_request
from serving.types import Clock

ALWAYS = datetime.max.replace(tzinfo=UTC)

Moment = tuple[object, ...]
"""Of what everybody's lists are made: they are the same while this is."""


@dataclass(frozen=True, slots=True, eq=False)
class Lasting:
    """How long lists stay as they are, by what is known of whose they are; by default nobody's."""

    moment: Moment
    """As long as it is this moment: that of before they were made, for one may pass meanwhile,"""
    events: ReferenceType[UserEvents] | None = None
    """these are the user's events,"""
    day: date | None = None
    """it is this day,"""
    until: datetime = ALWAYS
    """and up to this moment, when one of them becomes too old to count."""


class Repeating:
    """One per worker."""

    def __init__(self, components: Components, clock: Clock) -> None:
        self._components = components
        self._clock = clock

    def moment(self) -> Moment:
        """This moment's."""
        index, deployed = self._components.index, self._components.deployed.bundle
        catalogue, synonyms = index.catalogue, index.lexical.synonyms_version
        catalogue.at(self._clock())
        feed, deployed_id = self._components.feed, None if deployed is None else deployed.bundle_id
        # A list that is made anew lets go of the bundles of an experiment that has ended.
        bundles = frozenset(each and each.bundle_id for each in self._components.arms.bundles())
        return catalogue.revision, feed.trending.version, deployed_id, bundles, feed.forgotten_id, synonyms

    def note(self, showing: Showing, lasting: Lasting) -> None:
        """Let the request know how to tell whether its lists, made just now, would be made the same."""
        request = current_request.get()
        # Of experiments a worker hears some seconds late, and they end: their lists are made each time.
        if request is not None and not self._components.experiments.running:
            request.again = partial(self._again, showing, lasting)

    async def _again(self, showing: Showing, lasting: Lasting) -> bool:
        """See `serving.request_context.Request.again`."""
        user_id, feed = showing.user_id, self._components.feed
        if not self._lasts(user_id, lasting):
            return False
        if user_id is None:
            await feed.catch_up()
        elif not await feed.still(user_id):
            return False
        request = current_request.get()
        doubtful = (
            feed.behind or request is None or request.stale or bool(self._components.experiments.running)
        )
        if doubtful or self.moment() != lasting.moment or not self._lasts(user_id, lasting):
            return False
        self._components.exposure.show(showing)
        return True

    def _lasts(self, user_id: str | None, lasting: Lasting) -> bool:
        """Whether a user's events are the same, as far as this worker knows, and of the same day."""
        if user_id is None or lasting.events is None:
            return user_id is None
        now, current = self._clock(), self._components.feed.users.current(user_id)
        same = current is not None and current is lasting.events()
        return same and now <= lasting.until and now.date() == lasting.day
