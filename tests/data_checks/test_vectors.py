"""Vectors are measured in parts as they are as a whole."""

import random
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_checks.vectors import measured_vectors


@pytest.mark.parametrize("rows", [1, 2, 7, 40])
def test_each_vector_is_measured_against_its_models_others(tmp_path: Path, rows: int) -> None:
    draw = random.Random(rows)
    table = [
        (
            f"i{number % 30}",
            draw.choice(["small", "large"]),
            [draw.gauss(0, 1) for _ in range(draw.choice([2, 2, 2, 3]))],
        )
        for number in range(40)
    ]
    table[5] = ("odd", "small", [float("nan"), 1.0])
    path = tmp_path / "embeddings.parquet"
    vectors = [np.array(vector, "<f4") for *_, vector in table]
    columns = {
        "item_id": pa.array([item_id for item_id, *_ in table]),
        "model": pa.array([model for _, model, _ in table]),
        "vector": pa.array([vector.tobytes() for vector in vectors]),
    }
    pq.write_table(pa.table(columns), path)
    parts = list(measured_vectors(path, rows))
    assert all(len(part) <= rows for part in parts)
    found = pd.concat(parts, ignore_index=True)
    keys = [(item_id, model) for item_id, model, _ in table]
    assert list(zip(found["item_id"], found["model"], strict=True)) == keys
    assert list(found["id_repeated"]) == [keys.count(key) > 1 for key in keys]
    assert list(found["finite"]) == [bool(np.isfinite(vector).all()) for vector in vectors]
    norms = [float(np.linalg.norm(vector.astype(np.float64))) for vector in vectors]
    for place, (_, model) in enumerate(keys):
        usual = float(np.nanmedian([norm for (_, of), norm in zip(keys, norms, strict=True) if of == model]))
        expected = 0.0 if np.isnan(norms[place]) else norms[place] / usual
        assert found["relative_norm"][place] == pytest.approx(expected)
        dimensions = [len(vector) for (_, of), vector in zip(keys, vectors, strict=True) if of == model]
        assert found["dimension_difference"][place] == len(vectors[place]) - round(
            float(np.median(dimensions))
        )


def test_a_model_whose_usual_vector_is_zero_says_nothing_of_lengths(tmp_path: Path) -> None:
    vectors = [np.zeros(2, "<f4")] * 3 + [np.ones(2, "<f4")]
    columns = {
        "item_id": list("abcd"),
        "model": ["m"] * 4,
        "vector": [vector.tobytes() for vector in vectors],
    }
    pq.write_table(pa.table(columns), tmp_path / "embeddings.parquet")
    (found,) = measured_vectors(tmp_path / "embeddings.parquet", 9)
    assert list(found["relative_norm"]) == [0.0] * 4
