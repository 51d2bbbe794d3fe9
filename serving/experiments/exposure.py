"""What becomes of lists once they are made: counted and logged; a shadow arm's are made after the answer."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

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

    def show(
        self,
        policy: Policy,
        user_id: str | None,
        lists: Sequence[MadeList],
        *,
        cold: bool = False,
        sampled: bool = False,
    ) -> Logging | None:
        """Count the lists of one answer, and log them; None when these are not logged.

        Of what clients without a key ask for, a sample is logged of users without any event (`sampled`), and
        so many lists a minute of each client.
        """
        request = current_request.get()
        if request is not None:
            request.bundle_id = policy.bundle_id
        for made in lists:
            models = [each.model for each in made.items]
            list_metrics().count_list(made.name, models, cold=cold, fallback=made.fallback)
        logging = self._logging(request, user_id if sampled else None, len(lists))
        if logging is not None:
            self._log(policy, user_id, lists, logging)
        return logging

    def shadow(
        self, policy: Policy, user_id: str, make: Callable[[], Iterable[MadeList]], beside: Logging
    ) -> None:
        """Make a shadow arm's lists once the request is answered, and log them as not shown."""
        logging = Logging(beside.request, False, beside.weight)

        async def compute() -> None:
            await asyncio.sleep(0)  # the answer goes out first
            self._log(policy, user_id, make(), logging)

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

    def _log(self, policy: Policy, user_id: str | None, lists: Iterable[MadeList], logging: Logging) -> None:
        """Lists that are the same for every user are one row, which refers to them."""
        shared = []
        for made in lists:
            # Of a list that no click can be credited to, what is not seen tells nothing.
            credited = user_id is not None or (logging.request is not None and logging.request.credited)
            items = made.items[: self._params.positions if credited else self._first(logging)]
            item_ids = tuple(each.item.item_id for each in items)
            if items and made.shared:
                shared.append(SharedList(made.name, made.part, item_ids))
            elif items:
                propensities = made.propensities and made.propensities[: len(items)]
                self._add(policy, user_id, logging, made.name, item_ids=item_ids, propensities=propensities)
        if shared:
            self._add(policy, user_id, logging, _SHARED, shared=tuple(shared))

    def _first(self, logging: Logging) -> int:
        told = None if logging.request is None else logging.request.shown
        return self._seen if told is None else told

    def _add(
        self,
        policy: Policy,
        user_id: str | None,
        logging: Logging,
        endpoint: str,
        *,
        item_ids: tuple[str, ...] | None = None,
        propensities: tuple[float, ...] | None = None,
        shared: tuple[SharedList, ...] = (),
    ) -> None:
        request = logging.request
        self.impressions.add(
            ImpressionRow(
                request_id="" if request is None else request.request_id,
                answer_id=None if request is None else request.answer_id,
                endpoint=endpoint,
                user_id=user_id,
                item_ids=item_ids,
                propensities=propensities,
                bundle_id=policy.bundle_id,
                shown_at=self._clock(),
                experiment_id=policy.experiment_id,
                arm=policy.arm,
                shown=logging.shown,
                seen=None if request is None else request.shown,
                weight=logging.weight,
                shared=shared,
            )
        )
