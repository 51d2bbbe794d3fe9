"""Readers: they ask for lists without a pause, and hold each against the model of the shop."""

import time

import httpx

from benchmarks.random_operations.shop import PRODUCTS, USERS, Shop

WORDS = ("tea", "garden", "paper", "lamp", "mug", "blue", "tray")


async def read(shop: Shop, until: float) -> None:
    """Ask for one list after another until a moment of the monotonic clock."""
    while time.monotonic() < until:
        user = f"user{shop.random.randrange(USERS)}"
        item = f"ITEM{shop.random.randrange(PRODUCTS):06}"
        method, path, body, own = shop.random.choice(
            [
                ("GET", f"/recommendations/home?user_id={user}&response_limit=10", None, True),
                ("POST", "/matrix_factor/user", {"user_id": user, "n": 20}, True),
                ("POST", "/recommendations?kind=product", {"user_id": user, "n_recommendations": 20}, True),
                ("GET", f"/recommendations/product/{item}?response_limit=10", None, False),
                ("POST", "/matrix_factor/similar", {"item_id": item, "n": 10}, False),
                ("GET", f"/recommendations/search?query={shop.random.choice(WORDS)}", None, False),
                ("POST", "/search", {"query": shop.random.choice(WORDS), "top_k": 10}, False),
            ]
        )
        sent, answer = await shop.ask(method, path, **({} if body is None else {"json": body}))
        if answer is not None:
            asked = f"{method} {path} {body}"
            about = item if item in asked else None
            faults = _faults(shop, sent, answer, user if own else None, about)
            shop.note_read(sent, answer, [f"{asked}: {fault}" for fault in faults])


def _faults(shop: Shop, sent: float, answer: httpx.Response, user: str | None, item: str | None) -> list[str]:
    """What is wrong with the answer to a request about a user's lists, or about an item."""
    stale = "X-Stale" in answer.headers
    if answer.status_code >= 500:
        return []  # counted as failed
    if answer.status_code == 404 and item is not None:
        gone = stale or not shop.model.surely_live(item, sent)
        return [] if gone else [f"404 for {item}, which is live"]
    if answer.status_code != 200:
        return [f"{answer.status_code} {answer.text[:200]}"]
    return shop.model.faults(answer.json(), sent, user, stale=stale)
