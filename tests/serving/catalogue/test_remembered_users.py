"""What a worker remembers of users while the database is away is bounded by size, not by their number."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from database.interactions import InteractionRow
from database.state import EventGroup, UserEvents
from serving.catalogue import feed as feeds
from serving.catalogue.feed import ChangeFeed

LIMIT = 20
NOW = datetime(2026, 1, 1, tzinfo=UTC)
EVENT = InteractionRow(1, "ann", "product_click", "a", None, None, None, NOW)
GROUP = EventGroup("a", "product_click", 1, 0, None, NOW, None)


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 30), st.integers(0, 30)), max_size=30))
def test_the_users_seen_last_are_remembered_as_far_as_there_is_room(
    visits: list[tuple[str, int, int]],
) -> None:
    feed = ChangeFeed(None, None, None)  # type: ignore[arg-type]  # it is asked for what it remembers alone
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feeds, "_REMEMBERED_ROWS", LIMIT)
        for user, events, groups in visits:
            feed._remember(user, UserEvents((EVENT,) * events, (GROUP,) * groups))
            sizes = [each.size + 1 for each in feed._histories.values()]
            assert sum(sizes) == feed._remembered <= LIMIT
            assert user in feed._histories or events + groups + 1 > LIMIT
