"""Writes: an item with its vector in one transaction, users, interactions. Each returns after its commit."""

from typing import Any
from uuid import uuid5

from database import interactions, items, users
from database.interactions import DedupConflictError, Recorded
from database.items import TEXT, Embedding, ItemRow, StaleEmbeddingError, embedding_text
from serving.catalogue.drafts import InteractionDraft, ItemChanges, ItemDraft, UserChanges, UserDraft
from serving.catalogue.index import item_of
from serving.database_pool import Lane, LiveDatabase
from serving.errors import (
    DatabaseUnavailableError,
    EditConflictError,
    ItemExistsError,
    ItemNotFoundError,
    KeyReusedError,
    UserExistsError,
    UserNotFoundError,
)
from serving.types import Item
from serving.vectors.encoder_thread import LiveEncoder

ATTEMPTS = 5
"""How often an edit is made anew when somebody else changes the item meanwhile."""


class Writes:
    """What consumers write. Every method raises DatabaseUnavailableError when nothing could be stored."""

    def __init__(self, database: LiveDatabase, encoder: LiveEncoder) -> None:
        self._database = database
        self._encoder = encoder

    async def create_item(self, draft: ItemDraft) -> Item:
        """Store a new item with its vector. Raises ItemExistsError.

        An article whose next number is the id of another item takes the number after it.
        """
        embedding = await self._embed({name: getattr(draft, name) for name in TEXT})
        async with self._database.connection("creating an item", Lane.CATALOGUE) as conn:
            row = await items.insert_item(conn, draft.item_id, draft, embedding)
            while row is None and draft.item_id is None:
                row = await items.insert_item(conn, None, draft, embedding)
        if row is None:
            raise ItemExistsError(draft.item_id or "")
        return item_of(row)

    async def update_item(self, item_id: str, changes: ItemChanges) -> Item:
        """Change an item, and its vector when its text changes. Raises ItemNotFoundError.

        Someone else may change the text while it is encoded: then it is read and encoded again, a few
        times; after that EditConflictError is raised.
        """
        for _ in range(ATTEMPTS):
            async with self._database.connection("editing an item") as conn:
                stored = await items.get_item(conn, item_id)
            if stored is None or stored.deleted_at is not None:
                raise ItemNotFoundError(item_id)
            embedding = await self._new_vector(stored, changes)
            # A text that is "changed" to what it is must not undo the edit of another.
            real = {key: value for key, value in changes.items() if embedding or key not in TEXT}
            try:
                async with self._database.connection("editing an item", Lane.CATALOGUE) as conn:
                    row = await items.update_item(conn, item_id, real, embedding)
            except StaleEmbeddingError:
                continue
            if row is None:
                raise ItemNotFoundError(item_id)
            return item_of(row)
        raise EditConflictError(item_id)

    async def delete_item(self, item_id: str) -> None:
        """Take an item out of the catalogue. Raises ItemNotFoundError."""
        async with self._database.connection("deleting an item", Lane.CATALOGUE) as conn:
            deleted = await items.delete_item(conn, item_id)
        if deleted is None:
            raise ItemNotFoundError(item_id)

    async def create_user(self, draft: UserDraft) -> users.UserRow:
        """Register a user. Raises UserExistsError."""
        async with self._database.connection("creating a user", Lane.EVENT) as conn:
            row = await users.insert_user(conn, draft.user_id, draft.interests, draft.skill_level)
        if row is None:
            raise UserExistsError(draft.user_id)
        return row

    async def update_user(self, user_id: str, changes: UserChanges) -> users.UserRow:
        """Change what a user says of themselves. Raises UserNotFoundError."""
        async with self._database.connection("editing a user", Lane.EVENT) as conn:
            row = await users.update_user(conn, user_id, changes)
        if row is None:
            raise UserNotFoundError(user_id)
        return row

    async def get_user(self, user_id: str, lane: Lane = Lane.READ) -> users.UserRow:
        """A user as stored. Raises UserNotFoundError."""
        async with self._database.connection("reading a user", lane) as conn:
            row = await users.get_user(conn, user_id)
        if row is None:
            raise UserNotFoundError(user_id)
        return row

    async def interests(self, user_id: str) -> tuple[str, ...]:
        """What a user says they care for; () for one who is unknown, or while the database is silent."""
        try:
            return (await self.get_user(user_id, Lane.ANSWER)).interests
        except (UserNotFoundError, DatabaseUnavailableError):
            return ()

    async def record(self, draft: InteractionDraft) -> Recorded:
        """Store an interaction, once for each `dedup_key` of its user. Raises KeyReusedError."""
        key = None if draft.dedup_key is None else uuid5(draft.dedup_key, draft.user_id)
        try:
            async with self._database.connection("recording an interaction", Lane.EVENT) as conn:
                return await interactions.record(
                    conn,
                    user_id=draft.user_id,
                    event_type=draft.event_type,
                    item_id=draft.item_id,
                    query=draft.query,
                    value=draft.value,
                    session_id=draft.session_id,
                    occurred_at=draft.occurred_at,
                    dedup_key=key,
                )
        except DedupConflictError as error:
            raise KeyReusedError from error

    async def _new_vector(self, stored: ItemRow, changes: ItemChanges) -> Embedding | None:
        """The vector of the changed text; None when the stored one is still right."""
        before = {name: getattr(stored, name) for name in TEXT}
        after = before | {name: value for name, value in changes.items() if name in TEXT}
        if after == before and stored.vector is not None and stored.vector_model == self._encoder.name:
            return None
        return await self._embed(after)

    async def _embed(self, text_fields: dict[str, Any]) -> Embedding:
        text = embedding_text(**text_fields)
        return await self._encoder.embed(text)
