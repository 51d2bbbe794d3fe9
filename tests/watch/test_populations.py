"""A snapshot's catalogue is read in batches, and is what it would be if it were read at once."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from database.export import EMBEDDINGS, ITEMS
from training.params import load_params
from watch import populations
from watch.populations import Catalogue, read_snapshot

ITEM = st.fixed_dictionaries(
    {
        "title": st.none() | st.text(max_size=5),
        "description": st.none() | st.text(max_size=9),
        "category": st.none() | st.sampled_from(["lamps", "chairs", "é"]),
        "price": st.none() | st.integers(0, 9).map(float),
    }
)


def catalogue(folder: Path, items: list[dict[str, Any]], sample: int) -> Catalogue:
    """The catalogue of a snapshot of these items, each with a vector."""
    rows = [{**item, "item_id": f"ITEM{number}"} for number, item in enumerate(items)]
    vectors = [
        {"item_id": row["item_id"], "model": "m", "vector": np.array([number, 1.0], "<f4").tobytes()}
        for number, row in enumerate(rows)
    ]
    files = {name: folder / name for name in ("items.parquet", "embeddings.parquet")}
    pq.write_table(pa.Table.from_pylist(rows, ITEMS), files["items.parquet"])
    pq.write_table(pa.Table.from_pylist(vectors, EMBEDDINGS), files["embeddings.parquet"])
    params = load_params().monitoring.model_copy(update={"sample_rows": sample, "embedding_rows": sample + 1})
    return read_snapshot(files, params, seed=1)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(items=st.lists(ITEM, max_size=12), sample=st.integers(1, 12))
def test_batches_give_the_catalogue_that_reading_at_once_gives(
    tmp_path: Path, items: list[dict[str, Any]], sample: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(populations, "_BATCH", 3)
        batches = catalogue(tmp_path, items, sample)
    whole = catalogue(tmp_path, items, sample)
    assert batches.categories == whole.categories
    for name in ("prices", "text_lengths", "vectors"):
        np.testing.assert_array_equal(getattr(batches, name), getattr(whole, name))
    live = [item for item in items if item["title"] is not None]
    assert sum(whole.categories.values()) == len(live)
    if sample >= len(live):
        lengths = [len(item["title"]) + len(item["description"] or "") for item in live]
        assert whole.text_lengths.tolist() == lengths
        assert whole.prices.tolist() == [item["price"] for item in live if item["price"] is not None]


@pytest.mark.parametrize(("short", "shape"), [(2, (3, 3)), (3, (3, 2))])
def test_while_another_encoder_takes_over_the_more_frequent_vectors_are_compared(
    tmp_path: Path, short: int, shape: tuple[int, int]
) -> None:
    """The hourly monitoring may come while a night replaces them one after another."""
    vectors = [
        {"item_id": f"ITEM{n}", "model": "m", "vector": np.ones(2 if n < short else 3, "<f4").tobytes()}
        for n in range(5)
    ]
    files = {name: tmp_path / name for name in ("items.parquet", "embeddings.parquet")}
    pq.write_table(pa.Table.from_pylist([{"item_id": "ITEM0", "title": "t"}], ITEMS), files["items.parquet"])
    pq.write_table(pa.Table.from_pylist(vectors, EMBEDDINGS), files["embeddings.parquet"])
    assert read_snapshot(files, load_params().monitoring, seed=1).vectors.shape == shape
