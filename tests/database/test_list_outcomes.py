"""Clicks, purchases and revenue of each list, by the id that events name or by what the visitor was shown."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.events import key_of, store_events
from database.impressions import ImpressionRow, SharedList, write_impressions
from database.list_outcomes import ListOutcomes, list_outcomes
from database.online import Attribution

NOW = datetime.now(UTC)
CLICKS = Attribution(("click",), timedelta(hours=1), positions=2)


def shown(
    name: str, user: str | None, *items: str, minutes: float = 0, answer: UUID | None = None, **fields: Any
) -> ImpressionRow:
    at = NOW + timedelta(minutes=minutes)
    return ImpressionRow("r", name, user, items, None, "b", at, answer_id=answer, **fields)


def did(kind: str, item: str, minutes: float, of: UUID | None = None, **fields: Any) -> dict[str, Any]:
    names = (
        "user_id",
        "anonymous_id",
        "session_id",
        "weight",
        "query",
        "value",
        "quantity",
        "price",
        "context",
    )
    return dict.fromkeys((*names, "dedup_key")) | {
        "item_id": item,
        "event_type": kind,
        "event_name": kind,
        "occurred_at": (NOW + timedelta(minutes=minutes)).isoformat(),
        "recommendation_id": None if of is None else str(of),
        **fields,
    }


@pytest.fixture
async def brought(pool: asyncpg.Pool, connection: Connection) -> Any:
    """`brought(lists, events)`: what the lists of the first hour have brought within a month."""

    async def count(
        lists: list[ImpressionRow], events: list[dict[str, Any]], minutes: float = 60
    ) -> dict[str, ListOutcomes]:
        async with pool.acquire() as conn:
            await write_impressions(conn, lists)
            await store_events(conn, events)
        month = NOW + timedelta(days=30)
        found = list_outcomes(connection, NOW, NOW + timedelta(minutes=minutes), month, CLICKS)
        return {each.name: each for each in found}

    return count


async def test_an_event_that_names_its_answer_counts_for_it_alone(brought: Any) -> None:
    first, second = uuid4(), uuid4()
    found = await brought(
        [
            shown("recommend", "ann", "a", "b", "c", answer=first),
            shown("similar", "ann", "a", "b", minutes=5, answer=second),  # later, and not what was clicked
            shown("search", None, "a", "z", minutes=1, answer=uuid4()),
        ],
        [
            did("click", "c", 10, first, user_id="ann"),  # beyond what is taken to be seen
            did("click", "a", 10, first, user_id="ann"),
            did("click", "a", 11, first, user_id="ann"),  # once for each item
            did("click", "b", 90, second, anonymous_id="v"),  # whoever, and whenever
            did("purchase", "a", 5000, first, user_id="ann", price=2.5, value=4),
            did("purchase", "a", 5001, first, user_id="ann", price=1.0),
            did("click", "q", 12, first, user_id="ann"),  # not an item of the list
            did("click", "a", 12, uuid4(), user_id="ann"),  # of no list
        ],
    )
    assert found["recommend"] == ListOutcomes("recommend", 1, 3, 2, 2, 1, 11.0)
    assert found["similar"] == ListOutcomes("similar", 1, 2, 1, 0, 0, 0.0)
    assert found["search"] == ListOutcomes("search", 1, 2, 0, 0, 0, 0.0)
    assert (found["recommend"].click_rate, found["recommend"].conversion) == (2 / 3, 1)


async def test_what_names_none_counts_for_the_latest_list_and_the_last_click(
    brought: Any, connection: Connection
) -> None:
    with connection, connection.cursor() as cursor:
        cursor.execute("insert into items (item_id, price, change_seq) values ('b', 3.0, 1)")
    found = await brought(
        [
            shown("recommend", "ann", "a", "b"),
            shown("trending", "ann", "b", minutes=5),
            shown("trending", "visitor", "b", minutes=5),
        ],
        [
            did("click", "b", 10, user_id="ann"),
            did("click", "b", 10, anonymous_id="visitor"),
            did("purchase", "b", 1000, user_id="ann", value=2),  # at the catalogue's price
            did("purchase", "b", 60 * 24 * 8, user_id="ann"),  # too late
            did("purchase", "a", 20, user_id="ann", price=9.0),  # seen, but not clicked
        ],
    )
    assert found["recommend"] == ListOutcomes("recommend", 1, 2, 0, 0, 0, 0.0)
    assert found["trending"] == ListOutcomes("trending", 2, 2, 2, 1, 1, 6.0)


async def test_shared_lists_samples_and_periods(brought: Any) -> None:
    answer, key = uuid4(), str(key_of("order"))
    shared = (SharedList("home.trending", "", ("a", "b")), SharedList("home.best_value", "", ("a",)))
    found = await brought(
        [
            ImpressionRow("r", "shared", None, None, None, "b", NOW, answer_id=answer, shared=shared),
            shown("recommend", "new", "a", weight=10.0),
            shown("recommend", "ann", "a", minutes=70),  # of the next hour
            shown("unseen", "ann", "a", shown=False),
        ],
        [
            did("click", "a", 1, answer),  # the first of the two by priority
            did("click", "a", 80, user_id="ann"),
            did("click", "a", 2, user_id="new"),
            did("purchase", "a", 3, answer, price=5.0, dedup_key=key),
            did("purchase", "a", 3, answer, price=7.0, dedup_key=key),  # in its place
        ],
    )
    assert set(found) == {"home.trending", "home.best_value", "recommend"}
    best, trending = found["home.best_value"], found["home.trending"]
    assert (best.clicks, best.purchases, best.revenue) == (1, 1, 7.0)
    assert (trending.clicks, trending.purchases) == (0, 0)
    assert found["recommend"] == ListOutcomes("recommend", 10, 10, 10, 0, 0, 0.0)
