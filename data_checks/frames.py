"""The tables under test as pandas frames, read from a snapshot's Parquet files.

The interactions are read in parts, each table else whole.
"""

import json
import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

logger = logging.getLogger(__name__)

_DAY = 86_400_000_000
"""Microseconds."""
PART = 1 << 20
"""Interactions checked at a time."""
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


def words_of(suites: Iterable[dict[str, Any]]) -> dict[str, frozenset[str]]:
    """Words of each table's expectations, by table: the columns that they check are among them.

    >>> suite = {"table": "users", "id": "user_id", "expectations": [{"kwargs": {"column": "created_at"}}]}
    >>> sorted(words_of([suite])["users"])
    ['column', 'created_at', 'user_id']
    """
    found = {}
    for suite in suites:
        checked = [suite.get("id"), *(each["kwargs"] for each in suite["expectations"])]
        found[suite["table"]] = frozenset(re.findall(r"\w+", json.dumps(checked)))
    return found


def read_frames(
    snapshot: Path, description: dict[str, Any], limits: Limits, suites: Iterable[dict[str, Any]]
) -> dict[str, Iterable[Any]]:
    """The table of each suite by its name, as the frames of its parts.

    Args:
        snapshot: folder with the Parquet files.
        description: content of its snapshot.json.
        limits: as of when a share of left-out rows says something.
        suites: what is checked; only the columns that they name are read.
    """
    import pyarrow.parquet as pq

    words = words_of(suites)

    def named(table: str, *needed: str) -> list[str]:
        wanted = words.get(table, frozenset()).union(needed)
        return [name for name in pq.read_schema(snapshot / f"{table}.parquet").names if name in wanted]

    items = pq.read_table(snapshot / "items.parquet", columns=named("items", "item_id"))
    users = pq.read_table(snapshot / "users.parquet", columns=named("users"))
    interactions = snapshot / "interactions.parquet"
    columns = named("interactions", "interaction_id", "item_id")
    return {
        "items": [items.to_pandas()],
        "users": [users.to_pandas()],
        "interactions": _interactions(interactions, columns, items.column("item_id")),
        "embeddings": [_embeddings(snapshot / "embeddings.parquet")],
        "left_out": [_left_out(description, limits)],
        "volume": [_volume(interactions, datetime.fromisoformat(description["as_of"]))],
    }


def _interactions(path: Path, columns: list[str], items: Any) -> Iterator[Any]:
    """The interactions, at most PART rows at a time and at least one frame.

    Ids and words are categories. `item_known` says whether the row has no item or one of `items`;
    `id_repeated` whether its id stands in the table more than once.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    repeated = _repeated_ids(path)
    with pq.ParquetFile(path, read_dictionary=["item_id", "event_type"]) as file:
        empty = file.schema_arrow.empty_table().select(columns)
        batches = file.iter_batches(batch_size=PART, columns=columns) if file.metadata.num_rows else ()
        for part in (pa.Table.from_batches([batch]) for batch in batches) if batches else (empty,):
            ids = part.column("item_id")
            known = pc.or_(pc.is_null(ids), pc.is_in(ids.cast(items.type), value_set=items))
            again = pc.is_in(part.column("interaction_id"), value_set=repeated)
            yield part.append_column("item_known", known).append_column("id_repeated", again).to_pandas()


def _repeated_ids(path: Path) -> Any:
    """int64: ids of more than one interaction. All ids are in memory for it, 8 bytes a row."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    ids = np.empty(pq.read_metadata(path).num_rows, dtype=np.int64)
    rows = 0
    for part in _column(path, "interaction_id"):
        ids[rows : rows + len(part)] = part
        rows += len(part)
    ids = ids[:rows]
    ids.sort()
    return pa.array(np.unique(ids[1:][ids[1:] == ids[:-1]]), pa.int64())


def _column(path: Path, name: str) -> Iterator[Any]:
    """A column of whole numbers or times (microseconds) in batches, without its nulls: int64[n]."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=PART, columns=[name]):
            yield batch.column(0).drop_null().cast("int64").to_numpy()


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


def _volume(interactions: Path, as_of: datetime) -> Any:
    """Newest day against usual ones, as one row; a history of under two weeks has no usual day yet."""
    import pandas as pd

    bounds = [(times.min(), times.max()) for times in _column(interactions, "occurred_at") if len(times)]
    if not bounds:
        return pd.DataFrame([{"newest_day_share": 1.0, "silent_days": 0.0}])
    oldest, newest = int(min(low for low, _ in bounds)), int(max(high for _, high in bounds))
    counts = np.zeros(USUAL_DAYS + 1, dtype=np.int64)
    for times in _column(interactions, "occurred_at"):
        age = (newest - times) // _DAY
        counts += np.bincount(age[age <= USUAL_DAYS], minlength=USUAL_DAYS + 1)
    usual = float(np.median(counts[1:])) if (newest - oldest) // _DAY >= USUAL_DAYS // 2 else 0.0
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
