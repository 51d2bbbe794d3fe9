"""Users who are put, deleted and merged in any order with events and lists: compared with a plain model."""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import asyncpg
import psycopg2
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.events import key_of, store_events
from database.experiments import Arm, running_experiments, start_experiment, stop_experiment
from database.impressions import ImpressionRow, write_impressions
from database.state import read_request, read_state
from database.user_merge import RegisteredUserError, merge_users
from database.user_removal import delete_user, forget_deleted_users, forgotten_users
from database.users import replace_user
from serving.experiments.running import assign

if TYPE_CHECKING:
    from tests.conftest import Database

PHASES = [Phase.explicit, Phase.reuse, Phase.generate]
IDS = ("user-1", "user-2", "visitor-1", "visitor-2")
WHO = st.sampled_from(IDS)
MAYBE = st.none() | WHO
EMPTY: dict[str, Any] = {"interests": (), "labels": (), "attributes": {}}


def event(user: str | None, anonymous: str | None, item: str, key: str | None = None) -> dict[str, Any]:
    names = ("session_id", "weight", "query", "value", "quantity", "price", "occurred_at", "context")
    return dict.fromkeys((*names, "recommendation_id")) | {
        "user_id": user,
        "anonymous_id": anonymous,
        "item_id": item,
        "event_type": "click",
        "event_name": "view",
        "dedup_key": None if key is None else str(key_of(key)),
    }


@dataclass(frozen=True)
class Event:
    user: str | None
    anonymous: str | None
    item: str
    key: str | None

    def is_of(self, name: str) -> bool:
        return self.user == name or (self.user is None and self.anonymous == name)


class Shop(RuleBasedStateMachine):
    """What the database has after any order of calls, and what plain lists have."""

    dsn: str

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.conn: asyncpg.Connection = self.runner.run(asyncpg.connect(self.dsn))
        self.runner.run(self.conn.execute("truncate interactions, users, impression_lists"))
        self.events: list[Event] = []
        self.users: set[str] = set()
        self.registered: set[str] = set()
        self.arms: dict[str, set[str]] = {}
        """In which arms each of them counts."""

    def teardown(self) -> None:
        self.runner.run(self.conn.close())
        self.runner.close()

    @rule(user=MAYBE, anonymous=MAYBE, item=st.sampled_from("abc"), key=st.none() | st.sampled_from("kl"))
    def log(self, user: str | None, anonymous: str | None, item: str, key: str | None) -> None:
        self.runner.run(store_events(self.conn, [event(user, anonymous, item, key)]))
        self.events = [each for each in self.events if key is None or each.key != key]
        self.events.append(Event(user, anonymous, item, key))
        if user is not None:
            self.users.add(user)

    @rule(who=WHO)
    def put(self, who: str) -> None:
        self.runner.run(replace_user(self.conn, who, lambda stored: EMPTY))
        self.users.add(who)
        self.registered.add(who)

    @rule(who=WHO)
    def show(self, who: str) -> None:
        """A list, by the arm that the service would take."""
        arm = self._arm(who)
        row = ImpressionRow("r", "home.personalized", who, ("a",), None, "b", datetime.now(UTC), "split", arm)
        self.runner.run(write_impressions(self.conn, [row]))
        self.arms.setdefault(who, set()).add(arm)

    @rule(who=WHO)
    def delete(self, who: str) -> None:
        of_them = [each for each in self.events if each.is_of(who)]
        there = bool(of_them) or who in self.users or who in self.arms
        before = self._forgotten_id()
        assert self.runner.run(delete_user(self.conn, who, lambda stored: None)) == there
        self.events = [each for each in self.events if not each.is_of(who)]
        self.users.discard(who)
        self.registered.discard(who)
        visitors = {each.anonymous for each in of_them if each.anonymous} - self.registered
        self._has_forgotten(before, visitors | {who} if there else set())
        self.arms.pop(who, None)

    @rule(visitor=WHO, user=WHO, again=st.booleans())
    def merge(self, visitor: str, user: str, again: bool) -> None:
        if visitor == user:
            return
        if visitor in self.registered:
            with pytest.raises(RegisteredUserError):
                self.runner.run(merge_users(self.conn, visitor, user))
            return
        of_them = [each for each in self.events if each.is_of(visitor)]
        before = self._forgotten_id()
        fresh = user not in self.arms and (self._assigned_as(user) is None or visitor in self.arms)
        arm = self._arm(visitor)
        assert self.runner.run(merge_users(self.conn, visitor, user)) == len(of_them)
        if again:
            assert self.runner.run(merge_users(self.conn, visitor, user)) == 0
        named = any(each.anonymous in (None, visitor) for each in of_them)
        self._has_forgotten(before, {visitor} if of_them and not named else set())
        self.events = [
            replace(each, user=user, anonymous=each.anonymous or visitor) if each.is_of(visitor) else each
            for each in self.events
        ]
        self.users = self.users - {visitor} | {user}
        if fresh:
            assert self._arm(user) == arm
        if seen := self.arms.pop(visitor, None):
            self.arms.setdefault(user, seen)

    @invariant()
    def everybody_has_their_history_once(self) -> None:
        rows = self.runner.run(self.conn.fetch("select user_id, anonymous_id, item_id from interactions"))
        found = sorted((row["user_id"] or "", row["anonymous_id"] or "", row["item_id"]) for row in rows)
        assert found == sorted((each.user or "", each.anonymous or "", each.item) for each in self.events)
        users = self.runner.run(self.conn.fetch("select user_id, registered_at is not null from users"))
        assert {row[0] for row in users} == self.users
        assert {row[0] for row in users if row[1]} == self.registered

    @invariant()
    def nobody_counts_in_two_arms(self) -> None:
        rows = self.runner.run(
            self.conn.fetch("select distinct user_id, arm from impression_lists where arm is not null")
        )
        found: dict[str, set[str]] = {}
        for user_id, arm in rows:
            found.setdefault(user_id, set()).add(arm)
        assert found == {who: arms for who, arms in self.arms.items() if arms}
        assert all(len(arms) == 1 for arms in found.values())

    def _forgotten_id(self) -> int:
        return self.runner.run(read_state(self.conn)).forgotten_id

    def _has_forgotten(self, before: int, expected: set[str]) -> None:
        found = self.runner.run(forgotten_users(self.conn, before))
        assert sorted(found) == sorted(expected)
        assert self._forgotten_id() == before + len(expected)

    def _assigned_as(self, who: str) -> str | None:
        return self.runner.run(read_request(self.conn, who, 1)).events.assigned_as

    def _arm(self, who: str) -> str:
        running = self.runner.run(running_experiments(self.conn))
        arm = assign(running, self._assigned_as(who) or who).arm
        assert arm is not None
        return arm.name


def test_any_order_of_calls_leaves_what_a_plain_model_has(
    database: "Database", connection: Connection
) -> None:
    start_experiment(connection, "split", "ab", [Arm("one", 0.5), Arm("other", 0.5)])
    connection.commit()
    run_state_machine_as_test(
        type("ThisShop", (Shop,), {"dsn": database.dsn}),
        settings=settings(
            max_examples=25,
            stateful_step_count=20,
            deadline=None,
            phases=PHASES,
            suppress_health_check=list(HealthCheck),
        ),
    )


async def test_a_user_goes_on_in_the_arm_of_the_visitor_whose_lists_become_theirs(
    database: "Database", connection: Connection
) -> None:
    start_experiment(connection, "split", "ab", [Arm("one", 0.5), Arm("other", 0.5)])
    connection.commit()
    conn = await asyncpg.connect(database.dsn)
    try:
        running = await running_experiments(conn)
        by_arm: dict[str, str] = {}
        for name in map(str, range(50)):
            arm = assign(running, name).arm
            assert arm is not None
            by_arm.setdefault(arm.name, name)
        await merge_users(conn, by_arm["one"], "ann")  # who had seen nothing
        shown = ImpressionRow(
            "r", "home.personalized", by_arm["other"], ("a",), None, "b", datetime.now(UTC), "split", "other"
        )
        await write_impressions(conn, [shown])
        for _ in range(2):
            await merge_users(conn, by_arm["other"], "ann")
            assert (await read_request(conn, "ann", 1)).events.assigned_as == by_arm["other"]
    finally:
        await conn.close()


async def test_lists_of_the_same_arm_stay_in_it_and_stopped_tests_bind_nobody(
    database: "Database", connection: Connection
) -> None:
    def listed(user: str, experiment: str, arm: str) -> ImpressionRow:
        return ImpressionRow(
            "r", "home.personalized", user, ("a",), None, "b", datetime.now(UTC), experiment, arm
        )

    start_experiment(connection, "early", "ab", [Arm("one", 0.5), Arm("other", 0.5)])
    connection.commit()
    conn = await asyncpg.connect(database.dsn)
    try:
        await write_impressions(conn, [listed("ann", "early", "one"), listed("tv", "early", "one")])
        await write_impressions(conn, [listed("phone", "early", "other")])
        for visitor in ("tv", "phone"):
            await merge_users(conn, visitor, "ann")
        lists = await conn.fetch("select user_id, arm from impression_lists order by arm")
        assert [tuple(row) for row in lists] == [("ann", "one"), ("ann", "one"), ("ann", None)]
        stop_experiment(connection, "early", "over")
        connection.commit()
        start_experiment(connection, "late", "ab", [Arm("one", 0.5), Arm("other", 0.5)])
        connection.commit()
        await conn.execute("update users set assigned_as = null")
        await write_impressions(conn, [listed("tablet", "late", "one")])
        await merge_users(conn, "tablet", "ann")
        assert (await read_request(conn, "ann", 1)).events.assigned_as == "tablet"
    finally:
        await conn.close()


async def test_events_of_another_user_stay_theirs_though_they_name_the_visitor(database: "Database") -> None:
    conn = await asyncpg.connect(database.dsn)
    try:
        await store_events(conn, [event("bob", "tv", "a"), event(None, "tv", "b"), event("tv", None, "c")])
        assert await merge_users(conn, "tv", "ann") == 2
        rows = await conn.fetch("select user_id, item_id from interactions order by item_id")
        assert [tuple(row) for row in rows] == [("bob", "a"), ("ann", "b"), ("ann", "c")]
    finally:
        await conn.close()


async def test_with_a_user_the_visitors_are_forgotten_whom_their_events_name(database: "Database") -> None:
    conn = await asyncpg.connect(database.dsn)
    try:
        by = [("old", None), (None, "old"), (None, "phone"), ("ann", "phone"), ("ann", "bob"), ("eve", "tv")]
        await store_events(conn, [event(user, anonymous, "a") for user, anonymous in by])
        await replace_user(conn, "bob", lambda stored: EMPTY)
        assert await merge_users(conn, "old", "ann") == 2
        assert await forgotten_users(conn, 0) == []  # the user's events name the visitor
        assert await delete_user(conn, "ann", lambda stored: None)
        assert await forgotten_users(conn, 0) == ["ann", "old", "phone"]  # and not bob, who was put
        assert await merge_users(conn, "eve", "dora") == 1
        assert await forgotten_users(conn, 3) == ["eve"]  # else nobody would know that dora was eve
        assert await delete_user(conn, "dora", lambda stored: None)
        assert await forgotten_users(conn, 4) == ["dora", "tv"]
        assert (await read_state(conn)).forgotten_id == 6
        assert await conn.fetch("select user_id, anonymous_id from interactions") == [(None, "phone")]
    finally:
        await conn.close()


async def test_workers_read_who_was_deleted_until_no_bundle_knows_them(database: "Database") -> None:
    conn = await asyncpg.connect(database.dsn)
    try:
        await store_events(conn, [event("ann", None, "a"), event(None, "visitor", "a")])
        assert await delete_user(conn, "ann", lambda stored: None)
        assert await delete_user(conn, "visitor", lambda stored: None)
        assert (await read_state(conn)).forgotten_id == 2
        assert await forgotten_users(conn, 0) == ["ann", "visitor"]
        assert await forgotten_users(conn, 1) == ["visitor"]
        shown = datetime.now(UTC) - timedelta(seconds=5)
        late = ImpressionRow("r", "home.trending", "ann", ("a",), None, "b", shown, answer_id=uuid4())
        await write_impressions(conn, [late])
        await conn.execute(
            """insert into deployments (bundle_id, bundle_tag, manifest, reason)
            values ('old', 't', jsonb_build_object('created_at', now()), 'test')"""
        )
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        with psycopg2.connect(database.dsn) as sync:
            forget_deleted_users(sync, tomorrow, ["old"])
        sync.close()
        assert await conn.fetchval("select count(*) from impression_lists") == 0
        assert await forgotten_users(conn, 0) == ["ann", "visitor"]  # the bundle may know them
        with psycopg2.connect(database.dsn) as sync:
            forget_deleted_users(sync, tomorrow, [])
        sync.close()
        assert await forgotten_users(conn, 0) == []
    finally:
        await conn.close()
