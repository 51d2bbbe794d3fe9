"""What becomes of lists once they are made: counted and logged; a shadow arm's are made after the answer."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime

from database.impressions import ImpressionRow
from serving.experiments.arms import Policy
from serving.experiments.impression_log import ImpressionLog
from serving.experiments.running import Shadows
from serving.lists.executor import MadeList
from serving.observe.list_metrics import list_metrics
from serving.request_context import Request, current_request
from training.params import Params


class Exposure:
    """One per worker. Nothing here waits for the database, or fails a request."""

    def __init__(self, impressions: ImpressionLog, params: Params, clock: Callable[[], datetime]) -> None:
        self.impressions = impressions
        self._shadows = Shadows(params.experiments.shadows_at_once)
        self._positions = params.impressions.positions
        self._clock = clock

    async def close(self) -> None:
        """Finish shadows under way, then write what waits."""
        await self._shadows.close()
        await self.impressions.close()

    def show(
        self, policy: Policy, user_id: str | None, lists: Iterable[MadeList], *, cold: bool = False
    ) -> None:
        """Count and log the lists of one answer."""
        request = current_request.get()
        seen = request is None or not (request.headers_only or request.shown == 0)
        if request is not None:
            request.bundle_id = policy.bundle_id
        now = self._clock()
        for made in lists:
            models = [each.model for each in made.items]
            list_metrics().count_list(made.name, models, cold=cold, fallback=made.fallback)
            self._log(policy, user_id, made, (request, now), shown=seen)

    def shadow(self, policy: Policy, user_id: str, make: Callable[[], Iterable[MadeList]]) -> None:
        """Make a shadow arm's lists once the request is answered, and log them as not shown."""
        request = current_request.get()

        async def compute() -> None:
            await asyncio.sleep(0)  # the answer goes out first
            now = self._clock()
            for made in make():
                self._log(policy, user_id, made, (request, now), shown=False)

        self._shadows.submit(compute)

    def _log(
        self,
        policy: Policy,
        user_id: str | None,
        made: MadeList,
        origin: tuple[Request | None, datetime],
        *,
        shown: bool,
    ) -> None:
        request, moment = origin
        items = made.items[: self._positions]
        if not items:
            return
        self.impressions.add(
            ImpressionRow(
                request_id="" if request is None else request.request_id,
                answer_id=None if request is None else request.answer_id,
                endpoint=made.name,
                user_id=user_id,
                item_ids=tuple(each.item.item_id for each in items),
                propensities=(made.propensities or (1.0,) * len(items))[: len(items)],
                bundle_id=policy.bundle_id,
                shown_at=moment,
                experiment_id=policy.experiment_id,
                arm=policy.arm,
                shown=shown,
                seen=None if request is None else request.shown,
                part=made.part,
            )
        )
