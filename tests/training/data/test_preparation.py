"""Snapshot tables to arrays: what counts, how much, and in which basket."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from database.export import EMBEDDINGS, INTERACTIONS, ITEMS
from database.settings import REPOSITORY
from training.data import preparation
from training.data.preparation import prepare
from training.data.prepared import Prepared
from training.data.split import leave_last_out
from training.params import Params, load_params

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def params() -> Params:
    return load_params(REPOSITORY / "params.yaml")


def event(user: str | None, item: str | None, kind: str, day: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "user_id": user,
        "item_id": item,
        "event_type": kind,
        "occurred_at": START + timedelta(days=day),
        **more,
    }


def write(folder: Path, events: list[dict[str, Any]]) -> Path:
    folder.mkdir(exist_ok=True)
    items = [
        {"item_id": name, "kind": "product", "title": name, "text_hash": name, "tags": []} for name in "CAB"
    ]
    rows = [{"interaction_id": n, **row} for n, row in enumerate(events)]
    unit = np.eye(3, 4, dtype="<f4")
    vectors = [
        {"item_id": name, "model": "all-MiniLM-L6-v2", "text_hash": name, "vector": unit[place].tobytes()}
        for place, name in enumerate("ABC")
    ]
    pq.write_table(pa.Table.from_pylist(items, ITEMS), folder / "items.parquet")
    pq.write_table(pa.Table.from_pylist(rows, INTERACTIONS), folder / "interactions.parquet")
    pq.write_table(pa.Table.from_pylist(vectors, EMBEDDINGS), folder / "embeddings.parquet")
    return folder


def test_events_weigh_what_params_say(tmp_path: Path, params: Params) -> None:
    events = [
        event("u", "A", "like"),
        event("u", "A", "skip", 1),
        event("u", "B", "rating", 2, value=5.0),
        event("u", "B", "feedback", 3, value=-1.0),
        event("u", None, "search_query", 4, query="lamp"),
        event("u", "GONE", "like", 5),
    ]

    prepared = prepare(write(tmp_path / "s", events), params.interactions, params.embeddings.model)

    assert prepared.items.decode(np.arange(3, dtype=np.int32)) == ["A", "B", "C"]
    assert prepared.events.weight.tolist() == [5.0, -1.0, 2.5, -5.0]
    assert prepared.events.time[0] == int(START.timestamp())
    assert prepared.training_data().interactions.toarray().tolist() == [[4.0, 0.0, 0.0]]
    assert np.array_equal(prepared.vectors, np.eye(3, 4, dtype=np.float32))


def test_baskets_are_sessions_else_a_users_day(tmp_path: Path, params: Params) -> None:
    events = [
        event("u", "A", "purchase", session_id="s1"),
        event(None, "B", "purchase", session_id="s1"),
        event(None, "C", "purchase", 1),
        event("u", "A", "click", 2),
        event("u", "C", "click", 2),
        event("u", "B", "click", 9),
    ]
    prepared = prepare(write(tmp_path / "s", events), params.interactions, params.embeddings.model)

    whole = prepared.training_data()
    early = prepared.training_data(before=int((START + timedelta(days=9)).timestamp()))

    assert whole.baskets is not None
    assert sorted(whole.baskets.toarray().tolist()) == [[0, 1, 0], [1, 0, 1], [1, 1, 0]]
    assert early.baskets is not None
    assert sorted(early.baskets.toarray().tolist()) == [[1, 0, 1], [1, 1, 0]]
    assert len(prepared.events) == 4


def test_sessions_that_each_user_numbers_from_one_are_not_mixed(tmp_path: Path, params: Params) -> None:
    events = [
        event("u", "A", "purchase", session_id="1"),
        event("u", "B", "purchase", session_id="1"),
        event("v", "C", "purchase", session_id="1"),
        event(None, "B", "purchase", session_id="1"),
        event("v", "B", "purchase", 1, session_id="2"),
        event(None, "A", "purchase", 1, session_id="2"),
        event(None, "A", "purchase", session_id="3"),
        event(None, "C", "purchase", session_id="3"),
    ]
    prepared = prepare(write(tmp_path / "s", events), params.interactions, params.embeddings.model)

    baskets = prepared.training_data().baskets

    assert baskets is not None
    assert sorted(baskets.toarray().tolist()) == [[0, 0, 1], [0, 1, 0], [1, 0, 1], [1, 1, 0], [1, 1, 0]]


def test_what_is_held_out_is_in_no_basket(tmp_path: Path, params: Params) -> None:
    events = [
        event("u", "A", "click"),
        event(None, "A", "purchase", session_id="s1"),
        event(None, "B", "purchase", session_id="s1"),
        event("u", "B", "click"),
        event("u", "C", "click"),
    ]
    prepared = prepare(write(tmp_path / "s", events), params.interactions, params.embeddings.model)
    split = leave_last_out(prepared.events)

    learned = prepared.training_data(split.before_test, split.test_start)

    assert learned.baskets is not None
    assert sorted(learned.baskets.toarray().tolist()) == [[1, 1, 0], [1, 1, 0]]
    whole = prepared.training_data().baskets
    assert whole is not None
    assert whole.nnz == 5


def test_baskets_of_nobody_need_no_events(tmp_path: Path, params: Params) -> None:
    events = [event(None, name, "purchase", session_id="s1") for name in "AB"]
    prepared = prepare(write(tmp_path / "s", events), params.interactions, params.embeddings.model)

    learned = prepared.training_data(np.zeros(0, dtype=bool))

    assert learned.baskets is not None
    assert learned.baskets.toarray().tolist() == [[1, 1, 0]]


def test_it_loads_as_it_was_saved(tmp_path: Path, params: Params) -> None:
    prepared = prepare(
        write(tmp_path / "s", [event("u", "A", "like"), event("v", "B", "click", 1)]),
        params.interactions,
        params.embeddings.model,
    )
    (tmp_path / "p").mkdir()

    prepared.save(tmp_path / "p")
    loaded = Prepared.load(tmp_path / "p")

    assert loaded.catalogue == prepared.catalogue
    assert loaded.events.user.tolist() == prepared.events.user.tolist() == [0, 1]
    assert (loaded.training_data().interactions != prepared.training_data().interactions).nnz == 0
    assert loaded.basket_event.tolist() == prepared.basket_event.tolist() == [0, 1]


ROWS = st.lists(
    st.tuples(
        st.sampled_from([None, "u", "v", "w"]),
        st.sampled_from(["A", "B", "C", "GONE", None]),
        st.sampled_from(["purchase", "click", "skip"]),
        st.integers(0, 3),
        st.sampled_from([None, "1", "2", "0"]),
    ),
    max_size=30,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, batch=st.integers(1, 7))
def test_batches_give_what_reading_row_by_row_gives(
    rows: list[tuple[str | None, str | None, str, int, str | None]],
    batch: int,
    tmp_path: Path,
    params: Params,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("training.data.interaction_rows.BATCH", batch)
    events = [event(user, item, kind, day, session_id=s) for user, item, kind, day, s in rows]

    prepared = prepare(write(tmp_path / "s", events), params.interactions, params.embeddings.model)

    # Ids are given in the order of the rows, so a stable sort by time orders by time and id.
    known = sorted((row for row in rows if row[1] in ("A", "B", "C")), key=lambda row: row[3])
    users = sorted({user for user, *_ in known if user is not None})
    assert [prepared.users.id(n) for n in range(len(prepared.users))] == users
    assert [prepared.items.id(n) for n in prepared.events.item] == [r[1] for r in known if r[0] is not None]
    assert [prepared.users.id(n) for n in prepared.events.user] == [r[0] for r in known if r[0] is not None]
    assert [prepared.items.id(n) for n in prepared.anonymous.item] == [r[1] for r in known if r[0] is None]
    of_session = {s: {r[0] for r in known if r[4] == s and r[0] is not None} for s in ("0", "1", "2")}
    keys: list[tuple[object, ...]] = []
    for user, item, kind, day, session in known:
        shopper = user
        if session is not None and user is None and len(of_session[session]) == 1:
            (shopper,) = of_session[session]
        if kind != "skip" and (session is not None or user is not None):
            keys.append((item, "day", user, day) if session is None else (item, session, shopper))
    baskets = list(dict.fromkeys(key[1:] for key in keys))
    lines = zip(prepared.basket_item, prepared.basket_row, strict=True)
    assert [(prepared.items.id(item), int(row)) for item, row in lines] == [
        (key[0], baskets.index(key[1:])) for key in keys
    ]


def test_only_vectors_of_the_text_and_encoder_of_now_are_used(
    tmp_path: Path, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path / "s", [event("u", "A", "like")])
    unit = np.eye(3, 4, dtype="<f4")
    stored = [
        {"item_id": name, "model": model, "text_hash": text, "vector": unit[place].tobytes()}
        for place, (name, model, text) in enumerate(
            [("A", params.embeddings.model, "A"), ("B", params.embeddings.model, "old"), ("C", "other", "C")]
        )
    ]
    pq.write_table(pa.Table.from_pylist(stored, EMBEDDINGS), folder / "embeddings.parquet")
    encoded: dict[int, str] = {}

    def encode(texts: dict[int, str], model: str) -> tuple[dict[int, Any], int]:
        encoded.update(texts)
        return {place: np.full(4, 0.5, np.float32) for place in texts}, 4

    monkeypatch.setattr(preparation, "_encode", encode)
    prepared = prepare(folder, params.interactions, params.embeddings.model)
    assert sorted(encoded) == [1, 2]
    assert prepared.vectors.tolist() == [[1, 0, 0, 0], [0.5] * 4, [0.5] * 4]


def test_a_users_basket_ends_with_the_day(tmp_path: Path, params: Params) -> None:
    """At midnight UTC, whichever day it is: five days are five baskets."""
    events = [
        event("u", item, "click", occurred_at=START + timedelta(days=day, seconds=second))
        for day in range(5)
        for item, second in (("A", 0), ("B", 86_399))
    ]
    prepared = prepare(write(tmp_path / "s", events), params.interactions, params.embeddings.model)
    assert prepared.basket_row.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
