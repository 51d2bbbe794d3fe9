"""What becomes of a list before it is shown: explored, counted, logged; its shadow is computed after."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from database.impressions import ImpressionRow
from serving.experiments.arms import Policy
from serving.experiments.impression_log import ImpressionLog
from serving.experiments.running import Shadows, explore
from serving.observe.list_metrics import measures
from serving.request_context import Request, current_request
from serving.types import HomeLists, Ranked
from training.params import Params

Made = dict[str, list[Ranked]]
"""Lists of one request by the endpoint's name, such as `home.trending`."""

STAND_INS = frozenset({"popular", "trending", "new"})
"""Models that speak when those asked for have nothing to say."""


class Shown:
    """One per worker. Nothing here waits for the database, or fails a request."""

    def __init__(self, impressions: ImpressionLog, params: Params, clock: Callable[[], datetime]) -> None:
        self.impressions = impressions
        self._shadows = Shadows(params.experiments.shadows_at_once)
        self._pool = params.experiments.exploration_pool
        self._positions = params.impressions.positions
        self._clock = clock
        self._random = random.Random()

    async def close(self) -> None:
        """Finish shadows under way, then write what waits."""
        await self._shadows.close()
        await self.impressions.close()

    def length(self, policy: Policy, limit: int) -> int:
        """How many candidates a list of `limit` items is to be chosen from."""
        return max(limit, self._pool) if policy.epsilon > 0 else limit

    def explored(
        self, policy: Policy, candidates: Sequence[Ranked], limit: int
    ) -> tuple[list[Ranked], tuple[float, ...] | None]:
        """The list to show of `length(policy, limit)` candidates, and each item's odds; None: all certain."""
        if policy.epsilon <= 0:
            return list(candidates[:limit]), None
        found = explore(candidates, limit, policy.epsilon, self._pool, self._random)
        return found.items, found.propensities

    def show(
        self,
        policy: Policy,
        user_id: str | None,
        made: Made,
        *,
        odds: tuple[str, tuple[float, ...] | None] | None = None,
        cold: bool = False,
        fallback: str | None = None,
    ) -> None:
        """Count and log the lists of one answer. `odds` names the list that was explored, with its odds."""
        request = current_request.get()
        seen = request is None or not request.headers_only
        if request is not None:
            request.bundle_id = policy.bundle_id
        for endpoint, ranked in made.items():
            measures().count_list(endpoint, [each.model for each in ranked], cold=cold, fallback=fallback)
            explored = odds[1] if odds is not None and odds[0] == endpoint else None
            self._log(policy, user_id, endpoint, ranked, explored, shown=seen)

    def shadow(self, policy: Policy, user_id: str, make: Callable[[], Made]) -> None:
        """Compute a shadow arm's lists once the request is answered, and log them as not shown."""
        request = current_request.get()

        async def compute() -> None:
            await asyncio.sleep(0)  # the answer goes out first
            for endpoint, ranked in make().items():
                self._log(policy, user_id, endpoint, ranked, None, shown=False, request=request)

        self._shadows.submit(compute)

    def _log(
        self,
        policy: Policy,
        user_id: str | None,
        endpoint: str,
        ranked: Sequence[Ranked],
        odds: tuple[float, ...] | None,
        *,
        shown: bool = True,
        request: Request | None = None,
    ) -> None:
        logged = ranked[: self._positions]
        if not logged:
            return
        request = request or current_request.get()
        self.impressions.add(
            ImpressionRow(
                request_id="" if request is None else request.request_id,
                answer_id=None if request is None else request.answer_id,
                endpoint=endpoint,
                user_id=user_id,
                item_ids=tuple(each.item.item_id for each in logged),
                propensities=(1.0,) * len(logged) if odds is None else odds[: len(logged)],
                bundle_id=policy.bundle_id,
                shown_at=self._clock(),
                experiment_id=policy.experiment_id,
                arm=policy.arm,
                shown=shown,
            )
        )


def stand_in(ranked: Sequence[Ranked]) -> str | None:
    """What made a whole list instead of the models asked for; None when they had something to say."""
    models = {each.model for each in ranked}
    return "popular" if models and models <= STAND_INS else None


def cut(lists: HomeLists, limit: int) -> HomeLists:
    """The first items of each list."""
    return replace(
        lists,
        trending=lists.trending[:limit],
        best_value=lists.best_value[:limit],
        top_categories={name: ranked[:limit] for name, ranked in lists.top_categories.items()},
        diverse_picks=lists.diverse_picks[:limit],
    )


def by_name(lists: HomeLists) -> Made:
    """The home page's lists by endpoint; those of the top categories, one after another, are one."""
    return {
        "home.personalized": lists.personalized,
        "home.trending": lists.trending,
        "home.best_value": lists.best_value,
        "home.top_categories": [each for ranked in lists.top_categories.values() for each in ranked],
        "home.diverse_picks": lists.diverse_picks,
    }
