"""The quality tables on a small history, and a history cut short."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.quality.__main__ import report
from benchmarks.quality.data import cut
from benchmarks.quality.lists import WITH_FALLBACK, Reordering, reorder
from database.settings import REPOSITORY
from training.data.prepared import Prepared
from training.data.split import DAY
from training.evaluation.holdout import open_holdout
from training.evaluation.ranking import TestSet, rank
from training.models.blend import BLEND, Blend
from training.models.core.base import Model
from training.models.core.data import Catalogue, Events
from training.models.core.vocabulary import Vocabulary
from training.models.registry import fit_model
from training.params import Params, load_params

DAYS, USERS, ITEMS = 12, 30, 40


@pytest.fixture(scope="module")
def params() -> Params:
    found = load_params(REPOSITORY / "params.yaml")
    split = found.split.model_copy(update={"validation_days": 2, "test_days": 2})
    evaluation = found.evaluation.model_copy(update={"bootstrap_samples": 100})
    return found.model_copy(update={"split": split, "evaluation": evaluation})


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    """Users of two kinds buy items of their kind; the last items are bought on the last day only."""
    generator = np.random.default_rng(1)
    user = np.tile(np.arange(USERS, dtype=np.int32), DAYS)
    item = (generator.integers(0, ITEMS // 2 - 3, len(user)) * 2 + user % 2).astype(np.int32)
    item[-USERS:] = ITEMS - 2 + user[-USERS:] % 2
    time = np.repeat(np.arange(DAYS, dtype=np.int64), USERS) * DAY
    vectors = generator.normal(size=(ITEMS, 8)).astype(np.float32)
    return Prepared(
        items=Vocabulary.build(f"i{i:02d}" for i in range(ITEMS)),
        users=Vocabulary.build(f"u{i:02d}" for i in range(USERS)),
        events=Events(user, item, np.ones(len(user), dtype=np.float32), time),
        basket_item=item,
        basket_row=(np.arange(len(item)) // 3).astype(np.int32),
        basket_time=time,
        basket_event=np.arange(len(item), dtype=np.int32),
        catalogue=Catalogue(
            tuple(f"tile of kind {i % 2}" for i in range(ITEMS)), ("",) * ITEMS, ("",) * ITEMS
        ),
        vectors=vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
    )


@pytest.mark.slow
def test_the_report_holds_every_model_and_compares_the_blend_with_each(
    prepared: Prepared, params: Params
) -> None:
    text = report(
        prepared, params, {BLEND: {"ease": 1.0, "popularity": 0.3}, "alike": {"als": 1.0, "ease": 1.0}}
    )
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    rows = [line.split(" | ")[0].removeprefix("| ") for line in lines]
    near = {
        line for line in text.splitlines() if line.startswith(("| als | ease |", "| trending | popularity |"))
    }
    assert len(near) == 2
    rows = [row for row, line in zip(rows, lines, strict=True) if line not in near]
    for name in ("ease", "popularity", "trending", "gfcf", "alike"):
        assert rows.count(name) == 4, f"{name} stands in the tables, by users, and against the blend"
    assert rows.count(BLEND) == 3
    assert rows.count(WITH_FALLBACK) == 5, "what serves everyone most simply stands in every table"
    assert text.startswith("30 test users, 30 with a history, 0 cold; 40 items, 300 events")


def test_the_last_place_may_go_to_an_item_little_is_known_of(prepared: Prepared, params: Params) -> None:
    holdout = open_holdout(prepared, params.split, params.seed)
    data, test = holdout.training_data(prepared), holdout.test
    names = ("nmf", "popularity", "tfidf", "ease")
    models: dict[str, Model] = {n: fit_model(n, data, getattr(params, n), params.seed) for n in names}
    blend = Blend(models, {"ease": 1.0}, test.new_items)
    plain, slot, drawn = reorder(
        blend,
        models,
        test,
        params,
        [Reordering(0.0, 1.0), Reordering(0.0, 1.0, new_items=True), Reordering(50.0, 1.0)],
    )
    assert (plain == rank(blend, test.histories, 10, 100)).mean() > 0.9
    assert test.new_items[slot[:, -1]].all() and (slot[:, :-1] == plain[:, :-1]).all()
    assert (drawn != plain).any()
    assert not _seen(drawn, test)


def test_a_history_cut_short_knows_nothing_of_later(tmp_path: Path) -> None:
    times = [datetime(2011, month, 1, tzinfo=UTC) for month in (1, 2, 3)]
    interactions = pa.table(
        {"item_id": ["a", "b", "c"], "occurred_at": pa.array(times, pa.timestamp("us", tz="UTC"))}
    )
    pq.write_table(interactions, tmp_path / "interactions.parquet")
    pq.write_table(pa.table({"item_id": ["a", "b", "c"]}), tmp_path / "items.parquet")
    cut(tmp_path, datetime(2011, 2, 15, tzinfo=UTC))
    for name in ("interactions", "items"):
        assert pq.read_table(tmp_path / f"{name}.parquet")["item_id"].to_pylist() == ["a", "b"]


def _seen(lists: np.ndarray, test: TestSet) -> bool:
    histories = test.histories.toarray() > 0
    return bool(histories[np.arange(len(lists))[:, None], lists][lists >= 0].any())
