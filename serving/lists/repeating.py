"""Whether lists that were made for a request would be made the same for another one."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache, partial
from hashlib import sha256
from weakref import ReferenceType, ref

import orjson

from database.settings import REPOSITORY
from database.state import UserEvents
from serving.components import Components
from serving.experiments.exposure import Showing
from serving.lists.shared_answers import SharedAnswer
from serving.request_context import Headers, current_request
from serving.types import Clock
from training.params import Params

ALWAYS = datetime.max.replace(tzinfo=UTC)

_CODE = ("database", "serving", "training")
"""Folders of what a worker runs."""

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

    def __init__(self, components: Components, params: Params, clock: Clock) -> None:
        self._components = components
        self._clock = clock
        self._made_by = _code_version(), _digest(params.model_dump_json().encode())
        self._forgotten_id = -1

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
        # Of experiments a worker hears some seconds late, and they end, also while a list is made: theirs are
        # made each time.
        of_experiment = showing.by.experiment_id is not None or self._components.experiments.running
        if request is not None and not of_experiment:
            request.again = partial(self._again, showing, lasting)
            if lasting.events is not None:
                request.share = partial(self._share, showing=showing, lasting=lasting)

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

    def shared(self, asked: bytes) -> tuple[SharedAnswer, bytes] | None:
        """What a worker has answered to this at this moment, and its body: `take` tells whether it holds."""
        moment = self._shared_moment(self.moment())
        found = None if moment is None else self._components.shared_answers.find(asked)
        return found if found is not None and found[0].moment == moment else None

    def take(self, found: SharedAnswer, events: UserEvents) -> Moment | None:
        """This moment, if what a worker has answered is what this one would, from a user's events of now.

        Then it is counted and logged as this request's.
        """
        request, feed, now = current_request.get(), self._components.feed, self._clock()
        moment = self.moment()
        holds = (
            request is not None
            and not request.stale
            and found.moment == self._shared_moment(moment)
            and found.made_at <= now <= found.until
            and now.timestamp() < found.listed_until
            and found.day == now.date()
            and found.user_id not in feed.forgotten
            and found.events == _digest_of(events)
        )
        if request is None or not holds:
            return None
        request.ignored, request.shown = found.ignored, found.shown
        showing = Showing(found.by, found.user_id, found.lists, cold=found.cold, sampled=False)
        self._components.exposure.show(showing)
        self.note(showing, Lasting(moment, ref(events), found.day, found.until))
        return moment

    def _share(
        self, asked: bytes, headers: Headers, route: str, body: bytes, *, showing: Showing, lasting: Lasting
    ) -> None:
        """See `serving.request_context.Request.share`."""
        request = current_request.get()
        events = None if lasting.events is None else lasting.events()
        now = self.moment()
        moment, day, user_id = self._shared_moment(now), lasting.day, showing.user_id
        if request is None or moment is None or events is None or day is None or user_id is None:
            return
        if lasting.moment != now:
            return
        shared = SharedAnswer(
            moment,
            user_id,
            _digest_of(events),
            day,
            made_at=self._clock(),
            until=lasting.until,
            listed_until=min(self._components.index.catalogue.next_change, ALWAYS.timestamp()),
            by=showing.by,
            cold=showing.cold,
            lists=showing.lists,
            headers=headers,
            route=route,
            ignored=request.ignored,
            shown=request.shown,
        )
        self._components.shared_answers.keep(asked, shared, body)

    def _shared_moment(self, moment: Moment) -> str | None:
        """This `moment` as any worker tells it; None where lists are made of what only this one knows.

        Its numbers are the database's. The index may hold what is newer, and nothing older.
        """
        components, feed = self._components, self._components.feed
        if feed.forgotten_id != self._forgotten_id:
            components.shared_answers.clear()  # those of deleted users too, and at the start any
            self._forgotten_id = feed.forgotten_id
        deployed = components.deployed.bundle
        if feed.behind or components.experiments.running or components.arms.bundles() != {deployed}:
            return None
        # The revision counts what this worker has seen: `applied` stands for it.
        _, trending, bundle_id, _, forgotten, synonyms = moment
        return repr((feed.applied, trending, bundle_id, forgotten, synonyms, self._made_by))

    def _lasts(self, user_id: str | None, lasting: Lasting) -> bool:
        """Whether a user's events are the same, as far as this worker knows, and of the same day."""
        if user_id is None or lasting.events is None:
            return user_id is None
        now, current = self._clock(), self._components.feed.users.current(user_id)
        same = current is not None and current is lasting.events()
        return same and now <= lasting.until and now.date() == lasting.day


@cache
def _code_version() -> int:
    """When the code was last changed: a worker that is started again may run other code than the rest."""
    files = [file for folder in _CODE for file in (REPOSITORY / folder).rglob("*.py")]
    return max((file.stat().st_mtime_ns for file in files), default=0)


def _digest_of(events: UserEvents) -> str:
    rows = list(map(tuple, events.latest))
    return _digest(orjson.dumps((rows, events.groups, events.assigned_as)))


def _digest(told: bytes) -> str:
    return sha256(told).hexdigest()
