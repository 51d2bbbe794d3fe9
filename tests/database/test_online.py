"""Impressions and the clicks attributed to them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.experiments import Arm, start_experiment
from database.impressions import ImpressionRow, write_impressions
from database.interactions import record
from database.online import Attribution, list_clicks, logged_slots, shown_clicks

NOW = datetime.now(UTC) + timedelta(hours=1)
"""After anything that a test starts in the database, however long ago this file was read."""
CLICKS = Attribution(("click",), timedelta(hours=1))


def shown(user: str, *items: str, minutes: float = 0, **fields: object) -> ImpressionRow:
    """A list shown `minutes` after now."""
    return ImpressionRow(
        request_id=str(fields.pop("request_id", f"r-{user}-{minutes}")),
        endpoint="home",
        user_id=user,
        item_ids=items,
        propensities=tuple(fields.pop("propensities", (1.0,) * len(items))),  # type: ignore[arg-type]
        bundle_id=str(fields.pop("bundle_id", "b1")),
        shown_at=NOW + timedelta(minutes=minutes),
        **fields,  # type: ignore[arg-type]
    )


async def click(conn: asyncpg.Connection, user: str, item: str, minutes: float, event: str = "click") -> None:
    moment = NOW + timedelta(minutes=minutes)
    await record(conn, user_id=user, event_type=event, item_id=item, occurred_at=moment)


async def test_clicks_count_for_the_latest_list_within_the_window(
    pool: asyncpg.Pool, connection: Connection
) -> None:
    async with pool.acquire() as conn:
        await write_impressions(
            conn,
            [
                shown("ann", "x", "y", bundle_id="old"),
                shown("ann", "x", "z", bundle_id="new", minutes=10),
                shown("bob", "x", bundle_id="new"),
                shown("eve", "y", bundle_id="new", shown=False),
            ],
        )
        await click(conn, "ann", "x", 20)  # for the later list
        await click(conn, "ann", "x", 21)  # the same item of the same list again: counts once
        await click(conn, "ann", "y", 30)  # only the earlier list held it
        await click(conn, "bob", "x", 61)  # after the window
        await click(conn, "bob", "x", -1)  # before it was shown
        await click(conn, "bob", "x", 5, event="skip")
        await click(conn, "eve", "y", 5)  # never shown
    rates = {
        bundle: shown_clicks(connection, bundle, NOW, NOW + timedelta(hours=5), CLICKS)
        for bundle in ("old", "new")
    }
    assert {key: (rate.users, rate.shown, rate.clicked) for key, rate in rates.items()} == {
        "old": (1, 2, 1),
        "new": (2, 3, 1),
    }
    assert (rates["new"].shown_squared, rates["new"].clicked_shown) == (5, 2)


async def test_of_several_lists_of_one_answer_the_most_personal_gets_the_click(
    pool: asyncpg.Pool, connection: Connection
) -> None:
    async with pool.acquire() as conn:
        lists = []
        for endpoint in ("home.trending", "home.personalized", "home.top_categories", "other"):
            row = shown("ann", "x", "y", bundle_id=endpoint)
            lists.append(replace(row, endpoint=endpoint))
        await write_impressions(conn, lists)
        await click(conn, "ann", "x", 5)
    until = NOW + timedelta(hours=1)
    clicked = {each.bundle_id: shown_clicks(connection, each.bundle_id, NOW, until, CLICKS) for each in lists}
    assert {name: counts.clicked for name, counts in clicked.items()} == {
        "home.trending": 0,
        "home.personalized": 1,
        "home.top_categories": 0,
        "other": 0,
    }


async def test_a_later_list_takes_the_click_though_it_is_of_another_period(
    pool: asyncpg.Pool, connection: Connection
) -> None:
    async with pool.acquire() as conn:
        await write_impressions(conn, [shown("ann", "x"), shown("ann", "x", minutes=20)])
        await click(conn, "ann", "x", 30)
    early = shown_clicks(connection, None, NOW, NOW + timedelta(minutes=10), CLICKS)
    late = shown_clicks(connection, None, NOW + timedelta(minutes=10), NOW + timedelta(hours=1), CLICKS)
    assert (early.shown, early.clicked, late.shown, late.clicked) == (1, 0, 1, 1)
    cut = NOW + timedelta(minutes=25)
    assert (
        shown_clicks(connection, None, NOW, NOW + timedelta(hours=1), CLICKS, clicks_until=cut).clicked == 0
    )


async def test_a_shadow_list_is_laid_beside_the_shown_one(pool: asyncpg.Pool, connection: Connection) -> None:
    experiment = start_experiment(connection, "s", "shadow", (Arm("now", 1), Arm("unseen", 1)))
    connection.commit()
    answer = uuid4()
    async with pool.acquire() as conn:
        lists = [
            shown("ann", "x", "y", minutes=1, answer_id=answer, propensities=(0.9, 0.05)),
            shown("ann", "x", "z", minutes=1, answer_id=answer, experiment_id="s", arm="unseen", shown=False),
        ]
        await write_impressions(conn, lists)
        await click(conn, "ann", "x", 2)
    slots = logged_slots(connection, experiment, NOW + timedelta(hours=1), CLICKS, 100)
    assert [(slot.target, slot.reward) for slot in slots] == [(1, 1), (0, 0)]
    assert [slot.propensity for slot in slots] == pytest.approx([0.9, 0.05])


async def test_a_request_id_that_comes_again_counts_each_answer_once(
    pool: asyncpg.Pool, connection: Connection
) -> None:
    experiment = start_experiment(connection, "s", "shadow", (Arm("now", 1), Arm("unseen", 1)))
    connection.commit()
    lists = []
    for _ in range(20):
        same: dict[str, object] = {"request_id": "mine", "answer_id": uuid4(), "minutes": 1}
        lists.append(shown("ann", "x", "y", **same))  # type: ignore[arg-type]
        lists.append(shown("ann", "x", "z", experiment_id="s", arm="unseen", shown=False, **same))  # type: ignore[arg-type]
    async with pool.acquire() as conn:
        await write_impressions(conn, lists)
        await write_impressions(conn, lists[:2])  # a write that broke off is done again
    slots = logged_slots(connection, experiment, NOW + timedelta(hours=1), CLICKS, 10_000)
    assert len(slots) == 40


async def test_the_view_has_a_row_for_each_item(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        await write_impressions(conn, [shown("ann", "x", "y", propensities=(0.5, 0.25))])
        rows = await conn.fetch("select item_id, position, propensity from impressions order by position")
    assert [tuple(row) for row in rows] == [("x", 0, 0.5), ("y", 1, 0.25)]


def totals(connection: Connection, clicks: Attribution = CLICKS) -> tuple[int, int]:
    rate = shown_clicks(connection, None, NOW, NOW + timedelta(hours=5), clicks)
    return rate.shown, rate.clicked


async def test_only_what_a_page_shows_counts_as_shown_and_as_clicked(
    pool: asyncpg.Pool, connection: Connection
) -> None:
    sixty = [f"i{number}" for number in range(60)]
    async with pool.acquire() as conn:
        await write_impressions(
            conn, [shown("ann", *sixty), shown("bob", *sixty, seen=20), shown("eve", "i0")]
        )
        for user in ("ann", "bob"):
            await click(conn, user, "i5", 1)  # in a row of six
            await click(conn, user, "i15", 1)  # only in a row of twenty
            await click(conn, user, "i40", 1)
    assert totals(connection) == (6 + 20 + 1, 1 + 2)
    four = Attribution(CLICKS.events, CLICKS.window, positions=4)
    assert totals(connection, four) == (4 + 20 + 1, 2)


async def test_a_click_counts_for_the_list_that_showed_it_not_for_a_later_one_that_only_held_it(
    pool: asyncpg.Pool, connection: Connection
) -> None:
    async with pool.acquire() as conn:
        await write_impressions(
            conn,
            [
                shown("ann", "x", bundle_id="early"),
                shown("ann", "y", "x", bundle_id="late", minutes=1, seen=1),
            ],
        )
        await click(conn, "ann", "x", 2)
    early, late = (
        shown_clicks(connection, name, NOW, NOW + timedelta(hours=5), CLICKS) for name in ("early", "late")
    )
    assert (early.clicked, late.clicked, late.shown) == (1, 0, 1)


async def test_a_click_that_names_its_answer_counts_for_no_other(
    pool: asyncpg.Pool, connection: Connection
) -> None:
    named, other, elsewhere = uuid4(), uuid4(), uuid4()
    ten = [f"i{number}" for number in range(10)]
    async with pool.acquire() as conn:
        await write_impressions(
            conn,
            [
                shown("ann", *ten, bundle_id="named", answer_id=named, minutes=0),
                shown("ann", *ten, bundle_id="later", answer_id=other, minutes=1),
                shown("bob", *ten, bundle_id="bob's", answer_id=elsewhere, minutes=1),
            ],
        )
        for item, answer in (("i0", named), ("i8", named), ("i1", elsewhere), ("i2", None), ("x", named)):
            await click(conn, "ann", item, 2)
            await conn.execute(
                "update interactions set recommendation_id = $2 where item_id = $1",
                item,
                answer and str(answer),
            )
    found = {
        name: shown_clicks(connection, name, NOW, NOW + timedelta(hours=5), CLICKS)
        for name in ("named", "later", "bob's")
    }
    # The ninth item was seen, for it was clicked there: so were those before it.
    assert (found["named"].clicked, found["named"].shown) == (2, 9)
    assert (found["later"].clicked, found["later"].shown) == (1, 6)
    assert found["bob's"].clicked == 0


async def test_each_list_has_a_rate_of_its_own(pool: asyncpg.Pool, connection: Connection) -> None:
    def named(endpoint: str, part: str, *items: str) -> ImpressionRow:
        return replace(shown("ann", *items), endpoint=endpoint, part=part)

    async with pool.acquire() as conn:
        await write_impressions(
            conn,
            [
                named("home.top_categories", "tea", *(f"t{n}" for n in range(9))),
                named("home.top_categories", "garden", *(f"g{n}" for n in range(9))),
                named("home.trending", "", "x", "y"),
            ],
        )
        await click(conn, "ann", "g1", 2)
        await click(conn, "ann", "x", 2)
        await click(conn, "ann", "y", 2)
    found = list_clicks(connection, None, NOW, NOW + timedelta(hours=5), CLICKS)
    assert {name: (counts.shown, counts.clicked) for name, counts in found.items()} == {
        "home.top_categories": (12, 1),
        "home.trending": (2, 2),
    }


async def test_a_shadow_is_judged_by_seen_positions_of_its_own_list_of_a_name(
    pool: asyncpg.Pool, connection: Connection
) -> None:
    experiment = start_experiment(connection, "s", "shadow", (Arm("now", 1), Arm("unseen", 1)))
    connection.commit()
    unseen: dict[str, Any] = {"experiment_id": "s", "arm": "unseen", "shown": False}
    answer: dict[str, Any] = {"answer_id": uuid4(), "minutes": 1}
    async with pool.acquire() as conn:
        lists = [
            shown("ann", "a", "b", "c", part="tea", seen=2, **answer),
            shown("ann", "d", "e", "f", part="garden", seen=2, **answer),
            shown("ann", "d", "x", "f", part="garden", seen=2, **answer, **unseen),
            shown("ann", "a", "b", "c", part="tea", seen=2, **answer, **unseen),
        ]
        await write_impressions(conn, lists)
        await click(conn, "ann", "c", 2)
        await click(conn, "ann", "d", 2)
    slots = logged_slots(connection, experiment, NOW + timedelta(hours=1), CLICKS, 100)
    assert [(slot.target, slot.reward) for slot in slots] == [(1, 0), (1, 0), (1, 1), (0, 0)]
