"""The live plane: what one worker of the service knows and answers.

Every read catches up with the database by itself, in one round trip: callers never need to.
Every write returns after its commit, and the worker that wrote has then applied it.
"""

from collections.abc import Mapping
from typing import Any

from database.settings import Settings
from serving.live.drafts import (
    Interaction,
    InteractionDraft,
    ItemChanges,
    ItemDraft,
    User,
    UserChanges,
    UserDraft,
)
from serving.ranking.types import HomeLists, Item, Kinds, Ranked, SearchResult


class LivePlane:
    """One per worker: catalogue, indexes and bundle in memory, corrected by the database's change feed."""

    @classmethod
    async def open(cls, pool: Any, params: Any, settings: Settings) -> "LivePlane":
        """Load catalogue, trending and the deployed bundle; ready to answer when this returns."""
        raise NotImplementedError

    async def close(self) -> None:
        """Stop the threads. The pool is the caller's."""
        raise NotImplementedError

    @property
    def bundle_id(self) -> str:
        """Id of the bundle that answers; "none" before the first."""
        raise NotImplementedError

    @property
    def stale(self) -> bool:
        """Whether the last answer came from memory because the database did not answer."""
        raise NotImplementedError

    async def status(self) -> dict[str, Any]:
        raise NotImplementedError

    async def home(self, user_id: str, limit: int, kinds: Kinds = None) -> HomeLists:
        raise NotImplementedError

    async def similar_products(self, item_id: str, limit: int, kinds: Kinds = None) -> list[Ranked]:
        raise NotImplementedError

    async def similar_by_als(self, item_id: str, n: int, kinds: Kinds = None) -> list[Ranked]:
        raise NotImplementedError

    async def for_user_als(
        self, user_id: str, n: int, filter_already_liked: bool = True, kinds: Kinds = None
    ) -> list[Ranked]:
        raise NotImplementedError

    async def semantic_search(self, query: str, k: int, kinds: Kinds = None) -> list[Ranked]:
        raise NotImplementedError

    async def similar_by_vector(self, item_id: str, k: int, kinds: Kinds = None) -> list[Ranked]:
        raise NotImplementedError

    async def search(self, query: str, limit: int, kinds: Kinds = None) -> SearchResult:
        raise NotImplementedError

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
        raise NotImplementedError

    async def get_item(self, item_id: str) -> Item | None:
        raise NotImplementedError

    async def get_article(self, article_id: int) -> Item | None:
        raise NotImplementedError

    async def list_items(
        self, kind: str | None, category: str | None, offset: int, limit: int
    ) -> tuple[list[Item], int]:
        raise NotImplementedError

    async def create_item(self, draft: ItemDraft) -> Item:
        raise NotImplementedError

    async def update_item(self, item_id: str, changes: ItemChanges) -> Item:
        raise NotImplementedError

    async def delete_item(self, item_id: str) -> None:
        raise NotImplementedError

    async def create_user(self, draft: UserDraft) -> User:
        raise NotImplementedError

    async def get_user(self, user_id: str) -> User:
        raise NotImplementedError

    async def update_user(self, user_id: str, changes: UserChanges) -> User:
        raise NotImplementedError

    async def record_interaction(self, draft: InteractionDraft) -> int:
        raise NotImplementedError

    async def user_interactions(self, user_id: str, days: int) -> list[Interaction]:
        raise NotImplementedError


Status = Mapping[str, Any]
