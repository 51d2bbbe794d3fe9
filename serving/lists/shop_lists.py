"""The lists of /v1: any of the recipes, with a filter, exclusions, pages and sessions."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from database.attributes import AttributeType
from database.interactions import InteractionRow
from database.state import UserEvents
from database.trending import Trending, recent_trending
from serving.components import Components
from serving.conditions.masks import Masks, resolved
from serving.conditions.tree import Field, FilterError
from serving.errors import DatabaseUnavailableError, ItemNotFoundError
from serving.experiments.arms import Policy
from serving.experiments.exposure import showing_of
from serving.experiments.running import NO_EXPERIMENT
from serving.lists import recipes
from serving.lists.executor import FALLBACK_MODELS, MadeList, make_list
from serving.lists.list_requests import (
    KEY_BITS,
    Facet,
    FacetValue,
    ItemsListRequest,
    ListRequest,
    ListResponse,
    RerankListRequest,
    SearchListRequest,
    SessionEvent,
    SimilarListRequest,
    TrendingListRequest,
    UserListRequest,
)
from serving.lists.recipes import Recipe
from serving.lists.recommender import Recommender, basket_history
from serving.steps.context import NOBODY, Context, Recent, Sort, User
from serving.steps.history import grouped
from serving.steps.table import NO_ROWS
from serving.types import Clock, Mask, Rows
from training.params import Params

FACET_VALUES = 100
"""Values of a facet that are counted out, the most frequent first."""
TRENDING_ITEMS = 5000
"""Items that the trend of some hours is made of."""
_TREND_SECONDS = 60
_TRENDS = 16
_SORTED = 20_000
"""Items up to which they are sorted to count those that are no variants of one another."""

_SIMILAR: dict[str, Recipe] = {
    "people": recipes.SIMILAR_BY_PEOPLE,
    "meaning": recipes.SIMILAR_BY_MEANING,
    "title": recipes.SIMILAR_BY_TITLE,
    "bought_together": recipes.BOUGHT_TOGETHER,
}


class ShopLists(Recommender):
    """The lists of the four original contracts, and those of /v1.

    Each raises FilterError for a filter that does not fit the catalogue.
    """

    def __init__(self, components: Components, params: Params, clock: Clock) -> None:
        super().__init__(components, params, clock)
        self._masks = Masks(components.index.catalogue)
        self._trends: OrderedDict[int, tuple[datetime, Sequence[Trending]]] = OrderedDict()

    async def answer(self, list_request: ListRequest) -> ListResponse:
        """The list that is asked for. Raises FilterError; ItemNotFoundError for items like an unknown one."""
        if isinstance(list_request, UserListRequest):
            return await self._for_visitor(list_request)
        if isinstance(list_request, ItemsListRequest):
            return await self._with_items(list_request)
        if isinstance(list_request, SimilarListRequest):
            return await self._similar(list_request)
        if isinstance(list_request, SearchListRequest):
            return await self._search(list_request)
        if isinstance(list_request, TrendingListRequest):
            return await self._trending(list_request)
        if isinstance(list_request, RerankListRequest):
            return await self._in_order(list_request)
        raise TypeError(f"no list for {type(list_request).__name__}")

    async def _for_visitor(self, list_request: UserListRequest) -> ListResponse:
        user = await self._visitor(list_request.user_id, list_request.session)
        recipe = recipes.POPULAR_ON_V1 if user is NOBODY else recipes.RECOMMEND

        def make(policy: Policy) -> MadeList:
            context = self._asked(
                policy,
                list_request,
                user=user,
                hide_seen=not list_request.include_seen,
                diversity=list_request.diversity,
            )
            return make_list(recipe, context)

        made = self._answered(self._shown_to(list_request.user_id, user, make))
        anybody = bool(made.items) and FALLBACK_MODELS.issuperset(each.model for each in made.items)
        return replace(made, fallback="popular") if anybody else made

    async def _with_items(self, list_request: ItemsListRequest) -> ListResponse:
        await self.catch_up()
        rows, unknown = self._rows(list_request.item_ids)
        user = User(history=basket_history(rows))
        made = self._for_anyone(recipes.BASKET, list_request, user=user, diversity=list_request.diversity)
        return replace(self._answered(made), unknown_items=unknown)

    async def _similar(self, list_request: SimilarListRequest) -> ListResponse:
        await self._components.feed.refresh_item(item_id=list_request.item_id)
        row = self._components.index.catalogue.row(list_request.item_id)
        if row < 0:
            raise ItemNotFoundError(list_request.item_id)
        basket = list_request.by == "bought_together"
        user = User(history=basket_history(np.array([row], dtype=np.int32))) if basket else NOBODY
        return self._answered(self._for_anyone(_SIMILAR[list_request.by], list_request, item=row, user=user))

    async def _search(self, list_request: SearchListRequest) -> ListResponse:
        asked: dict[str, Any] = {}
        if list_request.query is not None:
            vector = await self._users.vector(list_request.query)
            asked = {"query": list_request.query, "vector": vector}
        await self.catch_up()
        await self._users.guess([] if list_request.query is None else [list_request.query], None)
        sort = None if list_request.sort is None else self._sort(list_request.sort)
        facets = [(name, self._field(name, "facets")) for name in list_request.facets]
        recipe = recipes.LISTING if list_request.query is None else recipes.SEARCH_PAGES
        made = self._for_anyone(recipe, list_request, sort=sort, **asked)
        revision = self._components.index.catalogue.revision
        total, counted = self._counts(list_request, dict(facets), made.found, revision)
        return replace(self._answered(made), total=total, facets=counted)

    def _counts(
        self, list_request: SearchListRequest, fields: Mapping[str, str], found: Mask, revision: int
    ) -> tuple[int, dict[str, Facet]]:
        """How many items there are, and the facets of some fields, by their names in the request.

        Without a query they are kept until an item changes: what is found is told by the request alone.
        `revision` is the catalogue's of when it was found.
        """

        def count() -> tuple[int, dict[str, Facet]]:
            total = int(np.count_nonzero(found))
            if not list_request.variants:
                total = self._without_variants(found)
            return total, {name: self._facet(field, found) for name, field in fields.items()}

        rankings = self.rankings()
        # An item may have expired since the list was made, by the clock alone.
        if list_request.query is not None or self._components.index.catalogue.revision != revision:
            return count()
        asked = ("counts", list_request.filter, list_request.exclude, list_request.variants)
        return rankings.remembered((*asked, tuple(fields)), count)

    def _without_variants(self, found: Mask) -> int:
        """How many items there are, those that are variants of one another counted once."""
        catalogue = self._components.index.catalogue
        count, alone = int(np.count_nonzero(found)), 0
        if count <= _SORTED:  # to sort them is quicker than to know which have variants
            rows = np.flatnonzero(found).astype(np.int32)
        else:
            rows = catalogue.together()
            rows = rows[found[rows]]
            alone = count - len(rows)
        groups = np.sort(catalogue.column("variants")[rows])
        # Not np.unique, which hashes: of 100,000 groups that took 28 ms, where sorting them takes 1.
        return alone + min(len(groups), 1) + int(np.count_nonzero(groups[1:] != groups[:-1]))

    async def _trending(self, list_request: TrendingListRequest) -> ListResponse:
        await self.catch_up()
        trends = () if list_request.hours is None else await self._trends_of(list_request.hours)
        within = None if list_request.category is None else self._in_category(list_request.category)
        if list_request.hours is None:
            return self._answered(self._for_anyone(recipes.TRENDING_LIST, list_request, permitted=within))
        recent = self._recent(list_request.hours, trends)
        return self._answered(
            self._for_anyone(recipes.TRENDING_HOURS, list_request, permitted=within, recent=recent)
        )

    async def _in_order(self, list_request: RerankListRequest) -> ListResponse:
        list_request = replace(list_request, variants=True)
        user = await self._visitor(list_request.user_id, list_request.session)
        catalogue = self._components.index.catalogue
        recipe = recipes.POPULAR_ON_V1 if user is NOBODY else recipes.RERANK
        withdrawn: list[str] = []
        rows, unknown = self._rows(list_request.item_ids)

        def make(policy: Policy) -> MadeList:
            own = np.zeros(catalogue.n_rows, dtype=np.bool_)
            own[rows] = True
            context = self._asked(policy, list_request, permitted=own, user=user, hide_seen=False)
            listed = catalogue.listed(None)
            withdrawn[:] = [catalogue.id_of(row) for row in rows.tolist() if not listed[row]]
            return make_list(recipe, context)

        made = self._answered(self._shown_to(list_request.user_id, user, make))
        return replace(made, unknown_items=unknown, withdrawn_items=tuple(withdrawn))

    async def _visitor(self, user_id: str | None, session: Sequence[SessionEvent]) -> User:
        """Who asks: a user with what the session adds, a visitor of whom the session is all, or anybody."""
        if user_id is None and not session:
            await self.catch_up()
            return NOBODY
        stored = UserEvents()
        if user_id is None:
            await self.catch_up()
        else:
            stored = await self._users.events(user_id)
        events = self._with_session(stored, session)
        cold = len(events.latest) < self._params.blend.cold_below
        policy = self._components.arms.policy(NO_EXPERIMENT)
        await self._rankings.prepare(policy, values=False)
        interests = cold and user_id is not None
        user = await self._users.user(events, user_id or "", searches=True, interests=interests)
        return replace(user, known=bool(stored.latest))

    def _with_session(self, stored: UserEvents, session: Sequence[SessionEvent]) -> UserEvents:
        if not session:
            return stored
        now = self._clock()
        rows = [
            InteractionRow(
                0, "", each.event_type, each.item_id, each.query, each.value, None, now, each.weight
            )
            for each in reversed(session)
        ]
        groups = stored.groups or tuple(grouped(stored.latest))
        return UserEvents((*rows, *stored.latest), (*groups, *grouped(rows)), stored.assigned_as)

    def _shown_to(self, user_id: str | None, user: User, make: Callable[[Policy], MadeList]) -> MadeList:
        """Make and log a list: of a user by their arm, of anybody else by the deployed bundle."""
        if user_id is not None:
            assignment = self._components.experiments.assign(user.assigned_as or user_id)
            return self._for_user(user, assignment, make, lambda made: [made])
        policy = self._components.arms.policy(NO_EXPERIMENT)
        made = replace(make(policy), shared=user is NOBODY)
        cold = user.history.events < policy.params.blend.cold_below
        self._components.exposure.show(showing_of(policy, None, [made], cold=cold, sampled=False))
        return made

    def _for_anyone(self, recipe: Recipe, list_request: ListRequest, **asked: Any) -> MadeList:
        def make(policy: Policy) -> MadeList:
            return make_list(recipe, self._asked(policy, list_request, whole=recipe.whole, **asked))

        return self._shown_to(None, NOBODY, make)

    def _asked(
        self,
        policy: Policy,
        list_request: ListRequest,
        *,
        permitted: Mask | None = None,
        whole: bool = False,
        **asked: Any,
    ) -> Context:
        """The context of a list: what its filter lets through, less what is excluded or on earlier pages."""
        if list_request.filter is not None:
            mask = self._masks.mask(list_request.filter)
            permitted = mask if permitted is None else permitted & mask
        exclude = self._rows(list_request.exclude)[0]
        pages = self._rows_of_pages(list_request.earlier_pages)
        earlier = pages if whole else NO_ROWS
        if not whole:
            exclude = np.concatenate([exclude, pages])
        return self.context(
            policy,
            list_request.n,
            explain=list_request.explain,
            permitted=permitted,
            exclude=exclude,
            earlier_pages=earlier,
            one_of_variants=not list_request.variants,
            no_variants_of=pages,
            **asked,
        )

    def _rows(self, item_ids: Sequence[str]) -> tuple[Rows, tuple[str, ...]]:
        """Rows of the items, each once, and the ids that no item has."""
        found = {each: self._components.index.catalogue.row(each) for each in item_ids}
        rows = np.array([row for row in found.values() if row >= 0], dtype=np.int32)
        return rows, tuple(each for each, row in found.items() if row < 0)

    def _rows_of_pages(self, keys: frozenset[int]) -> Rows:
        """The rows whose items stand on earlier pages."""
        if not keys:
            return NO_ROWS
        identity = self._components.index.catalogue.column("identity")
        list_request = np.fromiter(keys, dtype=np.uint64, count=len(keys))
        maybe = np.zeros(1 << 16, dtype=np.bool_)
        maybe[list_request & np.uint64(0xFFFF)] = True
        own = identity >> np.uint64(64 - KEY_BITS)
        rows = np.flatnonzero(maybe[own & np.uint64(0xFFFF)])
        return rows[np.isin(own[rows], list_request)].astype(np.int32)

    def _in_category(self, category: str) -> Mask:
        catalogue = self._components.index.catalogue
        n_rows = catalogue.n_rows
        found = catalogue.fields.codes("category", "text").holds([category], n_rows)
        return found | catalogue.fields.codes("categories", "texts").holds([category], n_rows)

    def _field(self, name: str, source: str) -> str:
        """The name of a field's columns; `source` is the part of the request that names it."""
        own = name.removeprefix("attributes.")
        try:
            return resolved(Field(own, 0, attribute=own != name), self._components.index.catalogue.fields)
        except FilterError as error:
            error.source = source
            raise

    def _sort(self, text: str) -> Sort:
        name = text.removeprefix("-")
        field = self._field(name, "sort")
        kinds: list[AttributeType] = self._components.index.catalogue.fields.types(field)
        for kind in ("number", "time"):
            if kind in kinds:
                return Sort(field, kind, descending=text != name)
        refused = FilterError(f"{name!r} is a {kinds[0]}: only numbers and times have an order", 0, name)
        refused.source = "sort"
        raise refused

    def _facet(self, field: str, among: Mask) -> Facet:
        catalogue = self._components.index.catalogue
        counts: dict[Any, int] = {}
        least = most = None
        for kind in catalogue.fields.types(field):
            if kind in ("number", "time"):
                values = catalogue.fields.numbers(field, kind).values(catalogue.n_rows)[among]
                values = values[~np.isnan(values)]
                if len(values):
                    least, most = float(values.min()), float(values.max())
            else:
                counts |= catalogue.fields.codes(field, kind).counts(among)
        best = sorted(counts.items(), key=lambda each: (-each[1], str(each[0])))[:FACET_VALUES]
        return Facet(tuple(FacetValue(value, count) for value, count in best), least, most)

    async def _trends_of(self, hours: int) -> Sequence[Trending]:
        """The trend of some hours, read at most once a minute; () where the database can't tell."""
        known, now = self._trends.get(hours), self._clock()
        if known is not None and abs((now - known[0]).total_seconds()) < _TREND_SECONDS:
            return known[1]
        params = self._params.interactions
        try:
            async with self._components.database.connection("reading what trends") as conn:
                found = await recent_trending(
                    conn,
                    now - timedelta(hours=hours),
                    weights=params.weights.model_dump(),
                    neutral_stars=params.neutral_stars,
                    limit=TRENDING_ITEMS,
                )
        except DatabaseUnavailableError:
            return () if known is None else known[1]
        self._trends[hours] = (now, found)
        self._trends.move_to_end(hours)
        if len(self._trends) > _TRENDS:
            self._trends.popitem(last=False)
        return found

    def _recent(self, hours: int, trends: Sequence[Trending]) -> Recent:
        row_of = self._components.index.catalogue.row
        found = [(row, each) for each in trends if (row := row_of(each.item_id)) >= 0]
        return Recent(
            hours,
            np.array([row for row, _ in found], dtype=np.int32),
            np.array([each.score for _, each in found], dtype=np.float32),
            {row: each.events for row, each in found},
        )

    def _answered(self, made: MadeList) -> ListResponse:
        return ListResponse(made.items, made.fallback)
