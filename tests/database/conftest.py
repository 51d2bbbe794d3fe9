"""Fixtures for the asyncpg side of the database folder."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import asyncpg
import pytest_asyncio

from database.connection import create_pool

if TYPE_CHECKING:
    from tests.conftest import Database


@pytest_asyncio.fixture
async def pool(database: "Database") -> AsyncIterator[asyncpg.Pool]:
    """A pool of at most four connections to the test's database."""
    made = await create_pool(1, 4)
    yield made
    await made.close()
