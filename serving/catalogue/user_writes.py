"""Users of /v1: stored whole under a condition, deleted with all that is known of them, merged at login."""

from collections.abc import Callable, Mapping
from typing import Any

from database import user_merge, user_removal, users
from database.users import UserRow
from serving.database_pool import Lane, LiveDatabase
from serving.errors import UserNotFoundError

Make = Callable[[UserRow | None], Mapping[str, Any]]
"""From the user as stored to their new `interests`, `labels` and `attributes`, or an error."""


class UserWrites:
    """Each method returns after its commit, and raises DatabaseUnavailableError when nothing was stored."""

    def __init__(self, database: LiveDatabase) -> None:
        self._database = database

    async def replace(self, user_id: str, make: Make) -> tuple[UserRow, bool]:
        """Store what `make` says; gives the user and whether they are new."""
        async with self._database.connection("storing a user", Lane.EVENT) as conn:
            return await users.replace_user(conn, user_id, make)

    async def replace_many(self, wanted: Mapping[str, Mapping[str, Any]]) -> dict[str, bool]:
        """Store whole users, by id; whether each is new."""
        async with self._database.connection("storing users", Lane.EVENT) as conn:
            return await users.replace_users(conn, wanted)

    async def delete(self, user_id: str, check: Callable[[UserRow | None], None]) -> None:
        """Delete a user and all that is known of them, if `check` raises nothing.

        Raises UserNotFoundError.
        """
        async with self._database.connection("deleting a user", Lane.EVENT) as conn:
            if not await user_removal.delete_user(conn, user_id, check):
                raise UserNotFoundError(user_id)

    async def merge(self, anonymous_id: str, user_id: str) -> int:
        """Move a visitor's history to a user; how many events moved. Raises RegisteredUserError."""
        async with self._database.connection("merging users", Lane.EVENT) as conn:
            return await user_merge.merge_users(conn, anonymous_id, user_id)
