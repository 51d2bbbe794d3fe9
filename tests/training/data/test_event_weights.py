"""What an event weighs: one rule, the same in training, in the service and in the database's SQL."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pyarrow as pa
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.interactions import FULL_VIEW_SECONDS, InteractionRow
from database.partitions import INTERACTIONS, ensure_partitions
from database.settings import REPOSITORY
from database.state import EventGroup, read_request
from database.trending import compute_trending
from serving.steps.history import event_weight, group_weight, grouped
from tests.conftest import Database
from training.data.interaction_rows import event_weights
from training.params import load_params
from training.params.learning import InteractionsParams

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
ENOUGH = 20.0
"""Weight of the purchases beside each event, so that the sum in SQL is above zero and has a score."""

EVENTS: list[tuple[str, float | None, float]] = [
    ("like", None, 5.0),
    ("click", None, 2.0),
    ("product_click", 1.0, 2.0),
    ("view_time", 30.0, 1.0),
    ("view_time", 600.0, 1.0),
    ("view_time", 7.5, 0.25),
    ("view_time", 0.0, 0.0),
    ("view_time", None, 1.0),
    ("purchase", 3.0, 5.0),
    ("skip", None, -1.0),
    ("search_query", None, 0.0),
    ("rating", 5.0, 2.5),
    ("rating", 2.5, 0.0),
    ("rating", 1.0, -1.5),
    ("rating", 0.0, -2.5),
    ("rating", None, 0.0),
    ("feedback", 1.0, 5.0),
    ("feedback", 0.3, 5.0),
    ("feedback", 0.0, 0.0),
    ("feedback", -1.0, -5.0),
    ("feedback", None, 0.0),
]


WEIGHED: list[tuple[str, float | None, float, float]] = [
    ("click", None, 3.0, 3.0),
    ("click", None, 0.0, 0.0),
    ("view_time", 15.0, 4.0, 2.0),
    ("rating", 4.5, 2.0, 4.0),
    ("feedback", -1.0, 0.5, -0.5),
    ("search_query", None, 1.5, 1.5),
]
"""Events with a weight of their own, and what they weigh."""

VALUES = (None, 0.0, 1.0, 2.5, FULL_VIEW_SECONDS / 4, 100.0)


@pytest.fixture(scope="module")
def params() -> InteractionsParams:
    return load_params(REPOSITORY / "params.yaml").interactions


@pytest.mark.parametrize(("event_type", "value", "expected"), EVENTS)
def test_training_and_serving_follow_the_rule(
    event_type: str, value: float | None, expected: float, params: InteractionsParams
) -> None:
    table = pa.table({"event_type": pa.array([event_type]), "value": pa.array([value], type=pa.float64())})
    weights = params.weights.model_dump()
    assert event_weights(table, params).tolist() == [expected]
    assert event_weight(event_type, value, weights, params.neutral_stars) == expected


@pytest.mark.parametrize(("event_type", "value", "own", "expected"), WEIGHED)
def test_an_events_own_weight_takes_the_place_of_its_types(
    event_type: str, value: float | None, own: float, expected: float, params: InteractionsParams
) -> None:
    table = pa.table(
        {
            "event_type": pa.array([event_type] * 2),
            "value": pa.array([value] * 2, type=pa.float64()),
            "weight": pa.array([own, None], type=pa.float32()),
        }
    )
    weights, stars = params.weights.model_dump(), params.neutral_stars
    found = event_weights(table, params).tolist()
    assert found == [expected, event_weight(event_type, value, weights, stars)]
    assert event_weight(event_type, value, weights, stars, own) == expected
    event = InteractionRow(1, "ann", event_type, "i", None, value, None, NOW, own)
    [group] = grouped([event])
    assert group_weight(group, weights, stars) == pytest.approx(expected)


def test_the_database_follows_the_rule(connection: Connection, params: InteractionsParams) -> None:
    """Each event on an item of its own, beside purchases; without decay the score is the sum of weights."""
    ensure_partitions(connection, INTERACTIONS, NOW - timedelta(days=1), NOW)
    count = round(ENOUGH / params.weights.purchase)
    with connection.cursor() as cursor:
        plain = [(event_type, value, None, expected) for event_type, value, expected in EVENTS]
        for number, (event_type, value, own, _) in enumerate([*plain, *WEIGHED]):
            item = f"i{number:02d}"
            rows = [(item, event_type, value, own), *[(item, "purchase", None, None)] * count]
            cursor.execute("insert into items (item_id, kind, change_seq) values (%s, 'product', 1)", (item,))
            cursor.executemany(
                "insert into interactions (item_id, event_type, value, weight, occurred_at, source, query) "
                "values (%s, %s, %s, %s, %s, 'test', %s)",
                [(*row, NOW, "lamp" if row[1] == "search_query" else None) for row in rows],
            )
    compute_trending(
        connection,
        NOW,
        decay_rate=1.0,
        step_hours=24,
        window_days=1,
        weights=params.weights.model_dump(),
        neutral_stars=params.neutral_stars,
    )
    with connection.cursor() as cursor:
        cursor.execute("select score from trending_scores order by item_id")
        scores = [row[0] - ENOUGH for row in cursor.fetchall()]
    assert scores == pytest.approx([expected for *_, expected in [*EVENTS, *WEIGHED]])


async def test_what_the_database_sums_up_of_a_history_follows_the_rule(
    connection: Connection, database: Database, params: InteractionsParams
) -> None:
    events = [
        (event_type, value, own)
        for event_type in params.weights.model_dump()
        for value in VALUES
        for own in (None, 0.5)
    ]
    with connection, connection.cursor() as cursor:
        cursor.execute("insert into items (item_id, kind, change_seq) values ('i', 'product', 1)")
        cursor.executemany(
            "insert into interactions (user_id, item_id, event_type, value, weight, occurred_at, source) "
            "values ('ann', 'i', %s, %s, %s, %s, 'test')",
            [(*event, NOW) for event in events],
        )
    conn = await asyncpg.connect(database.dsn)
    found = (await read_request(conn, "ann", 1)).events
    await conn.close()
    rows = [InteractionRow(1, "ann", each[0], "i", None, each[1], None, NOW, each[2]) for each in events]
    weights, stars = params.weights.model_dump(), params.neutral_stars
    summed = grouped(rows)
    assert {_key(each) for each in found.groups} == {_key(each) for each in summed}
    for event_type in weights:
        expected = sum(
            event_weight(name, value, weights, stars, own)
            for name, value, own in events
            if name == event_type
        )
        for groups in (found.groups, summed):
            of_type = [group for group in groups if group.event_type == event_type]
            assert sum(group_weight(each, weights, stars) for each in of_type) == pytest.approx(expected)


def _key(group: EventGroup) -> tuple[str, float | None, float | None, int]:
    return group.event_type, group.opinion, group.weight, group.events
