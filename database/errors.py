"""The root of the errors of this folder; each stands beside the code that raises it."""


class DatabaseError(Exception):
    """What was asked of the database, or of a file for it, can't be done; nothing was written."""
