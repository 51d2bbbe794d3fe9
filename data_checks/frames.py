"""The tables under test as pandas frames, read from a snapshot's Parquet files."""

import logging
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

logger = logging.getLogger(__name__)

_ITEMS = ["item_id", "kind", "title", "rating", "rating_count", "price", "original_price", "discount_ratio"]
_INTERACTIONS = ["interaction_id", "item_id", "event_type", "value", "occurred_at"]
_DAY = 86_400_000_000
"""Microseconds."""
USUAL_DAYS = 28
"""Days before the newest one that say what a usual day is."""


@dataclass(frozen=True)
class Limits:
    """Section `data_checks` of params.yaml: shares are from 0 to 1."""

    unknown: float
    """Of recent interactions with an item, those that an export may leave out as their item is unknown."""
    deleted: float
    """The same for deleted items."""
    min_rows: int
    """With fewer left-out rows in those days their share says nothing."""
    odd_vectors: float = 0.01
    """Of the vectors, those whose length may differ from the others' of their model."""
    day_share: float = 0.1
    """Of a usual day's interactions, those that the newest day should have; less is a warning."""
    silent_days: float = 7.0
    """Days without interactions before the newest row of any table; more is a warning."""


def read_frames(snapshot: Path, description: dict[str, Any], limits: Limits) -> dict[str, Any]:
    """The table of each suite, by its name; ids and words are categories, which take a tenth of the memory.

    Args:
        snapshot: folder with the Parquet files.
        description: content of its snapshot.json.
        limits: as of when a share of left-out rows says something.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    items = pq.read_table(snapshot / "items.parquet", columns=_ITEMS)
    interactions = pq.read_table(
        snapshot / "interactions.parquet", columns=_INTERACTIONS, read_dictionary=["item_id", "event_type"]
    ).unify_dictionaries()
    ids = interactions.column("item_id")
    known = pc.or_(pc.is_null(ids), pc.is_in(ids, value_set=items.column("item_id")))
    interactions = interactions.append_column("item_known", known)
    users = pq.read_table(snapshot / "users.parquet", columns=["user_id", "created_at"])
    return {
        "items": items.to_pandas(),
        "users": users.to_pandas(),
        "interactions": interactions.to_pandas(),
        "embeddings": _embeddings(snapshot / "embeddings.parquet"),
        "left_out": _left_out(description, limits),
        "volume": _volume(interactions.column("occurred_at"), datetime.fromisoformat(description["as_of"])),
    }


def _embeddings(path: Path) -> Any:
    """Of each vector what the suite looks at, read in batches: the vectors themselves are never in memory."""
    import pandas as pd
    import pyarrow.parquet as pq

    parts = []
    for batch in pq.ParquetFile(path).iter_batches(batch_size=10_000, columns=["item_id", "model", "vector"]):
        vectors = [np.frombuffer(vector or b"", dtype="<f4") for vector in batch.column("vector").to_pylist()]
        with np.errstate(over="ignore", invalid="ignore"):
            norms = [float(np.linalg.norm(vector.astype(np.float64))) for vector in vectors]
        parts.append(
            pd.DataFrame(
                {
                    "item_id": batch.column("item_id").to_pylist(),
                    "model": batch.column("model").to_pylist(),
                    "dimension": [len(vector) for vector in vectors],
                    "norm": norms,
                    "finite": [bool(np.isfinite(vector).all()) for vector in vectors],
                }
            )
        )
    columns = ["item_id", "model", "dimension", "norm", "finite"]
    frame = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    by_model = frame.groupby("model", dropna=False)
    frame["dimension_difference"] = frame["dimension"] - by_model["dimension"].transform("median").round()
    usual = by_model["norm"].transform("median")
    # A model whose usual vector is zero has no directions at all: 0, not NaN, which would not be judged.
    frame["relative_norm"] = (frame["norm"] / usual.where(usual > 0.0)).fillna(0.0)
    return frame


def _volume(occurred_at: Any, as_of: datetime) -> Any:
    """Newest day against usual ones, as one row; a history of under two weeks has no usual day yet."""
    import pandas as pd

    times = occurred_at.cast("int64").to_numpy() if len(occurred_at) else np.zeros(0, dtype=np.int64)
    if not len(times):
        return pd.DataFrame([{"newest_day_share": 1.0, "silent_days": 0.0}])
    newest = int(times.max())
    age = (newest - times) // _DAY
    counts = np.bincount(age[age <= USUAL_DAYS], minlength=USUAL_DAYS + 1)
    usual = float(np.median(counts[1:])) if age.max() >= USUAL_DAYS // 2 else 0.0
    share = counts[0] / usual if usual else 1.0
    silent = max(0.0, (as_of.timestamp() * 1e6 - newest) / _DAY)
    return pd.DataFrame([{"newest_day_share": float(share), "silent_days": silent}])


def _left_out(description: dict[str, Any], limits: Limits) -> Any:
    """What the export left out by reason, as one row: the shares, 0 where too few rows are behind them."""
    import pandas as pd

    found = description.get("left_out", {})
    for reason, rows in found.items():
        if rows["rows"]:
            logger.warning(
                "%d interactions with %s items are left out (%d in the last days, %.1f %%), such as %s.",
                rows["rows"],
                reason,
                rows["recent_rows"],
                rows["recent_share"] * 100.0,
                ", ".join(rows["examples"]),
            )
    shares = {
        reason: rows["recent_share"] if rows["recent_rows"] >= limits.min_rows else 0.0
        for reason, rows in found.items()
    }
    return pd.DataFrame([{"unknown": 0.0, "deleted": 0.0} | shares])
