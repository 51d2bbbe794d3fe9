"""What the HTTP API needs of what is behind it: the live plane, or a test's fake."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

from database.attributes import AttributeConflict
from database.event_words import EventType, EventWords
from database.interactions import InteractionRow, Recorded
from database.items import ItemRow
from database.training_failures import TrainingOutcome
from database.users import UserRow
from serving.catalogue.drafts import InteractionDraft, ItemChanges, ItemDraft, UserChanges, UserDraft
from serving.catalogue.item_writes import Make
from serving.lists.wanted import Answered, Wanted
from serving.steps.context import Vector
from serving.types import HOME_LISTS, HomeLists, Item, Kinds, Ranked, SearchResult
from training.params import Params


class ListsProtocol(Protocol):
    """Every list that consumers ask for: see `serving.lists.recommender.Recommender`."""

    async def home(
        self,
        user_id: str,
        limit: int,
        kinds: Kinds = None,
        *,
        lists: Collection[str] = HOME_LISTS,
        explain: bool = False,
    ) -> HomeLists: ...

    async def for_user_als(
        self,
        user_id: str,
        n: int,
        filter_already_liked: bool = True,
        kinds: Kinds = None,
        *,
        explain: bool = False,
    ) -> list[Ranked]: ...

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
    ) -> list[Ranked]: ...

    async def similar_products(
        self, item_id: str, limit: int, kinds: Kinds = None, *, explain: bool = False
    ) -> list[Ranked]: ...

    async def similar_by_als(
        self, item_id: str, n: int, kinds: Kinds = None, *, explain: bool = False
    ) -> list[Ranked]: ...

    async def for_cart(
        self, item_ids: Collection[str], n: int, kinds: Kinds = None, *, explain: bool = False
    ) -> tuple[list[Ranked], list[str]]: ...

    async def similar_by_vector(
        self, item_id: str, k: int, kinds: Kinds = None, *, explain: bool = False
    ) -> list[Ranked]: ...

    async def answer(self, wanted: Wanted) -> Answered: ...

    async def semantic_search(
        self, query: str, k: int, kinds: Kinds = None, *, explain: bool = False
    ) -> list[Ranked]: ...

    async def search(
        self, query: str, limit: int, kinds: Kinds = None, *, explain: bool = False
    ) -> SearchResult: ...


class PlaneProtocol(Protocol):
    """Catalogue, users, interactions and lists: see `serving.plane.LivePlane`."""

    healthy: bool
    params: Params

    @property
    def lists(self) -> ListsProtocol: ...
    @property
    def bundle_id(self) -> str: ...
    @property
    def stale(self) -> bool: ...

    async def status(self) -> dict[str, Any]: ...
    async def last_training(self) -> TrainingOutcome | None: ...
    async def get_item(self, item_id: str) -> Item | None: ...
    async def get_article(self, article_id: int) -> Item | None: ...
    async def embedding(self, item_id: str) -> Vector | None: ...
    async def list_items(
        self, kind: str | None, category: str | None, offset: int, limit: int
    ) -> tuple[list[Item], int]: ...
    async def create_item(self, draft: ItemDraft) -> Item: ...
    async def update_item(self, item_id: str, changes: ItemChanges) -> Item: ...
    async def delete_item(self, item_id: str) -> None: ...
    async def replace_item(self, item_id: str, make: Make) -> tuple[Item, bool]: ...
    async def delete_item_if(self, item_id: str, check: Callable[[ItemRow | None], None]) -> None: ...
    async def replace_items(
        self, rows: Sequence[Mapping[str, Any]]
    ) -> tuple[dict[str, bool], dict[int, AttributeConflict]]: ...
    async def items_by_id(self, item_ids: Sequence[str]) -> list[Item | None]: ...
    async def items_after(
        self, after: str | None, limit: int, wanted: Callable[[Item], bool]
    ) -> tuple[list[Item], bool]: ...
    async def categories(self) -> Mapping[str, int]: ...
    async def event_words(self) -> EventWords: ...
    async def define_event_types(self, types: Sequence[EventType]) -> EventWords: ...
    async def record_events(
        self, rows: Sequence[Mapping[str, Any]], once: tuple[UUID, str, str] | None
    ) -> str | None: ...
    async def undo_event(self, key: str) -> bool: ...
    async def create_user(self, draft: UserDraft) -> UserRow: ...
    async def get_user(self, user_id: str) -> UserRow: ...
    async def update_user(self, user_id: str, changes: UserChanges) -> UserRow: ...
    async def record_interaction(self, draft: InteractionDraft) -> Recorded: ...
    async def user_interactions(
        self, user_id: str, days: int, limit: int = 10_000
    ) -> Sequence[InteractionRow]: ...
