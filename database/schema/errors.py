"""What is wrong with a database's schema."""

from database.errors import DatabaseError


class NewerSchemaError(DatabaseError):
    """A newer version of Shortlist migrated the database; this one knows nothing of its tables."""

    def __init__(self, found: str, newest: str) -> None:
        super().__init__(
            f"A newer version of Shortlist migrated the database to {found}; this one knows {newest}"
        )
        self.found = found
        self.newest = newest
