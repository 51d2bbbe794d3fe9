"""The baseline trending: the service's own formula, over what may be learned from alone."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812
from scipy import sparse

from database.export import export_snapshot
from database.settings import REPOSITORY
from training.data.preparation import prepare
from training.models.core.base import Query
from training.models.core.data import Events, TrainingData
from training.models.core.vocabulary import Vocabulary
from training.models.trending import DAY, TrendingConfig, fit
from training.params import load_params
from training.pipeline.trending import score_trending

CONFIG = TrendingConfig(decay_rate=0.5, step_hours=24, window_days=10)
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


def data_of(
    *events: tuple[int, float, float], anonymous: tuple[tuple[int, float, float], ...] = ()
) -> TrainingData:
    """Items, weights and days of one user's events, and of nobody's."""

    def table(rows: tuple[tuple[int, float, float], ...], user: int) -> Events:
        item, weight, day = np.array(rows, dtype=np.float64).reshape(-1, 3).T
        who = np.full(len(item), user, dtype=np.int32)
        return Events(who, item.astype(np.int32), weight.astype(np.float32), (day * DAY).astype(np.int64))

    empty = sparse.csr_array((1, 3), dtype=np.float32)
    known, unknown = table(events, 0), table(anonymous, -1)
    items, users = Vocabulary.build("abc"), Vocabulary.build("u")
    return TrainingData(items, users, empty, known, anonymous=unknown)


def test_weights_decay_with_age_and_end_with_the_window() -> None:
    data = data_of((0, 2.0, 9.0), (1, 4.0, 7.0), (1, 1.0, 9.0), (2, 9.0, -1.0))
    assert fit(data, CONFIG, 0).decayed.tolist() == [2.0, 2.0, 0.0]
    assert fit(data_of(), CONFIG, 0).decayed.tolist() == [0.0, 0.0, 0.0]


def test_anonymous_events_count_and_disliked_items_have_no_score() -> None:
    data = data_of((0, 1.0, 3.0), (1, 2.0, 3.0), (1, -2.0, 3.0), anonymous=((2, 5.0, 3.0),))
    assert fit(data, CONFIG, 0).decayed.tolist() == [1.0, 0.0, 5.0]


def test_a_stranger_gets_what_is_trending() -> None:
    items, _ = fit(data_of((0, 1.0, 1.0), (2, 5.0, 1.0)), CONFIG, 0).recommend(Query(), 3)
    assert items.tolist() == [2, 0]


def test_it_is_what_the_database_shows(connection: Connection, tmp_path: Path) -> None:
    params = load_params(REPOSITORY / "params.yaml")
    insert_events(connection, np.random.default_rng(0), params.trending.window_days)
    score_trending(connection, NOW, params)
    with connection.cursor() as cursor:
        cursor.execute("select item_id, score from trending_scores")
        stored = dict(cursor.fetchall())
    connection.commit()
    export_snapshot(connection, tmp_path)
    prepared = prepare(tmp_path, params.interactions, params.embeddings.model)
    cut = int(NOW.timestamp())

    learned = prepared.training_data(prepared.events.time <= cut, cut + 1)
    found = fit(learned, params.trending, params.seed).decayed

    known = np.flatnonzero(found)
    names = prepared.items.decode(known.astype(np.int32))
    assert 20 < len(stored) < 40
    assert dict(zip(names, found[known].tolist(), strict=True)) == pytest.approx(stored, rel=1e-5)
    assert learned.anonymous.time.max() <= cut < prepared.anonymous.time.max()


def insert_events(conn: Connection, generator: np.random.Generator, days: int) -> None:
    """Events of all kinds on 40 items, a third anonymous, before, in and after the window up to NOW."""
    kinds = ["like", "click", "view_time", "purchase", "rating", "feedback", "skip", "search_query"]
    with conn.cursor() as cursor:
        cursor.execute(
            "insert into items (item_id, kind, change_seq, deleted_at) select 'i' || n, 'product', 1, "
            "case when n % 10 = 0 then now() end from generate_series(0, 39) n"
        )
        cursor.execute("insert into users (user_id) values ('ann'), ('bob')")
        rows: list[tuple[Any, ...]] = [("ann", "i1", "click", None, NOW)]
        rows.append((None, "i2", "click", None, NOW + timedelta(hours=1)))
        for _ in range(600):
            kind = str(generator.choice(kinds))
            user = [None, "ann", "bob"][generator.integers(3)]
            value = {"rating": generator.integers(1, 6), "feedback": generator.integers(-1, 2)}.get(kind)
            value = None if generator.random() < 0.1 else value
            age = timedelta(seconds=float(generator.uniform(-DAY, 1.5 * days * DAY)))
            item = None if kind == "search_query" else f"i{generator.integers(40)}"
            rows.append((user, item, kind, None if value is None else float(value), NOW - age))
        cursor.executemany(
            "insert into interactions (user_id, item_id, event_type, value, occurred_at, source, query) "
            "values (%s, %s, %s, %s, %s, 'test', null)",
            rows,
        )


def test_a_step_is_so_many_hours() -> None:
    data = data_of((0, 1.0, 0.0), (1, 1.0, 1.0))
    found = fit(data, TrendingConfig(decay_rate=0.5, step_hours=12, window_days=10), 0).decayed
    assert found.tolist() == [0.25, 1.0, 0.0]
