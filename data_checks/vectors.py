"""What the suite looks at of each item's vector. The vectors themselves are in memory a few at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from data_checks.reading import read_parts
from data_checks.repeated import joined, repeated_texts

_BATCH = 10_000
"""Vectors read at a time."""


def measured_vectors(path: Path, rows: int) -> Iterator[Any]:
    """Of each vector whose it is and how it differs from its model's others, as frames of `rows` rows.

    `dimension_difference` and `relative_norm` are against the median of the vectors of the same model; what
    that takes, a few numbers of each vector, is in memory for all of them.
    """
    import pandas as pd
    import pyarrow.compute as pc

    key = ["item_id", "model"]
    again = repeated_texts(path, key)
    measured = _measured(path)
    start = 0
    for part in read_parts(path, key, rows):
        frame = part.to_pandas()
        frame["id_repeated"] = pc.is_in(joined(part, key), value_set=again).to_pandas()
        numbers = measured.iloc[start : start + len(frame)].reset_index(drop=True)
        start += len(frame)
        yield pd.concat([frame, numbers], axis=1)


def _measured(path: Path) -> Any:
    """Frame of all vectors: finite, dimension_difference and relative_norm."""
    import pandas as pd

    parts = []
    for batch in read_parts(path, ["model", "vector"], _BATCH):
        vectors = [np.frombuffer(vector or b"", "<f4") for vector in batch.column("vector").to_pylist()]
        with np.errstate(over="ignore", invalid="ignore"):
            norms = [float(np.linalg.norm(vector.astype(np.float64))) for vector in vectors]
        part = {
            "model": batch.column("model").to_pandas(),
            "dimension": np.array([len(vector) for vector in vectors], dtype=np.int32),
            "norm": np.array(norms, dtype=np.float64),
            "finite": np.array([bool(np.isfinite(vector).all()) for vector in vectors], dtype=np.bool_),
        }
        parts.append(pd.DataFrame(part))
    frame = pd.concat(parts, ignore_index=True)
    by_model = frame.groupby("model", dropna=False, observed=True)
    usual = by_model["norm"].transform("median")
    median = by_model["dimension"].transform("median").round()
    # A model whose usual vector is zero has no directions at all: 0, not NaN, which would not be judged.
    return pd.DataFrame(
        {
            "finite": frame["finite"],
            "dimension_difference": frame["dimension"] - median,
            "relative_norm": (frame["norm"] / usual.where(usual > 0.0)).fillna(0.0),
        }
    )
