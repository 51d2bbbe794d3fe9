"""Trending scores against a plain sum over the events, for logs of every kind."""

import random
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import execute_values

from database.interactions import FULL_VIEW_SECONDS
from database.partitions import INTERACTIONS, ensure_partitions
from database.settings import REPOSITORY
from database.trending import compute_trending, recent_trending
from training.params import load_params

NOW = datetime.now(UTC)
PARAMS = load_params(REPOSITORY / "params.yaml")
WEIGHTS = PARAMS.interactions.weights.model_dump()
DECAY, STEP, WINDOW = 0.5, 24.0, 30
DELETED = "deleted"


class Event(NamedTuple):
    item_id: str
    event_type: str
    value: float | None
    hours: float
    """Before NOW."""


EVENTS = st.lists(
    st.builds(
        Event,
        st.sampled_from(["a", "b", "c", DELETED]),
        st.sampled_from([*WEIGHTS, "search_query"]),
        st.sampled_from([None, -1.0, 0.0, 1.0, 2.5, 5.0, 60.0]),
        st.sampled_from([0.0, 0.5, 1.0, 24.0, 240.0, 700.0, 24.0 * WINDOW, 730.0]),
    ),
    max_size=30,
)


def plain_weight(event: Event) -> float:
    """What an event weighs while it is new."""
    factor = 1.0
    if event.event_type == "rating":
        factor = 0.0 if event.value is None else event.value - PARAMS.interactions.neutral_stars
    elif event.event_type == "feedback":
        factor = (event.value or 0.0) and (1.0 if (event.value or 0.0) > 0 else -1.0)
    elif event.event_type == "view_time" and event.value is not None:
        factor = min(max(event.value / FULL_VIEW_SECONDS, 0.0), 1.0)
    return float(WEIGHTS[event.event_type]) * factor


def plain_scores(events: list[Event]) -> dict[str, float]:
    """Loops in place of SQL: what each item's decayed weights sum to, where that is above rounding."""
    sums: dict[str, float] = {}
    sizes: dict[str, float] = {}
    for event in events:
        if event.hours >= WINDOW * 24 or event.event_type not in WEIGHTS or event.item_id == DELETED:
            continue
        weight = plain_weight(event) * DECAY ** (event.hours / STEP)
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
        cursor.execute(
            "insert into items (item_id, title, change_seq, deleted_at) values (%s, 'x', 1, now())",
            (DELETED,),
        )
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


def test_opinions_that_cancel_leave_no_score_of_rounding(months: Connection) -> None:
    """What speaks for an item is what speaks against it, but for the last digit of some of the forty sums."""
    even = [
        Event(f"even{number}", "rating", PARAMS.interactions.neutral_stars + stars, number + 0.5)
        for number in range(40)
        for stars in (1.25, 1.875, -3.125)
    ]
    assert set(computed(months, [*even, Event("liked", "like", None, 0.5)])) == {"liked"}


@pytest.mark.parametrize("seed", range(3))
async def test_what_happened_since_a_moment_counts_once_it_is_recorded(
    months: Connection, pool: asyncpg.Pool, seed: int
) -> None:
    """Of events before, at and after a moment, by when they happened and by when they were stored."""
    draw = random.Random(seed)
    since = NOW - timedelta(hours=10)
    moments = [-48.0, -1.0, 0.0, 1.0, 9.0]  # hours after `since`
    kinds = [*WEIGHTS, "search_query"]
    values = [None, -1.0, 0.0, 1.0, 2.5, 5.0, 60.0]
    expected: dict[str, tuple[float, int]] = {}
    rows = []
    for number in range(400):
        happened, stored = draw.choice(moments), draw.choice(moments)
        event = Event(f"i{number % 12}", draw.choice(kinds), draw.choice(values), 0.0)
        rows.append(
            ("u", *event[:3], since + timedelta(hours=happened), since + timedelta(hours=stored), "t")
        )
        if happened >= 0 and stored >= 0 and event.event_type in WEIGHTS:
            score, count = expected.get(event.item_id, (0.0, 0))
            expected[event.item_id] = (score + plain_weight(event), count + 1)
    rows += [("u", "later", "purchase", None, NOW + timedelta(days=1), NOW, "t")] * 500  # it would be first
    ensure_partitions(months, INTERACTIONS, NOW, NOW + timedelta(days=1))
    with months.cursor() as cursor:
        execute_values(
            cursor,
            """insert into interactions
            (user_id, item_id, event_type, value, occurred_at, recorded_at, source) values %s""",
            rows,
        )
    months.commit()
    async with pool.acquire() as conn:
        found = await recent_trending(
            conn, since, weights=WEIGHTS, neutral_stars=PARAMS.interactions.neutral_stars, limit=5
        )
    best = sorted(((-score, item_id) for item_id, (score, _) in expected.items() if score > 1e-9))[:5]
    assert [each.score for each in found] == pytest.approx([-score for score, _ in best])
    assert {each.item_id: each.score for each in found} == pytest.approx(
        {each.item_id: expected[each.item_id][0] for each in found}
    )
    assert [each.events for each in found] == [expected[each.item_id][1] for each in found]
