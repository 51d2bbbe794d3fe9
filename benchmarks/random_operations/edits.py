"""What owners and shoppers do: items are made, changed, withdrawn, deleted and ingested; clicks come in."""

import asyncio
import time

import psycopg2

from benchmarks.random_operations.seen import Phase
from benchmarks.random_operations.shop import PRODUCTS, SHELF, USERS, Shop
from benchmarks.shop import RandomVectors
from database import items
from database.ingest.adapters import ADAPTERS
from database.ingest.run import ingest_file
from database.items import ItemContent
from training.params import load_params

BULK = 3000
CAUGHT_UP_SECONDS = 120.0
"""How long the workers may take to apply a file."""
FRESH_ANSWERS = 8
"""So many in a row, on connections that meet any worker, say that both have caught up."""


async def save_item(shop: Shop) -> None:
    """Make an item, or give one a new title."""
    item_id, title = f"ITEM{shop.random.randrange(PRODUCTS):06}", f"mug renamed {next(shop.numbers)}"
    async with shop.pool.acquire() as conn:
        shop.model.may_live(item_id)
        if shop.model.is_live(item_id):
            await items.update_item(conn, item_id, {"title": title}, None)
        else:
            await items.insert_item(conn, item_id, ItemContent(kind="product", title=title, price=3.0), None)
        shop.model.live(item_id, title, time.monotonic())


async def delete_item(shop: Shop) -> None:
    """Delete an item that is live."""
    item_id = f"ITEM{shop.random.randrange(PRODUCTS):06}"
    if shop.model.is_live(item_id):
        async with shop.pool.acquire() as conn:
            shop.model.may_die(item_id)
            await items.delete_item(conn, item_id)
            shop.model.died(item_id, time.monotonic())


async def withdraw(shop: Shop) -> None:
    """Take a product off the shelf, or put it back: hidden, or sold out."""
    item_id = f"ITEM{PRODUCTS + shop.random.randrange(SHELF):06}"
    name, withdrawn = shop.random.choice([("hidden", True), ("available", False)])
    async with shop.pool.acquire() as conn:
        if shop.model.is_live(item_id):
            shop.model.may_die(item_id)
            await items.update_item(conn, item_id, {name: withdrawn}, None)
            shop.model.died(item_id, time.monotonic())
        else:
            shop.model.may_live(item_id)
            row = await items.update_item(conn, item_id, {"hidden": False, "available": True}, None)
            shop.model.live(item_id, "" if row is None else row.title or "", time.monotonic())


async def edit_numbers(shop: Shop) -> None:
    """Another price, category or number of ratings: lists change their order."""
    item_id = f"ITEM{PRODUCTS + shop.random.randrange(SHELF):06}"
    changes: list[dict[str, object]] = [
        {"price": float(shop.random.randrange(1, 300))},
        {"category": f"category {shop.random.randrange(8)}"},
        {"rating": 5.0, "rating_count": shop.random.randrange(200)},
    ]
    async with shop.pool.acquire() as conn:
        await items.update_item(conn, item_id, shop.random.choice(changes), None)


async def interact(shop: Shop) -> None:
    """A click, which counts from its answer on."""
    user, item_id = f"user{shop.random.randrange(USERS)}", f"ITEM{shop.random.randrange(PRODUCTS):06}"
    event = {"user_id": user, "product_id": item_id, "event_type": "product_click"}
    _, answer = await shop.ask("POST", "/api/v1/interactions/interactions", json=event)
    if answer is not None and answer.is_success:
        shop.model.saw(user, item_id, time.monotonic())


async def article(shop: Shop) -> None:
    """Make, read, change and delete an article; each answer holds for every worker at once."""
    words = {"title": f"lace {next(shop.numbers)}", "content": "knots"}
    _, made = await shop.ask("POST", "/api/articles", json=words)
    if made is None or not made.is_success:
        return
    path = f"/api/articles/{made.json()['id']}"
    for method, body, status in (
        ("GET", None, 200),
        ("PATCH", {"title": f"bobbin {next(shop.numbers)}"}, 200),
        ("GET", None, 200),
        ("DELETE", None, 204),
        ("GET", None, 404),
    ):
        _, answer = await shop.ask(method, path, **({} if body is None else {"json": body}))
        if answer is None or answer.status_code == 503:
            return
        if answer.status_code != status and "X-Stale" not in answer.headers:
            shop.seen.wrong.append(f"{method} {path}: {answer.status_code}, not {status}")


async def ingest(shop: Shop) -> None:
    """A file of products, in a connection of its own, beside everything else."""
    first = BULK * (shop.seen.operations["ingest"] - 1)
    ids = [f"BULK{first + number:06}" for number in range(BULK)]
    file = shop.folder / "products.csv"
    head = "id,name,main_category,sub_category,image,link,ratings,no_of_ratings,discount_price,actual_price"
    rows = [f"{item_id},paper number {item_id},bulk,,,,4.0,1,5.0,10.0" for item_id in ids]
    file.write_text("\n".join([head + ",discount_ratio", *(row + ",0.5" for row in rows)]) + "\n")
    for item_id in ids:
        shop.model.may_live(item_id)

    def load() -> None:
        encoder = RandomVectors(load_params().embeddings.model)
        with psycopg2.connect(shop.dsn) as conn:
            ingest_file(conn, ADAPTERS["products"], file, encoder=encoder)
        conn.close()

    with shop.seen.during(Phase.FILE):
        await asyncio.to_thread(load)
        now = time.monotonic()
        for item_id in ids:
            shop.model.live(item_id, f"paper number {item_id}", now)
        await _await_caught_up(shop)
    _, answer = await shop.ask("GET", f"/recommendations/product/{ids[0]}?response_limit=5")
    if answer is not None and answer.status_code == 404:
        shop.seen.wrong.append(f"{ids[0]} was ingested, and is not found")


async def _await_caught_up(shop: Shop) -> None:
    """Wait until no worker answers that it is behind."""
    give_up, fresh = time.monotonic() + CAUGHT_UP_SECONDS, 0
    while fresh < FRESH_ANSWERS and time.monotonic() < give_up:
        _, answer = await shop.ask("GET", "/recommendations/search?query=paper")
        fresh = fresh + 1 if answer is not None and "X-Stale" not in answer.headers else 0
        await asyncio.sleep(0.1)
