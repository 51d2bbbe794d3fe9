"""Two workers on real planes over one database, and requests to each."""

from collections.abc import Iterator

import httpx
import pytest


@pytest.fixture(scope="module")
def workers(addresses: tuple[str, str]) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """A client of each of two workers."""
    one, other = (httpx.Client(base_url=address, timeout=60) for address in addresses)
    with one, other:
        yield one, other


@pytest.fixture(scope="module")
def shop(workers: tuple[httpx.Client, httpx.Client]) -> httpx.Client:
    """The client of one of them."""
    return workers[0]
