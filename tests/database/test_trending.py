"""Trending scores against a plain sum over the events, for logs of every kind."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import execute_values

from database.interactions import FULL_VIEW_SECONDS
from database.partitions import INTERACTIONS, ensure_partitions
from database.settings import REPOSITORY
from database.trending import compute_trending
from training.params import load_params

NOW = datetime.now(UTC)
PARAMS = load_params(REPOSITORY / "params.yaml")
WEIGHTS = PARAMS.interactions.weights.model_dump()
DECAY, STEP, WINDOW = 0.5, 24.0, 30


class Event(NamedTuple):
    item_id: str
    event_type: str
    value: float | None
    hours: float
    """Before NOW."""


EVENTS = st.lists(
    st.builds(
        Event,
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from([*WEIGHTS, "search_query"]),
        st.sampled_from([-1.0, 0.0, 1.0, 2.5, 5.0, 60.0]),
        st.sampled_from([0.5, 1.0, 24.0, 240.0, 700.0, 730.0]),
    ),
    max_size=30,
)


def plain_scores(events: list[Event]) -> dict[str, float]:
    """Loops in place of SQL: what each item's decayed weights sum to, where that is above rounding."""
    sums: dict[str, float] = {}
    sizes: dict[str, float] = {}
    for event in events:
        if event.hours >= WINDOW * 24 or event.event_type not in WEIGHTS:
            continue
        factor = 1.0
        if event.event_type == "rating":
            factor = (event.value or 0.0) - PARAMS.interactions.neutral_stars
        elif event.event_type == "feedback":
            factor = (event.value or 0.0) and (1.0 if (event.value or 0.0) > 0 else -1.0)
        elif event.event_type == "view_time" and event.value is not None:
            factor = min(max(event.value / FULL_VIEW_SECONDS, 0.0), 1.0)
        weight = WEIGHTS[event.event_type] * factor * DECAY ** (event.hours / STEP)
        sums[event.item_id] = sums.get(event.item_id, 0.0) + weight
        sizes[event.item_id] = sizes.get(event.item_id, 0.0) + abs(weight)
    return {item_id: total for item_id, total in sums.items() if total > 1e-9 * sizes[item_id]}


def computed(connection: Connection, events: list[Event]) -> dict[str, float]:
    with connection.cursor() as cursor:
        cursor.execute("delete from interactions")
        execute_values(
            cursor,
            "insert into interactions (user_id, item_id, event_type, value, occurred_at, source) values %s",
            [
                ("u", each.item_id, each.event_type, each.value, NOW - timedelta(hours=each.hours), "test")
                for each in events
            ],
        )
        compute_trending(
            connection,
            NOW,
            decay_rate=DECAY,
            step_hours=STEP,
            window_days=WINDOW,
            weights=WEIGHTS,
            neutral_stars=PARAMS.interactions.neutral_stars,
        )
        cursor.execute("select item_id, score from trending_scores")
        return dict(cursor.fetchall())


@pytest.fixture
def months(connection: Connection) -> Connection:
    """Partitions for all the events' months."""
    ensure_partitions(connection, INTERACTIONS, NOW - timedelta(days=WINDOW + 2), NOW)
    with connection.cursor() as cursor:
        cursor.execute("insert into users (user_id) values ('u')")
    return connection


@given(events=EVENTS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_scores_are_the_decayed_sums_above_zero(months: Connection, events: list[Event]) -> None:
    assert computed(months, events) == pytest.approx(plain_scores(events), rel=1e-6)


def test_an_item_is_judged_by_its_decayed_events(months: Connection) -> None:
    old_likes = [Event("skipped", "like", None, 600.0)] * 4
    new_skips = [Event("skipped", "skip", None, 0.5)] * 16
    old_skips = [Event("liked", "skip", None, 600.0)] * 40
    new_likes = [Event("liked", "like", None, 0.5)] * 2
    assert set(computed(months, old_likes + new_skips + old_skips + new_likes)) == {"liked"}
