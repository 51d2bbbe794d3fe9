"""The lists that consumers ask for: who asks, by which recipe, and what of it is logged as shown."""

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar
from weakref import ref

import numpy as np

from database.state import UserEvents
from serving.catalogue.rankings import Rankings
from serving.components import Components
from serving.errors import ItemNotFoundError, ModelNotReadyError
from serving.experiments.arms import Policy
from serving.experiments.exposure import showing_of
from serving.experiments.running import NO_EXPERIMENT, Assignment
from serving.lists import recipes
from serving.lists.answers import Answers
from serving.lists.current_rankings import CurrentRankings
from serving.lists.executor import MadeList, make_list
from serving.lists.home import Home, make_home
from serving.lists.recipes import Recipe
from serving.lists.remembered import MadeOf, RememberedLists
from serving.lists.repeating import ALWAYS, Lasting, Moment, Repeating
from serving.lists.shared_answers import SharedAnswer
from serving.lists.users import UserReader
from serving.request_context import current_request
from serving.steps.context import NOBODY, Context, Exploration, User
from serving.steps.history import History
from serving.types import HOME_LISTS, Clock, HomeLists, Kinds, Ranked, Rows, SearchResult
from training.params import Params

T = TypeVar("T")

_SINGLE_BYTES = 25_000_000
"""What remembered lists that stand alone may take of a worker's memory."""

_MEANING_SECONDS = 20.0
"""How long a search by meaning alone waits for the embedding model: on a busy machine it takes seconds."""


class Recommender:
    """Lists for users, like items, and for queries. Every one first catches up with the database.

    A list is made in one go, without a wait: with one bundle, one catalogue, one set of params. With
    `explain` its items carry reasons, and the columns that put them there.
    """

    def __init__(self, components: Components, params: Params, clock: Clock) -> None:
        self._components = components
        self._params = params
        self._clock = clock
        self._users = UserReader(components, params, clock)
        self._rankings = CurrentRankings(components, clock)
        self.remembered = RememberedLists[Home](_own_items)
        """Home pages of users."""
        self._single = RememberedLists[MadeList](lambda made: len(made.items), _SINGLE_BYTES)
        """Lists of users by ALS, and those that are the same for everybody who asks for the same."""
        self.answers = Answers()
        """Those made of lists that are remembered."""
        self._repeating = Repeating(components, params, clock)
        self._random = random.Random()

    async def home(
        self,
        user_id: str,
        limit: int,
        kinds: Kinds = None,
        *,
        lists: Collection[str] = HOME_LISTS,
        explain: bool = False,
    ) -> HomeLists:
        """The lists of the home page, from the user's events of the last `blend.stale_days`.

        Only those named in `lists` are made and logged; the others are empty.
        """
        events = await self._users.events(user_id)
        assignment = self._components.experiments.assign(events.assigned_as or user_id)
        policy = self._components.arms.policy(assignment)
        stale = timedelta(days=policy.params.blend.stale_days)
        since = self._clock() - stale
        await self._rankings.prepare(policy, values="best_value" in lists)
        user = await self._users.user(events, user_id, since, searches=True, kinds=kinds)
        key = (user_id, limit, kinds, frozenset(lists), explain)
        recent, revision = len(events.since(since)), self._components.index.catalogue.revision

        def make(policy: Policy) -> Home:
            def anew() -> Home:
                return make_home(self._told(policy, limit, kinds, user=user, explain=explain), lists)

            if not self._may_remember(policy, user, events, revision):
                return anew()
            made_of = MadeOf(events, recent, self._state(policy, user))
            return self.remembered.get((*key, policy.arm), made_of, anew)

        lasting = None
        if self._may_remember(policy, user, events, revision):
            oldest = min((each.occurred_at for each in events.since(since)), default=None)
            until = ALWAYS if oldest is None else oldest + stale
            lasting = Lasting(self._repeating.moment(), ref(events), user.day, until)
        home = self._for_user(user, assignment, make, lambda made: made.logged(), lasting)
        return HomeLists(
            **{name: made.items for name, made in home.rows.items()},
            top_categories={name: made.items for name, made in home.top_categories.items()},
        )

    async def answer_of_another(self, asked: bytes) -> tuple[SharedAnswer, bytes] | None:
        """What another worker has answered to this, with its body, where this one would answer the same.

        Then it is counted and logged as this request's.
        """
        found = self._repeating.shared(asked)
        if found is None:
            return None
        events = await self._users.events(found[0].user_id)
        moment = self._repeating.take(found[0], events)
        if moment is not None:
            self._rankings.let_go()
            self._keep_only(moment)
            return found
        request = current_request.get()
        if request is not None:
            request.read = found[0].user_id, events
        return None

    def forget(self) -> None:
        """Forget all lists and histories that are remembered: the next are made anew."""
        self._components.shared_answers.clear()
        self.remembered.clear()
        self._single.clear()
        self.answers.clear()
        self._users.forget()

    def _may_remember(self, policy: Policy, user: User, events: UserEvents, revision: int) -> bool:
        """Whether a user's lists may be remembered; `revision` is the catalogue's of when they were read.

        What is explored is drawn each time anew, and of a stranger there is nothing to remember; nor of who
        was deleted meanwhile. A shadow's lists are made later, of rows as they were before.
        """
        feed, catalogue = self._components.feed, self._components.index.catalogue
        fresh = catalogue.revision == revision and user.user_id not in feed.forgotten
        return policy.epsilon <= 0 and bool(events.latest) and fresh

    def _keep_only(self, moment: Moment) -> None:
        """Forget lists and answers of another moment than this, and with them the bundles that made them."""
        self.remembered.keep_only(moment)
        self._single.keep_only(moment)
        self.answers.keep_only(moment)

    def _state(self, policy: Policy, user: User) -> tuple[object, ...]:
        """What a user's lists depend on beside their events: they are the same while this is."""
        moment = self._repeating.moment()
        self._keep_only(moment)
        return (
            user.day,
            # What a search means comes later than its words while the embedding model is busy.
            tuple(vector is not None for _, vector in user.searches),
            # Of the deployed bundle: vectors of other arms' items too come from it.
            moment,
            policy.bundle_id,
            policy.params,
            policy.weighs,
        )

    async def for_user_als(
        self,
        user_id: str,
        n: int,
        filter_already_liked: bool = True,
        kinds: Kinds = None,
        *,
        explain: bool = False,
    ) -> list[Ranked]:
        """ALS with the user's history folded in; for one it can say nothing of: popular items."""
        events = await self._users.events(user_id)
        user = await self._users.user(events, user_id)
        revision = self._components.index.catalogue.revision

        def make(policy: Policy) -> MadeList:
            def anew() -> MadeList:
                context = self._told(
                    policy, n, kinds, user=user, hide_seen=filter_already_liked, explain=explain
                )
                return make_list(recipes.ALS, context)

            if not self._may_remember(policy, user, events, revision):
                return anew()
            key = (recipes.ALS.name, user_id, n, filter_already_liked, kinds, explain, policy.arm)
            return self._single.get(key, MadeOf(events, len(events.latest), self._state(policy, user)), anew)

        return self._one_for_user(user, make)

    async def hybrid(
        self,
        user_id: str,
        n: int,
        *,
        use_cf: bool = True,
        use_embeddings: bool = True,
        cf_weight: float | None = None,
        kinds: Kinds = None,
        explain: bool = False,
    ) -> list[Ranked]:
        """NMF and content, blended; cold users by their interests and popularity. `cf_weight` 0..1.

        With one of the two switched off the other has the whole weight; with both off it is the cold list.
        """
        events = await self._users.events(user_id)
        cold = len(events.latest) < self._params.blend.cold_below
        user = await self._users.user(events, user_id, interests=cold, kinds=kinds)
        used = {"cf": use_cf, "embeddings": use_embeddings}

        def make(policy: Policy) -> MadeList:
            warm = any(used.values()) and user.history.events >= policy.params.blend.cold_below
            shares = _shares(policy, used, cf_weight)
            context = self._told(policy, n, kinds, user=user, shares=shares, explain=explain)
            return make_list(recipes.HYBRID if warm else recipes.COLD_START, context)

        return self._one_for_user(user, make)

    async def similar_products(
        self, item_id: str, limit: int, kinds: Kinds = None, *, of: Kinds = None, explain: bool = False
    ) -> list[Ranked]:
        """Items named alike (TF-IDF), filled up by meaning.

        Raises ItemNotFoundError, also for an item of none of the kinds in `of`.
        """
        await self._components.feed.refresh_item(item_id=item_id)
        row = self._row(item_id)
        if of is not None and self._components.index.catalogue.item(row).kind not in of:
            raise ItemNotFoundError(item_id)
        return self._for_all(recipes.SIMILAR_TITLES, limit, kinds, item=row, explain=explain).items

    async def similar_by_als(
        self, item_id: str, n: int, kinds: Kinds = None, *, explain: bool = False
    ) -> list[Ranked]:
        """Items chosen by the same people. Raises ItemNotFoundError.

        For an item that nobody had chosen when the bundle was trained: items near in text and price. Raises
        ModelNotReadyError before the first bundle, and if nothing is known of the item either way.
        """
        await self.catch_up()
        row = self._row(item_id)
        bundle = self._components.arms.policy(NO_EXPERIMENT).bundle
        if bundle is None:
            raise ModelNotReadyError("als", self._components.deployed.lacking)
        index = bundle.index(row)
        if index >= 0 and bundle.models.als.item_factors[index].any():
            return self._for_all(recipes.SAME_PEOPLE, n, kinds, item=row, explain=explain).items
        found = self._for_all(recipes.SIMILAR_TO_NEW_ITEM, n, kinds, item=row, explain=explain).items
        if not found:
            reason = f"{item_id} had no interactions when bundle {bundle.bundle_id} was trained"
            raise ModelNotReadyError("als", f"{reason}, and has neither text nor price")
        return found

    async def for_cart(
        self, item_ids: Collection[str], n: int, kinds: Kinds = None, *, explain: bool = False
    ) -> tuple[list[Ranked], list[str]]:
        """The next item of a cart, and which of its ids no item has: they count for nothing.

        By the rules of baskets, filled up by ALS; by meaning for items that neither knows; then popular ones.
        """
        await self.catch_up()
        found = {each: self._components.index.catalogue.row(each) for each in item_ids}
        rows = np.array([row for row in found.values() if row >= 0], dtype=np.int32)
        history = basket_history(rows)
        made = self._for_all(recipes.CART, n, kinds, user=User(history=history), explain=explain)
        return made.items, [each for each, row in found.items() if row < 0]

    async def similar_by_vector(
        self, item_id: str, k: int, kinds: Kinds = None, *, explain: bool = False
    ) -> list[Ranked]:
        """Items near in meaning; the score is the cosine. Raises ItemNotFoundError."""
        await self.catch_up()
        row = self._row(item_id)
        return self._for_all(recipes.NEAR_ITEM, k, kinds, item=row, explain=explain).items

    async def semantic_search(
        self, query: str, k: int, kinds: Kinds = None, *, explain: bool = False
    ) -> list[Ranked]:
        """The k items nearest in meaning to a query; the score is the cosine.

        Raises EncoderUnavailableError.
        """
        vector = await self._components.encoder.encode(query, _MEANING_SECONDS)
        await self.catch_up()
        return self._for_all(recipes.NEAR_QUERY, k, kinds, query=query, vector=vector, explain=explain).items

    async def search(
        self, query: str, limit: int, kinds: Kinds = None, *, explain: bool = False
    ) -> SearchResult:
        """Words and meaning fused; trending items and the reason when nothing matches."""
        vector = await self._users.vector(query)
        await self.catch_up()
        await self._users.guess([query], kinds)
        made = self._for_all(recipes.SEARCH, limit, kinds, query=query, vector=vector, explain=explain)
        return SearchResult(made.items, made.fallback)

    async def catch_up(self) -> None:
        """Apply what has happened. Lists do it by themselves."""
        await self._components.feed.catch_up()

    def context(self, policy: Policy, n: int, kinds: Kinds = None, **wanted: Any) -> Context:
        """This moment, as a list of `n` items is made from it; `wanted` are further fields of the context."""
        user = wanted.get("user")
        if (
            user is not None
            and not user.history.events
            and policy.bundle is not None
            and user.user_id not in self._components.feed.forgotten
        ):
            trained = policy.bundle.bundle.users.index(user.user_id)
            wanted["user"] = replace(user, trained=trained)
        return Context(
            index=self._components.index,
            bundle=policy.bundle,
            rankings=self._rankings.by(policy),
            params=policy.params,
            weights=policy.model_weights,
            n=n,
            kinds=kinds,
            exploration=self._exploration(policy),
            **wanted,
        )

    def _told(self, policy: Policy, n: int, kinds: Kinds, *, explain: bool, **wanted: Any) -> Context:
        """The same, of an answer that tells reasons and columns only where it is to explain itself."""
        return self.context(policy, n, kinds, explain=explain, reasons=explain, **wanted)

    def rankings(self) -> Rankings:
        """The lists that are the same for every user, from the deployed bundle."""
        return self._rankings.by(self._components.arms.policy(NO_EXPERIMENT))

    def _one_for_user(self, user: User, make: Callable[[Policy], MadeList]) -> list[Ranked]:
        assignment = self._components.experiments.assign(user.assigned_as or user.user_id)
        return self._for_user(user, assignment, make, lambda made: [made]).items

    def _for_user(
        self,
        user: User,
        assignment: Assignment,
        make: Callable[[Policy], T],
        logged: Callable[[T], Sequence[MadeList]],
        lasting: Lasting | None = None,
    ) -> T:
        """Make and log a user's lists by the arm they are in; the shadow arm's after the answer.

        `lasting` tells how long they stay as they are; None where that can't be told.
        """
        components = self._components
        policy = components.arms.policy(assignment)
        made = make(policy)
        cold = user.history.events < policy.params.blend.cold_below
        sampled = not user.known and not assignment.in_full
        showing = showing_of(policy, user.user_id, logged(made), cold=cold, sampled=sampled)
        logging = components.exposure.show(showing)
        if lasting is not None:
            self._repeating.note(showing, lasting)
        shadow = components.arms.shadow_policy(assignment)
        if shadow is not None and logging is not None:
            catalogue = components.index.catalogue
            given_back = catalogue.given_back

            def beside() -> Sequence[MadeList]:
                # Rows that the user's history or the bundle hold may have become other items' meanwhile.
                return logged(make(shadow)) if catalogue.given_back == given_back else ()

            components.exposure.shadow(shadow, user.user_id, beside, logging)
        return made

    def _for_all(self, recipe: Recipe, n: int, kinds: Kinds, **wanted: Any) -> MadeList:
        """Make and log a list that no user asked for: by the deployed bundle."""
        policy = self._components.arms.policy(NO_EXPERIMENT)

        def anew() -> MadeList:
            return replace(make_list(recipe, self._told(policy, n, kinds, **wanted)), shared=True)

        lasting = Lasting(self._repeating.moment())
        remembered = policy.epsilon <= 0 and not wanted.keys() - {"item", "query", "vector", "explain"}
        if not remembered:
            made = anew()
        else:
            # A query has one vector, which comes later than its words while the embedding model is busy.
            asked = wanted | {"vector": wanted.get("vector") is not None}
            key = (recipe.name, n, kinds, tuple(sorted(asked.items())))
            made = self._single.get(key, MadeOf(UserEvents(), 0, self._state(policy, NOBODY)), anew)
        showing = showing_of(policy, None, [made], cold=False, sampled=False)
        self._components.exposure.show(showing)
        if remembered:
            self._repeating.note(showing, lasting)
        return made

    def _exploration(self, policy: Policy) -> Exploration | None:
        if policy.epsilon <= 0:
            return None
        return Exploration(policy.epsilon, self._params.experiments.exploration_pool, self._random)

    def _row(self, item_id: str) -> int:
        row = self._components.index.catalogue.row(item_id)
        if row < 0:
            raise ItemNotFoundError(item_id)
        return row


def _own_items(home: Home) -> int:
    """How many items of a home page are of this user's lists alone."""
    return sum(len(made.items) for made in home.rows.values() if not made.shared)


def basket_history(rows: Rows) -> History:
    """Items of a basket (rows int32[n], each once) in the place of a user's history."""
    return History(
        liked=rows,
        weights=np.ones(len(rows), dtype=np.float32),
        seen=rows,
        events=len(rows),
        latest=dict.fromkeys(rows.tolist(), "cart"),
    )


def _shares(policy: Policy, used: dict[str, bool], cf_weight: float | None) -> dict[str, float]:
    """What NMF and nearness in meaning weigh in the hybrid list; a model that is not used is left out."""
    blend = policy.params.blend
    cf = cf_weight if cf_weight is not None else blend.cf / (blend.cf + blend.embeddings)
    shares = {"cf": cf, "embeddings": 1 - cf}
    kept = {name: share for name, share in shares.items() if used[name]}
    return dict.fromkeys(kept, 1.0) if len(kept) == 1 else kept
