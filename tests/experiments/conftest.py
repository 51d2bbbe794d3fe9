"""A pool on the test's database."""

from tests.database.conftest import pool

__all__ = ["pool"]
