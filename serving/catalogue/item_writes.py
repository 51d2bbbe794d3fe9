"""Whole items of /v1: one under a condition, or thousands whose vectors are made afterwards."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from database import item_writes, items
from database.attributes import AttributeConflictError
from database.item_writes import ItemChangedError
from database.items import TEXT, Embedding, ItemRow, StaleEmbeddingError, embedding_text, text_hash
from serving.catalogue.index import item_of
from serving.catalogue.writes import ATTEMPTS
from serving.database_pool import Lane, LiveDatabase
from serving.errors import EditConflictError, ItemNotFoundError
from serving.types import Item
from serving.vectors.encoder_thread import LiveEncoder

Make = Callable[[ItemRow | None], Mapping[str, Any]]
"""From the live item as it is stored to its new values (`database.item_writes.COLUMNS`), or an error."""


class ItemWrites:
    """Each method returns after its commit, and raises DatabaseUnavailableError when nothing was stored."""

    def __init__(self, database: LiveDatabase, encoder: LiveEncoder) -> None:
        self._database = database
        self._encoder = encoder

    async def replace(self, item_id: str, make: Make) -> tuple[Item, bool]:
        """Store what `make` says, with its vector; gives the item and whether it is new.

        `make` is asked again when somebody else changes the item meanwhile; after a few times
        EditConflictError is raised. Raises AttributeConflictError.
        """
        for _ in range(ATTEMPTS):
            read, live = await self._read(item_id)
            values = make(live)
            embedding = await self._new_vector(live, values)
            try:
                async with self._database.connection("storing an item", Lane.CATALOGUE) as conn:
                    row = await item_writes.replace_item(conn, values, read, embedding)
            except (ItemChangedError, StaleEmbeddingError):
                continue
            return item_of(row), live is None
        raise EditConflictError(item_id)

    async def delete(self, item_id: str, check: Callable[[ItemRow | None], None]) -> None:
        """Take an item out of the catalogue if `check` raises nothing. Raises ItemNotFoundError."""
        for _ in range(ATTEMPTS):
            read, live = await self._read(item_id)
            check(live)
            if read is None or live is None:
                raise ItemNotFoundError(item_id)
            try:
                async with self._database.connection("deleting an item", Lane.CATALOGUE) as conn:
                    await item_writes.delete_as_read(conn, read)
            except ItemChangedError:
                continue
            return
        raise EditConflictError(item_id)

    async def replace_many(
        self, rows: Sequence[Mapping[str, Any]]
    ) -> tuple[dict[str, bool], dict[int, AttributeConflictError]]:
        """Store whole items; whether each stored id is new, and the rows left out, by index.

        Their vectors follow (`background_vectors`): until then words find them, and meaning does not.
        """
        async with self._database.connection("storing items", Lane.CATALOGUE) as conn:
            return await item_writes.replace_items(conn, rows)

    async def _read(self, item_id: str) -> tuple[ItemRow | None, ItemRow | None]:
        """The item as stored, and the same if it is not deleted."""
        async with self._database.connection("reading an item") as conn:
            read = await items.get_item(conn, item_id)
        return read, None if read is None or read.deleted_at is not None else read

    async def _new_vector(self, live: ItemRow | None, values: Mapping[str, Any]) -> Embedding | None:
        """The vector of the new text; None when the stored one is still right, or there is no title."""
        if values["title"] is None:
            return None
        text = embedding_text(**{name: values[name] for name in TEXT})
        if (
            live is not None
            and live.vector is not None
            and (live.text_hash, live.vector_model) == (text_hash(text), self._encoder.name)
        ):
            return None
        return await self._encoder.embed(text)
