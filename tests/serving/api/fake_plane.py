"""A plane in memory, for what the API itself does: validate, call, translate."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from database.event_words import DEFAULTS, EventWords
from database.interactions import InteractionRow, Recorded
from database.settings import REPOSITORY
from database.training_failures import TrainingOutcome
from database.users import UserRow
from serving.catalogue.catalogue import identity_of
from serving.catalogue.drafts import (
    InteractionDraft,
    ItemChanges,
    ItemDraft,
    UserChanges,
    UserDraft,
)
from serving.errors import (
    ItemExistsError,
    ItemNotFoundError,
    ModelNotReadyError,
    UserExistsError,
    UserNotFoundError,
)
from serving.lists.answers import Answers
from serving.lists.list_requests import (
    ListRequest,
    ListResponse,
    SearchListRequest,
    SimilarListRequest,
    page_key,
)
from serving.request_context import current_request
from serving.types import HOME_LISTS, HomeLists, Item, Kinds, Ranked, Reason, SearchResult
from training.params import load_params

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


class FakePlane:
    """A plane of dictionaries: lists are the catalogue in order, filtered by kind."""

    bundle_id = "bundle-1"
    stale = False
    healthy = True

    def __init__(self) -> None:
        self.params = load_params(REPOSITORY / "params.yaml")
        self.items: dict[str, Item] = {}
        self.users: dict[str, UserRow] = {}
        self.events: list[InteractionRow] = []
        self.trained = True
        self.failure: Exception | None = None
        self.next_article = 1
        self.answers = Answers()
        self.shown: list[int | None] = []
        """What the requests for lists said of how many are shown."""
        for number in range(1, 4):
            self._put(
                Item(
                    item_id=f"PRODUCT{number:03}",
                    kind="product",
                    title=f"Red mug {number}",
                    category="Kitchen",
                    sub_category="Mugs",
                    price=5.0,
                    original_price=10.0,
                    discount_ratio=0.5,
                    rating=4.5,
                    rating_count=10,
                    created_at=NOW,
                    updated_at=NOW,
                )
            )
        self._put(Item(item_id="course1", kind="content", title="Python course", category="programming"))

    def _put(self, item: Item) -> Item:
        self.items[item.item_id] = item
        return item

    def _ranked(self, limit: int, kinds: Kinds, skip: str = "", *, explain: bool = False) -> list[Ranked]:
        request = current_request.get()
        self.shown.append(None if request is None else request.shown)
        columns = {"sources": {"popularity": 1.0}, "steps": {}} if explain else None
        chosen = [i for i in self.items.values() if i.item_id != skip and (kinds is None or i.kind in kinds)]
        return [
            Ranked(item, 1 / (n + 1), "popular", Reason("many chose it", "popular"), columns)
            for n, item in enumerate(chosen[:limit])
        ]

    def _found(self, item_id: str) -> Item:
        if item_id not in self.items:
            raise ItemNotFoundError(item_id)
        return self.items[item_id]

    async def last_training(self) -> TrainingOutcome | None:
        return None

    async def status(self) -> dict[str, Any]:
        if self.failure:
            raise self.failure
        state = "trained" if self.trained else "not_trained"
        return {
            "database": {"n_ratings": 0, "n_users": 0, "n_products": 3, "avg_rating": None},
            "matrix_factorization": {"status": state, "n_users": 2, "n_items": 3, "n_factors": 128},
            "similarity_search": {"status": state, "n_products": 4, "embedding_dimension": 384},
        }

    @property
    def lists(self) -> "FakePlane":
        return self

    async def answer_of_another(self, asked: bytes) -> None:
        return None

    async def home(
        self,
        user_id: str,
        limit: int,
        kinds: Kinds = None,
        *,
        lists: Collection[str] = HOME_LISTS,
        explain: bool = False,
    ) -> HomeLists:
        made = self._ranked(limit, kinds, explain=explain)
        whole = {"personalized": [], "trending": made, "best_value": made, "diverse_picks": made}
        return HomeLists(
            **{name: entries for name, entries in whole.items() if name in lists},
            top_categories={"Kitchen": made} if "top_categories" in lists else {},
        )

    async def similar_products(
        self, item_id: str, limit: int, kinds: Kinds = None, *, of: Kinds = None, explain: bool = False
    ) -> list[Ranked]:
        item = self._found(item_id)
        if of is not None and item.kind not in of:
            raise ItemNotFoundError(item_id)
        return self._ranked(limit, kinds, item_id, explain=explain)

    async def similar_by_als(
        self, item_id: str, n: int, kinds: Kinds = None, *, explain: bool = False
    ) -> list[Ranked]:
        self._found(item_id)
        if not self.trained:
            raise ModelNotReadyError("als", "no bundle is deployed")
        return self._ranked(n, kinds, item_id, explain=explain)

    async def for_user_als(
        self,
        user_id: str,
        n: int,
        filter_already_liked: bool = True,
        kinds: Kinds = None,
        *,
        explain: bool = False,
    ) -> list[Ranked]:
        return self._ranked(n, kinds, explain=explain)

    async def semantic_search(
        self, query: str, k: int, kinds: Kinds = None, *, explain: bool = False
    ) -> list[Ranked]:
        return self._ranked(k, kinds, explain=explain)

    async def for_cart(
        self, item_ids: Collection[str], n: int, kinds: Kinds = None, *, explain: bool = False
    ) -> tuple[list[Ranked], list[str]]:
        every = self._ranked(len(self.items), kinds, explain=explain)
        others = [each for each in every if each.item.item_id not in item_ids]
        return others[:n], [each for each in item_ids if each not in self.items]

    async def similar_by_vector(
        self, item_id: str, k: int, kinds: Kinds = None, *, explain: bool = False
    ) -> list[Ranked]:
        self._found(item_id)
        return self._ranked(k, kinds, item_id, explain=explain)

    async def search(
        self, query: str, limit: int, kinds: Kinds = None, *, explain: bool = False
    ) -> SearchResult:
        listed = self._ranked(limit, kinds, explain=explain)
        matching = [entry for entry in listed if query.lower() in entry.item.name.lower()]
        return SearchResult(matching) if matching else SearchResult(listed, "no_search_matches")

    async def answer(self, wanted: ListRequest) -> ListResponse:
        if isinstance(wanted, SimilarListRequest):
            self._found(wanted.item_id)
        every = self._ranked(len(self.items), None, explain=wanted.explain)
        earlier = wanted.earlier_pages
        kept = [each for each in every if page_key(identity_of(each.item.item_id)) not in earlier]
        searched = isinstance(wanted, SearchListRequest)
        return ListResponse(kept[: wanted.n], total=len(every) if searched else None)

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
        return self._ranked(n, kinds, explain=explain)

    async def get_item(self, item_id: str) -> Item | None:
        return self.items.get(item_id)

    async def embedding(self, item_id: str) -> NDArray[np.float32] | None:
        return np.array([0.6, 0.8], dtype=np.float32) if item_id in self.items else None

    async def get_article(self, article_id: int) -> Item | None:
        return next((item for item in self.items.values() if item.article_id == article_id), None)

    async def list_items(
        self, kind: str | None, category: str | None, offset: int, limit: int
    ) -> tuple[list[Item], int]:
        found = [
            item
            for item in self.items.values()
            if kind in (None, item.kind) and category in (None, item.category)
        ]
        return found[offset : offset + limit], len(found)

    async def create_item(self, draft: ItemDraft) -> Item:
        item_id, number = draft.item_id, None
        if item_id is None:
            number, self.next_article = self.next_article, self.next_article + 1
            item_id = f"A{number:09}"
        if item_id in self.items:
            raise ItemExistsError(item_id)
        return self._put(
            Item(
                item_id=item_id,
                kind=draft.kind,
                title=draft.title,
                description=draft.description,
                category=draft.category,
                tags=draft.tags,
                article_id=number,
                created_at=NOW,
                updated_at=NOW,
            )
        )

    async def update_item(self, item_id: str, changes: ItemChanges) -> Item:
        if self.failure:
            raise self.failure
        return self._put(replace(self._found(item_id), **changes))

    async def delete_item(self, item_id: str) -> None:
        self._found(item_id)
        del self.items[item_id]

    async def items_by_id(self, item_ids: Sequence[str]) -> list[Item | None]:
        return [self.items.get(item_id) for item_id in item_ids]

    async def items_after(
        self, after: str | None, limit: int, wanted: Callable[[Item], bool]
    ) -> tuple[list[Item], bool]:
        found = [item for key, item in sorted(self.items.items()) if key > (after or "") and wanted(item)]
        return found[:limit], len(found) > limit

    async def categories(self) -> dict[str, int]:
        return {"Kitchen": 3}

    async def replace_item(self, *_: Any) -> Any:
        raise NotImplementedError("writes of /v1 are tested on a real plane")

    delete_item_if = replace_items = replace_item

    async def event_words(self) -> EventWords:
        return EventWords(DEFAULTS)

    remembered_event_words = event_words
    define_event_types = record_events = undo_event = replace_item
    replace_user = replace_users = delete_user = merge_users = replace_item

    async def create_user(self, draft: UserDraft) -> UserRow:
        if draft.user_id in self.users:
            raise UserExistsError(draft.user_id)
        user = UserRow(draft.user_id, draft.interests, draft.skill_level, NOW, NOW)
        self.users[draft.user_id] = user
        return user

    async def get_user(self, user_id: str) -> UserRow:
        if user_id not in self.users:
            raise UserNotFoundError(user_id)
        return self.users[user_id]

    async def update_user(self, user_id: str, changes: UserChanges) -> UserRow:
        self.users[user_id] = replace(await self.get_user(user_id), **changes)
        return self.users[user_id]

    async def record_interaction(self, draft: InteractionDraft) -> Recorded:
        if self.failure:
            raise self.failure
        event = InteractionRow(
            interaction_id=len(self.events) + 1,
            user_id=draft.user_id,
            event_type=draft.event_type,
            item_id=draft.item_id,
            query=draft.query,
            value=draft.value,
            session_id=None,
            occurred_at=draft.occurred_at or NOW,
        )
        self.events.insert(0, event)
        return Recorded(event.interaction_id, event.occurred_at)

    async def user_interactions(self, user_id: str, days: int, limit: int = 10_000) -> list[InteractionRow]:
        since = NOW - timedelta(days=days)
        found = [each for each in self.events if each.user_id == user_id and each.occurred_at >= since]
        return found[:limit]
