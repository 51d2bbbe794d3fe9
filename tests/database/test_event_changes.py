"""Whose events have changed: however transactions overlap, what is not told of has not changed."""

import asyncio
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any

import asyncpg
import psycopg2
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.event_changes import EventChanges, are_kept, bucket_of, forget_changes
from database.interactions import record
from database.partitions import INTERACTIONS, drop_partitions_before
from database.state import ReadRequest, read_changes, read_request
from database.user_merge import merge_users
from serving.catalogue.known_users import KnownUsers

if TYPE_CHECKING:
    from tests.conftest import Database

IDS = ("andré", "andrè", "v 1")
ids = st.sampled_from(IDS)
writers = st.integers(0, 1)
CHANGES = (
    "insert into interactions (user_id, event_type, item_id, occurred_at, source) values ($1, 'click', $2, "
    "now() - interval '1 day', 'api')",
    "insert into interactions (anonymous_id, event_type, item_id, occurred_at, source) values ($1, 'click', "
    "$2, now() - interval '1 day', 'api')",
    "update interactions set value = coalesce(value, 0) + 1 where user_id = $1 and item_id = $2",
    "update interactions set occurred_at = occurred_at - interval '90 days' where user_id = $1 and "
    "item_id = $2",
    "update interactions set user_id = $1, anonymous_id = null where item_id = $2 and user_id is null",
    "delete from interactions where coalesce(user_id, anonymous_id) = $1 and item_id = $2",
)


class Readers(RuleBasedStateMachine):
    """Two writers whose transactions overlap, and a worker that reads: it knows what a plain read finds."""

    dsn = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.conns = [self.runner.run(asyncpg.connect(self.dsn)) for _ in range(3)]
        self.begun: list[Any] = [None, None]
        self.reader = self.conns[2]
        self.forgetting = psycopg2.connect(self.dsn)
        self.runner.run(self.reader.execute("truncate interactions, event_changes"))
        self.users = KnownUsers()
        self.late = KnownUsers()
        """Of a worker that reads now and then."""

    def teardown(self) -> None:
        for conn in self.conns:
            self.runner.run(conn.close(timeout=5))
        self.forgetting.close()
        self.runner.close()

    @rule(writer=writers, commits=st.booleans())
    def end(self, writer: int, commits: bool) -> None:
        if (transaction := self.begun[writer]) is not None:
            self.begun[writer] = None
            self.runner.run(transaction.commit() if commits else transaction.rollback())

    @rule(
        writer=writers, change=st.sampled_from((*CHANGES[:2], *CHANGES)), user=ids, item=st.sampled_from("ab")
    )
    def change(self, writer: int, change: str, user: str, item: str) -> None:
        """In a transaction that goes on until it is ended."""
        conn = self.conns[writer]
        if self.begun[writer] is None:
            self.begun[writer] = conn.transaction()
            self.runner.run(self.begun[writer].start())
        self.runner.run(conn.execute("set lock_timeout = '20ms'"))
        savepoint = conn.transaction()
        self.runner.run(savepoint.start())
        try:
            self.runner.run(conn.execute(change, user, item))
        except asyncpg.LockNotAvailableError:  # what another writer holds
            self.runner.run(savepoint.rollback())
        else:
            self.runner.run(savepoint.commit())

    @rule()
    def forget(self) -> None:
        """As the hourly job does."""
        forget_changes(self.forgetting)
        self.forgetting.commit()

    @rule()
    def everybody_asks(self) -> None:
        """Of whom nothing is known, or whose events have changed."""
        begun = self.users.readings
        for user in IDS:
            self.users.remember(user, self._read(user), begun=begun, asked=monotonic())

    @rule()
    def a_late_worker_reads(self) -> None:
        """It has missed whatever was forgotten meanwhile."""
        _, changes = self.runner.run(read_changes(self.reader, self.late.snapshot))
        self.late.note(changes)
        for user in IDS:
            found = self._read(user)
            if (known := self.late.current(user)) is not None:
                assert known.latest == found.events.latest, user
            self.late.remember(user, found, begun=self.late.readings, asked=monotonic())

    @rule(user=ids)
    def overtaken(self, user: str) -> None:
        """Events that are on their way while changes are read."""
        begun = self.users.readings
        read = self._read(user)
        self.catch_up()
        self.users.remember(user, read, begun=begun, asked=monotonic())

    @invariant()
    def what_is_known_is_what_is_there(self) -> None:
        # Numbers go on: of transactions that overlap none is the last one that began.
        self.runner.run(self.reader.execute("select pg_current_xact_id()"))
        self.catch_up()
        for user in IDS:
            if (known := self.users.current(user)) is not None:
                found = self._read(user).events
                assert known.latest == found.latest, user
                assert set(known.groups) == set(found.groups), user

    def catch_up(self) -> None:
        _, changes = self.runner.run(read_changes(self.reader, self.users.snapshot))
        self.users.note(changes)

    def _read(self, user: str) -> ReadRequest:
        return self.runner.run(read_request(self.reader, user, 3))


@pytest.mark.slow
def test_however_transactions_overlap_what_is_known_is_what_is_there(database: "Database") -> None:
    run_state_machine_as_test(
        type("TheseReaders", (Readers,), {"dsn": database.dsn}),
        settings=settings(
            max_examples=15,
            stateful_step_count=25,
            deadline=None,
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


async def changed(conn: asyncpg.Connection, since: str) -> tuple[str, set[int | None]]:
    _, changes = await read_changes(conn, since)
    return changes.snapshot, set(changes.buckets)


async def snapshot(conn: asyncpg.Connection) -> str:
    return (await read_changes(conn, None))[1].snapshot


async def test_each_change_names_who_it_is_of_and_nobody_else(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        assert await are_kept(conn)
        since = await snapshot(conn)
        assert (await changed(conn, since))[1] == set()
        await record(conn, user_id="andré", event_type="click", item_id="I1")
        since, found = await changed(conn, since)
        assert found == {bucket_of("andré")}
        await conn.execute("update interactions set item_id = 'I2'")
        since, found = await changed(conn, since)
        assert found == {bucket_of("andré")}
        await merge_users(conn, "andré", "andrè")
        since, found = await changed(conn, since)
        assert found == {bucket_of("andré"), bucket_of("andrè")}
        await conn.execute("delete from interactions")
        since, found = await changed(conn, since)
        assert found == {bucket_of("andrè")}
        since, found = await changed(conn, since)
        assert found == set()
        await merge_users(conn, "without", "events")
        assert (await changed(conn, since))[1] == {bucket_of("without"), bucket_of("events")}


async def test_who_names_the_schema_alone_can_write(pool: asyncpg.Pool) -> None:
    """As a restored dump of data and a subscription do."""
    async with pool.acquire() as conn:
        since = await snapshot(conn)
        schema = await conn.fetchval("select current_schema")
        async with conn.transaction():
            await conn.execute("set local search_path = ''")
            await conn.execute(
                f"insert into {schema}.interactions (user_id, event_type, item_id, occurred_at, source) "
                "values ('ann', 'click', 'I1', now(), 'file')"
            )
            await conn.execute(f"update {schema}.interactions set value = 1")
            await conn.execute(f"delete from {schema}.interactions")
        assert (await changed(conn, since))[1] == {bucket_of("ann")}


async def test_a_change_is_told_of_once_its_transaction_has_ended_however_late(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as early, pool.acquire() as late, pool.acquire() as reader:
        transaction = early.transaction()
        await transaction.start()
        await record(early, user_id="ann", event_type="click", item_id="I1")
        await record(late, user_id="bob", event_type="click", item_id="I1")
        since = await snapshot(reader)
        for _ in range(3):
            await record(late, user_id="bob", event_type="click", item_id="I1")
            since, found = await changed(reader, since)
            assert found == {bucket_of("bob")}
        await transaction.commit()
        since, found = await changed(reader, since)
        assert found == {bucket_of("ann")}


async def test_of_very_many_rows_everybody_has_changed(pool: asyncpg.Pool) -> None:
    many = """insert into interactions (user_id, event_type, item_id, occurred_at, source)
        select 'u' || n, 'click', 'I1', now(), 'file' from generate_series(1, $1) n"""
    async with pool.acquire() as conn:
        since = await snapshot(conn)
        await conn.execute(many, 10_000)
        since, found = await changed(conn, since)
        assert None not in found and len(found) > 5_000
        for change in (
            "insert into interactions (user_id, event_type, item_id, occurred_at, source) "
            "select user_id, event_type, item_id, occurred_at, source from interactions "
            "union all select 'ann', 'click', 'I1', now(), 'file'",
            "update interactions set value = 1",
            "delete from interactions",
            "truncate interactions",
        ):
            await conn.execute(change)
            since, found = await changed(conn, since)
            assert found == {None}, change


async def test_what_was_noted_is_forgotten_at_the_second_time(
    pool: asyncpg.Pool, connection: Connection
) -> None:
    async with pool.acquire() as conn:
        behind = await snapshot(conn)
        await record(conn, user_id="ann", event_type="click", item_id="I1")
        for _ in range(2):
            forget_changes(connection)
            connection.commit()
            await record(conn, user_id="bob", event_type="click", item_id="I1")
        noted = {bucket_of("bob")}
        assert await conn.fetchval("select count(*) from event_changes where bucket >= 0") == 2
        since, found = await changed(conn, behind)
        assert found >= {None}, "who has not read what is forgotten reads everybody's events"
        for _ in range(3):
            await record(conn, user_id="bob", event_type="click", item_id="I1")
            forget_changes(connection)
            connection.commit()
            since, found = await changed(conn, since)
            assert {each for each in found if each is None or each >= 0} == noted, (
                "who has read reads no more"
            )
        assert await conn.fetchval("select count(*) from event_changes") < 8


async def test_nothing_is_forgotten_that_an_open_transaction_may_have_hidden(
    pool: asyncpg.Pool, connection: Connection
) -> None:
    async with pool.acquire() as late, pool.acquire() as reader:
        transaction = late.transaction()
        await transaction.start()
        await record(late, user_id="ann", event_type="click", item_id="I1")
        forget_changes(connection)
        connection.commit()
        since = await snapshot(reader)
        await transaction.commit()
        for _ in range(3):
            forget_changes(connection)
            connection.commit()
            found = (await changed(reader, since))[1]
            assert None in found or bucket_of("ann") in found


async def test_numbers_of_another_server_are_forgotten_at_once(
    pool: asyncpg.Pool, connection: Connection
) -> None:
    async with pool.acquire() as conn:
        forget_changes(connection)
        connection.commit()
        await conn.execute("update event_changes set xid = (xid::text::bigint + 1000000)::text::xid8")
        since = await snapshot(conn)
        for _ in range(2):
            forget_changes(connection)
            connection.commit()
        since, found = await changed(conn, since)
        assert None in found
        assert None not in (await changed(conn, since))[1]


async def test_months_that_are_dropped_change_everybodys_events(
    pool: asyncpg.Pool, database: "Database"
) -> None:
    async with pool.acquire() as conn:
        since = await snapshot(conn)
        drop_partitions_before(database.dsn, INTERACTIONS, (datetime.now(UTC) - timedelta(days=900)).date())
        assert (await changed(conn, since))[1] == {None}


async def test_few_changes_are_found_by_the_index_among_many(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        await conn.execute(
            "insert into event_changes (bucket) select n % 65536 from generate_series(1, 100000) n"
        )
        since = await snapshot(conn)
        await record(conn, user_id="ann", event_type="click", item_id="I1")
        await conn.execute("select pg_stat_reset_single_table_counters('event_changes'::regclass)")
        for _ in range(8):
            assert (await changed(conn, since))[1] == {bucket_of("ann")}
        await conn.execute("select pg_stat_force_next_flush()")
        read = await conn.fetchval(
            "select seq_tup_read from pg_stat_user_tables where relname = 'event_changes'"
        )
        assert read == 0


def test_a_server_whose_numbers_are_lower_is_another() -> None:
    users = KnownUsers()
    users.note(EventChanges("100:105:", ()))
    read = ReadRequest(None, users.last("ann"))  # type: ignore[arg-type]  # the state is no matter
    for told, holds in (("100:105:", True), ("103:109:104", True), ("90:104:", False), ("90:104:", False)):
        if told == "100:105:":
            users.remember("ann", read, begun=users.readings, asked=monotonic())
        users.note(EventChanges(told, ()))
        assert (users.current("ann") is not None) is holds
