"""What an event weighs: one rule, the same in training, in the service and in the database's SQL."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.partitions import INTERACTIONS, ensure_partitions
from database.settings import REPOSITORY
from database.trending import compute_trending
from serving.steps.history import event_weight
from training.data.preparation import event_weights
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


def test_the_database_follows_the_rule(connection: Connection, params: InteractionsParams) -> None:
    """Each event on an item of its own, beside purchases; without decay the score is the sum of weights."""
    ensure_partitions(connection, INTERACTIONS, NOW - timedelta(days=1), NOW)
    count = round(ENOUGH / params.weights.purchase)
    with connection.cursor() as cursor:
        for number, (event_type, value, _) in enumerate(EVENTS):
            item = f"i{number:02d}"
            rows = [(item, event_type, value), *[(item, "purchase", None)] * count]
            cursor.execute("insert into items (item_id, kind, change_seq) values (%s, 'product', 1)", (item,))
            cursor.executemany(
                "insert into interactions (item_id, event_type, value, occurred_at, source, query) "
                "values (%s, %s, %s, %s, 'test', %s)",
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
    assert scores == pytest.approx([expected for _, _, expected in EVENTS])
