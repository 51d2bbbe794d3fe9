"""What lists brought, once more in loops over made-up visits: ties, edges of windows, sampled lists."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import numpy as np
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.events import store_events
from database.impressions import ImpressionRow, write_impressions
from database.list_outcomes import PURCHASE_WINDOW, ListOutcomes, list_outcomes
from database.online import PRIORITY, Attribution

START = datetime.now(UTC)
END, UNTIL = START + timedelta(hours=2), START + timedelta(days=9)
HOUR = Attribution(("click", "like"), timedelta(hours=1), positions=2)
ITEMS = ("a", "b", "c", "d", "e")
PRICES = {"a": 3.0, "b": 0.5}
NAMES = (*PRIORITY[:2], "recommend", "similar", PRIORITY[-1])


@dataclass(frozen=True)
class Event:
    """What a visitor did."""

    number: int
    kind: str
    visitor: str
    item: str
    at: datetime
    answer: UUID | None
    price: float | None
    count: float | None


def visits(seed: int) -> tuple[list[ImpressionRow], list[Event]]:
    """Lists of whole minutes, each name once a visitor and minute; events on the minute as well."""
    random = np.random.default_rng(seed)
    answers = [UUID(int=1000 * (seed + 1) + number) for number in range(6)]
    taken: set[tuple[object, ...]] = set()
    lists = []
    for _ in range(30):
        name, user = str(random.choice(NAMES)), str(random.choice(["ann", "bob", "visitor"]))
        minute, answer = int(random.choice([-5, 0, 10, 10, 40, 119, 120])), random.integers(len(answers))
        if {(name, user, minute), (name, answer)} & taken:
            continue
        taken |= {(name, user, minute), (name, answer)}
        shown = tuple(random.permutation(ITEMS)[: random.integers(1, 5)].tolist())
        seen = None if random.random() < 0.5 else int(random.integers(0, 4))
        weight, is_shown = float(random.choice([1.0, 1.0, 10.0])), bool(random.random() < 0.9)
        at = START + timedelta(minutes=minute)
        lists.append(
            ImpressionRow(
                "r", name, user, shown, None, "b", at,
                answer_id=answers[answer], seen=seen, weight=weight, shown=is_shown,
            )
        )  # fmt: skip
    minutes = random.choice([0, 1, 5, 10, 39, 40, 69, 70, 99, 100, 118, 119, 120, 179, 5000, 10_089], 60)
    events = [
        Event(
            number,
            str(random.choice(["click", "click", "like", "purchase", "skip"])),
            str(random.choice(["ann", "bob", "visitor"])),
            str(random.choice(ITEMS)),
            START + timedelta(minutes=float(minute), seconds=number % 3 and number),
            answers[random.integers(len(answers))] if random.random() < 0.3 else None,
            None if random.random() < 0.5 else float(random.choice([1.0, 2.5])),
            None if random.random() < 0.5 else float(random.choice([1.0, 3.0])),
        )
        for number, minute in enumerate(minutes.tolist())
    ]
    return lists, events


def row(event: Event) -> dict[str, Any]:
    names = ("session_id", "weight", "query", "quantity", "context", "dedup_key")
    visitor = {"user_id": event.visitor, "anonymous_id": None}
    if event.visitor == "visitor":
        visitor = {"user_id": None, "anonymous_id": "visitor"}
    return dict.fromkeys(names) | visitor | {
        "item_id": event.item,
        "event_type": event.kind,
        "event_name": event.kind,
        "occurred_at": event.at.isoformat(),
        "recommendation_id": None if event.answer is None else str(event.answer),
        "price": event.price,
        "value": event.count,
    }  # fmt: skip


def items_of(shown: ImpressionRow) -> tuple[str, ...]:
    return shown.item_ids or ()


def first(name: str) -> int:
    return PRIORITY.index(name) if name in PRIORITY else len(PRIORITY)


def plain(lists: list[ImpressionRow], events: list[Event]) -> dict[str, ListOutcomes]:
    """docs/experiments.md in loops."""
    counted = [each for each in lists if each.shown and START <= each.shown_at < END]
    clicked: list[tuple[Event, ImpressionRow]] = []
    bought: list[tuple[Event, ImpressionRow]] = []
    for event in events:
        if event.kind not in (*HOUR.events, "purchase"):
            continue
        if event.answer is not None:
            of = [
                each
                for each in reversed(counted)
                if each.answer_id == event.answer and event.item in items_of(each)
            ]
            if of:
                chosen = min(of, key=lambda each: first(each.endpoint))
                (bought if event.kind == "purchase" else clicked).append((event, chosen))
        elif event.kind != "purchase":
            of = [
                each
                for each in reversed(lists)  # of equals the last written
                if each.shown and each.user_id == event.visitor and event.item in items_of(each)
                if items_of(each).index(event.item) < (HOUR.positions if each.seen is None else each.seen)
                if each.shown_at >= START
                if event.at - HOUR.window < each.shown_at <= event.at
            ]
            if of:
                clicked.append(
                    (event, min(of, key=lambda each: (-each.shown_at.timestamp(), first(each.endpoint))))
                )
    for event in events:
        if event.kind == "purchase" and event.answer is None:
            clicks = [
                (click.at, click.number, of)
                for click, of in clicked
                if (click.visitor, click.item) == (event.visitor, event.item)
                if event.at - PURCHASE_WINDOW < click.at <= event.at
            ]
            if clicks:
                bought.append((event, max(clicks, key=lambda each: each[:2])[2]))
    found: dict[str, list[float]] = defaultdict(lambda: [0.0] * 6)
    for each in counted:
        items = {click.item for click, of in clicked if of is each}
        furthest = max((items_of(each).index(item) + 1 for item in items), default=0)
        money = [
            (1 if event.count is None else event.count)
            * (PRICES.get(event.item, 0.0) if event.price is None else event.price)
            for event, of in bought
            if of is each
        ]
        seen = min(len(items_of(each)), max(HOUR.positions if each.seen is None else each.seen, furthest))
        numbers = (1, seen, len(items), len(money), bool(money), sum(money))
        for place, number in enumerate(numbers):
            found[each.endpoint][place] += each.weight * number
    return {
        name: ListOutcomes(
            name, round(shown), round(seen), round(clicks), round(purchases), round(converted), revenue
        )
        for name, (shown, seen, clicks, purchases, converted, revenue) in found.items()
    }


async def test_what_lists_brought_is_what_counting_gives(pool: asyncpg.Pool, connection: Connection) -> None:
    async with pool.acquire() as conn:
        for item_id, price in PRICES.items():
            await conn.execute(
                "insert into items (item_id, price, change_seq) values ($1, $2, 1)", item_id, price
            )
        for seed in range(12):
            lists, events = visits(seed)
            await conn.execute("truncate interactions, impression_lists, shared_lists")
            await write_impressions(conn, lists)
            for event in events:
                await store_events(conn, [row(event)])
            found = {each.name: each for each in list_outcomes(connection, START, END, UNTIL, HOUR)}
            connection.commit()
            assert found == plain(lists, events), f"seed {seed}"
            assert sum(each.purchases for each in found.values()) > 0
