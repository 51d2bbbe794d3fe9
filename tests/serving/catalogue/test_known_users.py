"""What a worker remembers of users while the database is away is bounded by size, not by their number."""

import gc
import tracemalloc
from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from database.event_changes import EventChanges
from database.interactions import InteractionRow
from database.state import EventGroup, ReadRequest, State, UserEvents
from serving.catalogue.known_users import KnownUsers

LIMIT = 20_000
NOW = datetime(2026, 1, 1, tzinfo=UTC)
EVENT = InteractionRow(1, "ann", "product_click", "a", None, None, None, NOW)
GROUP = EventGroup("a", "product_click", 1, 0, None, NOW, 1, None)


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcdefgh"), st.integers(0, 30), st.integers(0, 30), st.sampled_from([1, 500])
        ),
        max_size=30,
    )
)
def test_the_users_seen_last_are_remembered_as_far_as_there_is_room(
    visits: list[tuple[str, int, int, int]],
) -> None:
    users = KnownUsers(LIMIT)
    for user, events, groups, letters in visits:
        searched = EVENT._replace(query="x" * letters)
        did = UserEvents((searched,) * events, (GROUP,) * groups)
        users.remember(user, ReadRequest(State(0, 0, None), did), begun=0, asked=0.0)
        kept = [users.last(each) for each in "abcdefgh"]
        assert sum(each.nbytes for each in kept if each.latest) <= users.nbytes <= LIMIT
        assert did in kept or did.nbytes > LIMIT - 1000


def test_events_are_read_again_within_an_hour_whatever_is_told_of_them() -> None:
    users = KnownUsers()
    users.note(EventChanges("100:105:", ()))
    for ago, holds in ((1_700, {True}), (2_700, {True, False}), (3_700, {False})):
        for number in range(50):
            read = ReadRequest(State(0, 0, None), UserEvents((EVENT,)))
            users.remember(f"u{number}", read, begun=users.readings, asked=monotonic() - ago)
        assert {users.current(f"u{number}") is not None for number in range(50)} == holds


@pytest.mark.slow
def test_the_memory_that_events_take_is_what_python_takes_for_them() -> None:
    def did(numbers: range) -> UserEvents:
        latest = [
            InteractionRow(
                10**9 + n,
                f"user{n}",
                f"product_{n}",
                f"ITEM{n:06}",
                "x" * (n % 300),
                n / 3,
                f"session-{n}",
                NOW,
            )
            for n in numbers
        ]
        moments = [each._replace(occurred_at=NOW + timedelta(seconds=n)) for n, each in enumerate(latest)]
        groups = [
            EventGroup(f"ITEM{n:06}", f"product_{n}", n, n, n / 3, NOW + timedelta(hours=n), 10**9 + n, n / 7)
            for n in numbers
        ]
        return UserEvents(tuple(moments), tuple(groups))

    did(range(10))
    gc.collect()
    tracemalloc.start()
    try:
        made = did(range(2000))
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0.75 * taken < made.nbytes < 1.25 * taken
