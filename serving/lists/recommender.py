"""Every list that the service makes: who asks, what it is made with, what is shown of it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from database.interactions import InteractionRow
from serving.catalogue.rankings import Boards, stamp
from serving.experiments.arms import Policy
from serving.experiments.exposure import by_name, cut, stand_in
from serving.experiments.running import NO_EXPERIMENT
from serving.lists import hybrid, neighbours, personal, search
from serving.lists.candidates import Texts, Visitor
from serving.lists.view import Vector, View
from serving.parts import Parts
from serving.steps.history import build_history, queries_of
from serving.text.terms import meant
from serving.types import HomeLists, Kinds, Ranked, SearchResult
from training.params import Params

_EVER = datetime(1970, 1, 1, tzinfo=UTC)
_KEPT_BOARDS = 4


class Recommender:
    """Lists for users, like items, and for queries. Every one first catches up with the database.

    A list is made in one go, without a wait: with one bundle, one catalogue, one set of params.
    """

    def __init__(self, parts: Parts, params: Params, clock: Callable[[], datetime]) -> None:
        self._parts = parts
        self._params = params
        self._clock = clock
        self._boards: dict[str, Boards] = {}
        self._weights = params.interactions.weights.model_dump()
        self._neutral_stars = params.interactions.neutral_stars

    async def home(self, user_id: str, limit: int, kinds: Kinds = None) -> HomeLists:
        """The five lists of the home page, from the user's events of the last `blend.stale_days`."""
        parts = self._parts
        asked = parts.experiments.assign(user_id)
        events = await self._visit(user_id, parts.arms.shown(asked).params.blend.stale_days)
        visitor = await self._visitor(user_id, events, searches=True)
        policy = parts.arms.shown(asked)
        length = parts.shown.length(policy, limit)
        lists = personal.home(self.view(policy), self._known(visitor, policy), length, kinds)
        personalized, odds = parts.shown.explored(policy, lists.personalized, limit)
        shown = replace(cut(lists, limit), personalized=personalized)
        cold = len(events) < policy.params.blend.cold_below
        parts.shown.show(policy, user_id, by_name(shown), odds=("home.personalized", odds), cold=cold)
        if (shadow := parts.arms.shadow(asked)) is not None:
            parts.shown.shadow(
                shadow,
                user_id,
                lambda: by_name(personal.home(self.view(shadow), self._known(visitor, shadow), limit, kinds)),
            )
        return shown

    async def for_user_als(
        self, user_id: str, n: int, filter_already_liked: bool = True, kinds: Kinds = None
    ) -> list[Ranked]:
        """ALS with the user's history folded in; for one it can say nothing of: popular items."""
        events = await self._visit(user_id)
        visitor = await self._visitor(user_id, events)

        def make(policy: Policy, length: int) -> list[Ranked]:
            known = self._known(visitor, policy)
            return personal.by_als(self.view(policy), known, length, kinds, filter_seen=filter_already_liked)

        return self._for_user("als", visitor, n, make)

    async def hybrid(
        self,
        user_id: str,
        n: int,
        *,
        use_cf: bool = True,
        use_embeddings: bool = True,
        cf_weight: float | None = None,
        kinds: Kinds = None,
    ) -> list[Ranked]:
        """NMF and content, blended; cold users by their interests and popularity. `cf_weight` 0..1."""
        events = await self._visit(user_id)
        cold = len(events) < self._params.blend.cold_below
        visitor = await self._visitor(user_id, events, interests=cold)

        def make(policy: Policy, length: int) -> list[Ranked]:
            blend = policy.params.blend
            weight = cf_weight if cf_weight is not None else blend.cf / (blend.cf + blend.embeddings)
            return hybrid.hybrid(
                self.view(policy),
                self._known(visitor, policy),
                length,
                kinds,
                use_cf=use_cf,
                use_embeddings=use_embeddings,
                cf_weight=weight,
            )

        return self._for_user("hybrid", visitor, n, make)

    async def similar_products(self, item_id: str, limit: int, kinds: Kinds = None) -> list[Ranked]:
        """Items named alike (TF-IDF), filled up by meaning. Raises ItemNotFound."""
        await self.catch_up()
        return self._for_all(
            "product", lambda view: SearchResult(neighbours.alike(view, item_id, limit, kinds))
        ).results

    async def similar_by_als(self, item_id: str, n: int, kinds: Kinds = None) -> list[Ranked]:
        """Items chosen by the same people. Raises ItemNotFound, ModelNotReady."""
        await self.catch_up()
        return self._for_all(
            "same_people", lambda view: SearchResult(neighbours.same_people(view, item_id, n, kinds))
        ).results

    async def similar_by_vector(self, item_id: str, k: int, kinds: Kinds = None) -> list[Ranked]:
        """Items near in meaning; the score is the cosine. Raises ItemNotFound."""
        await self.catch_up()
        return self._for_all(
            "near_item", lambda view: SearchResult(neighbours.near(view, item_id, k, kinds))
        ).results

    async def semantic_search(self, query: str, k: int, kinds: Kinds = None) -> list[Ranked]:
        """The k items nearest in meaning to a query; the score is the cosine."""
        vector = await self._parts.encoder.encode(query)
        await self.catch_up()
        return self._for_all(
            "near_query", lambda view: SearchResult(search.semantic(view, query, vector, k, kinds))
        ).results

    async def search(self, query: str, limit: int, kinds: Kinds = None) -> SearchResult:
        """Words and meaning fused; trending items and the reason when nothing matches."""
        vector = await self._parts.encoder.encode(meant(query))
        await self.catch_up()
        return self._for_all("search", lambda view: search.fused(view, query, vector, limit, kinds))

    async def catch_up(self) -> None:
        """Apply what has happened. Lists do it by themselves."""
        await self._parts.feed.catch_up()

    def _for_user(
        self, endpoint: str, visitor: Visitor, n: int, make: Callable[[Policy, int], list[Ranked]]
    ) -> list[Ranked]:
        """Show a user's list by the arm they are in; compute the shadow's after."""
        parts = self._parts
        asked = parts.experiments.assign(visitor.user_id)
        policy = parts.arms.shown(asked)
        candidates = make(policy, parts.shown.length(policy, n))
        ranked, odds = parts.shown.explored(policy, candidates, n)
        parts.shown.show(
            policy,
            visitor.user_id,
            {endpoint: ranked},
            odds=(endpoint, odds),
            cold=visitor.history.events < policy.params.blend.cold_below,
            fallback=stand_in(ranked),
        )
        if (shadow := parts.arms.shadow(asked)) is not None:
            parts.shown.shadow(shadow, visitor.user_id, lambda: {endpoint: make(shadow, n)})
        return ranked

    def _for_all(self, endpoint: str, make: Callable[[View], SearchResult]) -> SearchResult:
        """Show a list that no user asked for: the deployed bundle's."""
        parts = self._parts
        policy = parts.arms.shown(NO_EXPERIMENT)
        found = make(self.view(policy))
        parts.shown.show(policy, None, {endpoint: found.results}, fallback=found.fallback_reason)
        return found

    def view(self, policy: Policy) -> View:
        """This moment, as lists are made from it."""
        parts = self._parts
        catalogue, trending = parts.index.catalogue, parts.feed.trending
        boards = self._boards.get(policy.bundle_id)
        if boards is None or boards.stamp != stamp(catalogue, trending):
            if len(self._boards) >= _KEPT_BOARDS:
                self._boards.clear()
            boards = Boards(catalogue, trending, policy.generation, policy.params.ranking)
            self._boards[policy.bundle_id] = boards
        return View(parts.index, policy.generation, boards, policy.params, policy.weighs)

    async def _visit(self, user_id: str, days: float | None = None) -> Sequence[InteractionRow]:
        since = _EVER if days is None else self._clock() - timedelta(days=days)
        return await self._parts.feed.visit(user_id, since, self._params.ranking.history_events)

    async def _visitor(
        self,
        user_id: str,
        events: Sequence[InteractionRow],
        *,
        searches: bool = False,
        interests: bool = False,
    ) -> Visitor:
        count = self._params.ranking.recent_queries if searches else 0
        asked = await self._encoded(queries_of(events)[:count])
        declared = await self._encoded(await self._parts.writes.interests(user_id) if interests else ())
        # The last thing, with no wait after it: rows that it holds are those of the view made next.
        row = self._parts.index.catalogue.row
        history = build_history(events, row, self._weights, self._neutral_stars)
        return Visitor(user_id, history, asked, declared, self._clock().date())

    @staticmethod
    def _known(visitor: Visitor, policy: Policy) -> Visitor:
        """The visitor as a bundle knows them: who has no event in reach may have trained factors."""
        if visitor.history.events or policy.generation is None:
            return visitor
        return replace(visitor, trained=policy.generation.bundle.users.index(visitor.user_id))

    async def _encoded(self, texts: Sequence[str]) -> Texts:
        if not texts:
            return ()
        encode = self._parts.encoder.encode
        vectors: list[Vector] = await asyncio.gather(*(encode(meant(text)) for text in texts))
        return list(zip(texts, vectors, strict=True))
