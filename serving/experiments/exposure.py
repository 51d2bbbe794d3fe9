"""What becomes of lists once they are made: counted and logged; a shadow arm's are made after the answer."""

import asyncio
from collections import Counter as Tally
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prometheus_client import Counter

from database.impressions import ImpressionRow, SharedList
from serving.experiments.arms import Policy
from serving.experiments.impression_log import ImpressionLog
from serving.experiments.running import Shadows
from serving.experiments.sampling import Quota, in_sample
from serving.lists.executor import MadeList
from serving.observe.list_metrics import list_metrics
from serving.request_context import Request, current_request
from serving.types import Clock
from training.params import Params

_SHARED = "shared"
"""What a row is called that refers to the shared lists of an answer: they have names of their own."""


@dataclass(frozen=True, slots=True)
class LoggedList:
    """A row of the log, but for what belongs to an answer."""

    endpoint: str
    item_ids: tuple[str, ...] | None
    propensities: tuple[float, ...] | None
    shared: tuple[SharedList, ...] = ()


@dataclass(frozen=True, slots=True)
class ShownList:
    """What the log needs of a list."""

    name: str
    part: str
    shared: bool
    item_ids: tuple[str, ...]
    propensities: tuple[float, ...] | None
    models: tuple[tuple[str, int], ...]
    """How many items each model put there."""
    fallback: str | None


def shown_list(made: MadeList) -> ShownList:
    """Of a list that was made, without its items."""
    models = tuple(made.models.items())
    return ShownList(
        made.name, made.part, made.shared, made.item_ids, made.propensities, models, made.fallback
    )


def logged_lists(lists: Iterable[ShownList], first: int) -> list[LoggedList]:
    """Lists as they are logged: those that are the same for every user are one row, which refers to them."""
    logged, shared = [], []
    for each in lists:
        item_ids = each.item_ids[:first]
        if item_ids and each.shared:
            shared.append(SharedList(each.name, each.part, item_ids))
        elif item_ids:
            propensities = each.propensities and each.propensities[: len(item_ids)]
            logged.append(LoggedList(each.name, item_ids, propensities))
    return [*logged, LoggedList(_SHARED, None, None, tuple(shared))] if shared else logged


@dataclass(frozen=True, slots=True)
class MadeBy:
    """What the log tells of a policy."""

    bundle_id: str
    experiment_id: str | None
    arm: str | None


def made_by(policy: Policy) -> MadeBy:
    """Of a policy, without its bundle."""
    return MadeBy(policy.bundle_id, policy.experiment_id, policy.arm)


class Showing:
    """The lists of one answer, which may be shown again: what is counted and logged is found out once.

    It is kept as long as the answer, and keeps neither items nor a bundle in memory.
    """

    def __init__(
        self, by: MadeBy, user_id: str | None, lists: Iterable[ShownList], *, cold: bool, sampled: bool
    ) -> None:
        self.by = by
        self.user_id = user_id
        self.lists = tuple(lists)
        self.cold = cold
        self.sampled = user_id if sampled else None
        self.counts: Tally[Counter] = Tally()
        for each in self.lists:
            counts = list_metrics().counts_of(each.name, dict(each.models), cold=cold, fallback=each.fallback)
            self.counts.update(counts)
        self._logged: tuple[int, list[LoggedList]] | None = None

    def logged(self, first: int) -> list[LoggedList]:
        """Of each list the first so many items."""
        if self._logged is None or self._logged[0] != first:
            self._logged = first, logged_lists(self.lists, first)
        return self._logged[1]


def showing_of(
    policy: Policy, user_id: str | None, lists: Iterable[MadeList], *, cold: bool, sampled: bool
) -> Showing:
    """Of lists that were made by a policy."""
    return Showing(made_by(policy), user_id, map(shown_list, lists), cold=cold, sampled=sampled)


@dataclass(frozen=True, slots=True)
class Logging:
    """How the lists of one answer are logged."""

    request: Request | None
    shown: bool
    weight: float


class Exposure:
    """One per worker. Nothing here waits for the database, or fails a request."""

    def __init__(self, impressions: ImpressionLog, params: Params, clock: Clock) -> None:
        self.impressions = impressions
        self._shadows = Shadows(params.experiments.shadows_at_once)
        self._params = params.impressions
        self._quota = Quota(params.impressions.lists_per_minute)
        self._seen = params.experiments.seen_positions
        self._clock = clock

    async def close(self) -> None:
        """Finish shadows under way, then write what waits."""
        await self._shadows.close()
        await self.impressions.close()

    def show(self, showing: Showing) -> Logging | None:
        """Count the lists of one answer, and log them; None when these are not logged.

        Of what clients without a key ask for, a sample is logged of users without any event (`sampled`), and
        so many lists a minute of each client.
        """
        request = current_request.get()
        if request is not None:
            request.bundle_id = showing.by.bundle_id
        list_metrics().count(showing.counts)
        logging = self._logging(request, showing.sampled, len(showing.lists))
        if logging is not None:
            first = self._first(showing.user_id, logging)
            self._log(showing.by, showing.user_id, showing.logged(first), logging)
        return logging

    def shadow(
        self, policy: Policy, user_id: str, make: Callable[[], Iterable[MadeList]], beside: Logging
    ) -> None:
        """Make a shadow arm's lists once the request is answered, and log them as not shown."""
        logging = Logging(beside.request, False, beside.weight)

        async def compute() -> None:
            await asyncio.sleep(0)  # the answer goes out first
            lists = logged_lists(map(shown_list, make()), self._first(user_id, logging))
            self._log(made_by(policy), user_id, lists, logging)

        self._shadows.submit(compute)

    def _logging(self, request: Request | None, sampled: str | None, lists: int) -> Logging | None:
        shown = request is None or not (request.headers_only or request.shown == 0)
        if request is None or request.stranger is None:
            return Logging(request, shown, 1.0)
        now, share = self._clock(), self._params.unknown_share
        if sampled is not None and not in_sample(sampled, share, now):
            return None
        if not self._quota.take(request.stranger, lists, now):
            list_metrics().count_unlogged(lists)
            return None
        return Logging(request, shown, 1.0 if sampled is None else 1 / share)

    def _first(self, user_id: str | None, logging: Logging) -> int:
        """How many items of a list are logged."""
        request = logging.request
        # Of a list that no click can be credited to, what is not seen tells nothing.
        if user_id is not None or (request is not None and request.credited):
            return self._params.positions
        told = None if request is None else request.shown
        return self._seen if told is None else told

    def _log(self, by: MadeBy, user_id: str | None, lists: Iterable[LoggedList], logging: Logging) -> None:
        request = logging.request
        for each in lists:
            self.impressions.add(
                ImpressionRow(
                    request_id="" if request is None else request.request_id,
                    answer_id=None if request is None else request.answer_id,
                    endpoint=each.endpoint,
                    user_id=user_id,
                    item_ids=each.item_ids,
                    propensities=each.propensities,
                    bundle_id=by.bundle_id,
                    shown_at=self._clock(),
                    experiment_id=by.experiment_id,
                    arm=by.arm,
                    shown=logging.shown,
                    seen=None if request is None else request.shown,
                    weight=logging.weight,
                    shared=each.shared,
                )
            )
