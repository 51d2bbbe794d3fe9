"""What is logged of an answer is small, whoever asks, and still says what was shown to whom."""

from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import psycopg2
import pytest

from database.experiments import Arm, start_experiment
from database.online import Attribution, shown_clicks
from serving.catalogue.drafts import InteractionDraft, ItemDraft
from serving.experiments.sampling import in_sample
from serving.lists.list_requests import SessionEvent, UserListRequest
from serving.plane import LivePlane
from serving.request_context import Request, current_request
from tests.serving.worker import Clock, logged

CLICKS = Attribution(("click",), timedelta(hours=1))


async def all_lists(plane: LivePlane, pool: asyncpg.Pool) -> list[asyncpg.Record]:
    """What is logged of the lists so far."""
    await logged(plane)
    rows: list[asyncpg.Record] = await pool.fetch("select * from logged_lists order by list_id")
    return rows


def ask(user: str, stranger: str | None = None) -> None:
    current_request.set(Request(f"r-{user}", stranger=stranger))


async def known(plane: LivePlane, *users: str) -> None:
    for user in users:
        like = InteractionDraft(user_id=user, event_type="like", item_id="TEA0000001")
        await plane.record_interaction(like)


def sampled(clock: Clock, wanted: bool) -> list[str]:
    """Users whom the sample has today, or has not."""
    return [name for n in range(400) if in_sample(name := f"new{n}", 0.1, clock.now) is wanted]


async def test_shared_lists_are_stored_once_and_seen_by_everybody(
    plane: LivePlane, pool: asyncpg.Pool
) -> None:
    users = [f"u{n}" for n in range(8)]
    await known(plane, *users)
    for user in users:
        ask(user)
        home = await plane.lists.home(user, 9)
    rows = await all_lists(plane, pool)
    assert len(home.personalized) == 9, "more than are seen at once: a user's click may come further down"
    assert await pool.fetchval("select count(*) from shared_lists") == 2 + len(home.top_categories)
    assert await pool.fetchval("select count(*) from impression_lists") == 8 * 3
    of_user = [row for row in rows if row["user_id"] == "u7"]
    shown = {(row["endpoint"], row["part"]): row["item_ids"] for row in of_user}
    expected = {
        ("home.personalized", ""): home.personalized,
        ("home.trending", ""): home.trending,
        ("home.best_value", ""): home.best_value,
        ("home.diverse_picks", ""): home.diverse_picks,
        **{("home.top_categories", name): made for name, made in home.top_categories.items()},
    }
    assert shown == {key: [each.item.item_id for each in made] for key, made in expected.items()}
    assert all(set(row["propensities"]) == {1.0} for row in rows)


async def test_shared_lists_that_change_are_stored_again_and_old_answers_keep_theirs(
    plane: LivePlane, pool: asyncpg.Pool
) -> None:
    await known(plane, "ann")
    ask("ann")
    before = (await plane.lists.home("ann", 5, lists=["trending"])).trending
    await plane.create_item(ItemDraft(kind="product", item_id="A000000000", title="new", rating_count=9999))
    ask("ann")
    after = (await plane.lists.home("ann", 5, lists=["trending"])).trending
    assert before != after
    rows = await all_lists(plane, pool)
    assert [row["item_ids"] for row in rows] == [
        [each.item.item_id for each in made] for made in (before, after)
    ]


async def test_of_users_nobody_knows_a_sample_is_logged_for_clients_without_a_key(
    plane: LivePlane, pool: asyncpg.Pool, clock: Clock
) -> None:
    await known(plane, "ann")
    inside, outside = sampled(clock, True)[:3], sampled(clock, False)[:3]
    for user in ("ann", *inside, *outside):
        ask(user, stranger="203.0.113.9")
        await plane.lists.home(user, 5, lists=["trending"])
    ask(outside[0])
    await plane.lists.home(outside[0], 5, lists=["trending"])
    weights = {row["user_id"]: row["weight"] for row in await all_lists(plane, pool)}
    assert weights == {"ann": 1.0} | dict.fromkeys(inside, 10.0) | {outside[0]: 1.0}


async def test_what_a_request_tells_of_a_user_does_not_make_them_known_to_the_log(
    plane: LivePlane, pool: asyncpg.Pool, clock: Clock
) -> None:
    """A session is the client's word: whoever sends one would fill the log with users that there are not."""
    await known(plane, "ann")
    inside, outside = sampled(clock, True)[:3], sampled(clock, False)[:3]
    for session in ((), (SessionEvent("TEA0000000"),), (SessionEvent(None, "search_query", "hose"),)):
        await pool.execute("truncate impression_lists, shared_lists")
        for user in ("ann", *inside, *outside):
            ask(user, stranger="203.0.113.9")
            await plane.lists.answer(UserListRequest(n=5, user_id=user, session=session))
        weights = {row["user_id"]: row["weight"] for row in await all_lists(plane, pool)}
        assert weights == {"ann": 1.0} | dict.fromkeys(inside, 10.0), session


async def test_the_click_rate_of_a_sample_is_that_of_all(
    plane: LivePlane, pool: asyncpg.Pool, clock: Clock, database: Any
) -> None:
    """300 new users, of whom every third clicks, and 20 known ones who never do."""
    new = [f"new{n}" for n in range(300)]
    old = [f"old{n}" for n in range(20)]
    await known(plane, *old)
    for user in (*new, *old):
        ask(user, stranger="203.0.113.9")
        made = await plane.lists.home(user, 5, lists=["trending"])
    await all_lists(plane, pool)
    for user in new[::3]:
        first = made.trending[0].item.item_id
        await plane.record_interaction(InteractionDraft(user_id=user, event_type="click", item_id=first))
    with psycopg2.connect(database.dsn) as conn:
        hour = timedelta(hours=1)
        rate = shown_clicks(conn, None, clock.now - hour, clock.now + hour, CLICKS)
    conn.close()
    assert rate.shown == pytest.approx(320 * 5, rel=0.4)
    assert rate.clicked / rate.shown == pytest.approx(100 / (320 * 5), rel=0.5)
    assert rate.independent is not None and rate.independent < rate.shown / 3


async def test_who_is_in_an_experiment_is_logged_in_full_shadow_and_all(
    plane: LivePlane, pool: asyncpg.Pool, database: Any, clock: Clock
) -> None:
    with psycopg2.connect(database.dsn) as conn:
        start_experiment(conn, "unseen", "shadow", [Arm("now", 1), Arm("other", 1, blend={"cf": 0.9})])
    conn.close()
    await plane.settle()
    users = sampled(clock, False)[:5]
    for user in users:
        ask(user, stranger="203.0.113.9")
        await plane.lists.hybrid(user, 3)
    rows = await all_lists(plane, pool)
    assert Counter((row["shown"], row["weight"]) for row in rows) == {(True, 1.0): 5, (False, 1.0): 5}
    assert len({row["answer_id"] for row in rows}) == 5


async def test_a_stranger_has_so_many_lists_a_minute_and_keeps_whole_answers(
    plane: LivePlane, pool: asyncpg.Pool, clock: Clock
) -> None:
    await known(plane, "ann")
    for _ in range(150):
        ask("ann", stranger="203.0.113.9")
        home = await plane.lists.home("ann", 2)
    ask("ann", stranger="203.0.113.10")
    await plane.lists.home("ann", 2)
    lists = 4 + len(home.top_categories)
    rows = await all_lists(plane, pool)
    answers = Counter(row["answer_id"] for row in rows)
    assert set(answers.values()) == {lists}
    assert len(answers) == -(-600 // lists) + 1
    clock.advance(1 / 24)
    ask("ann", stranger="203.0.113.9")
    await plane.lists.home("ann", 2)
    assert len(await all_lists(plane, pool)) == len(rows) + lists


async def test_a_list_without_a_user_is_logged_as_far_as_it_is_seen(
    plane: LivePlane, pool: asyncpg.Pool
) -> None:
    ask("x")
    found = (await plane.lists.search("tea", 18)).results
    current_request.set(Request("r", shown=2, answer_id=uuid4()))
    await plane.lists.search("tea", 18)
    rows = await all_lists(plane, pool)
    assert [len(row["item_ids"]) for row in rows] == [6, 2]
    assert rows[0]["item_ids"] == [each.item.item_id for each in found[:6]]


async def test_a_holdback_does_not_make_strangers_fill_the_log(
    plane: LivePlane, pool: asyncpg.Pool, database: Any, clock: Clock
) -> None:
    with psycopg2.connect(database.dsn) as conn, conn.cursor() as cursor:
        cursor.execute(
            """insert into experiments (experiment_id, kind, arms, ends_at) values ('holdback-1', 'holdback',
            '[{"name": "now", "share": 0.9}, {"name": "before", "share": 0.1}]', now() + interval '1 day')"""
        )
    conn.close()
    await plane.settle()
    inside, outside = sampled(clock, True)[:3], sampled(clock, False)[:3]
    for user in (*inside, *outside):
        ask(user, stranger="203.0.113.9")
        await plane.lists.hybrid(user, 3)
    rows = await all_lists(plane, pool)
    assert {row["user_id"]: row["weight"] for row in rows} == dict.fromkeys(inside, 10.0)
    assert {row["experiment_id"] for row in rows} == {"holdback-1"}
