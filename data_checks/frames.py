"""The tables under test as pandas frames, read from a snapshot's Parquet files in parts."""

import json
import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from data_checks.reading import read_parts
from data_checks.repeated import repeated_numbers, repeated_texts
from data_checks.vectors import measured_vectors

logger = logging.getLogger(__name__)

_DAY = 86_400_000_000
"""Microseconds."""
PART = 1 << 20
"""Interactions checked at a time."""
TEXTS_PART = 1 << 18
"""Items, users or vectors checked at a time: their ids are texts, no categories."""
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

    items, interactions = snapshot / "items.parquet", snapshot / "interactions.parquet"
    columns = named("interactions", "interaction_id", "item_id")
    known = pq.read_table(items, columns=["item_id"]).column(0)
    return {
        "items": _with_repeated(items, named("items", "item_id"), "item_id"),
        "users": _with_repeated(snapshot / "users.parquet", named("users", "user_id"), "user_id"),
        "interactions": _interactions(interactions, columns, known),
        "embeddings": measured_vectors(snapshot / "embeddings.parquet", TEXTS_PART),
        "left_out": [_left_out(description, limits)],
        "volume": [_volume(interactions, datetime.fromisoformat(description["as_of"]))],
    }


def _with_repeated(path: Path, columns: list[str], key: str) -> Iterator[Any]:
    """A table, at most TEXTS_PART rows at a time; `id_repeated` says whether the key comes more than once."""
    import pyarrow.compute as pc

    repeated = repeated_texts(path, [key])
    for part in read_parts(path, columns, TEXTS_PART):
        again = pc.is_in(part.column(key).cast(repeated.type), value_set=repeated)
        yield part.append_column("id_repeated", again).to_pandas()


def _interactions(path: Path, columns: list[str], items: Any) -> Iterator[Any]:
    """The interactions, at most PART rows at a time. Ids and words are categories.

    `item_known` says whether the row has no item or one of `items`; `id_repeated` whether its id stands in
    the table more than once.
    """
    import pyarrow.compute as pc

    repeated = repeated_numbers(path, "interaction_id")
    for part in read_parts(path, columns, PART, categories=("item_id", "event_type")):
        ids = part.column("item_id")
        known = pc.or_(pc.is_null(ids), pc.is_in(ids.cast(items.type), value_set=items))
        again = pc.is_in(part.column("interaction_id"), value_set=repeated)
        yield part.append_column("item_known", known).append_column("id_repeated", again).to_pandas()


def _column(path: Path, name: str) -> Iterator[Any]:
    """A column of whole numbers or times (microseconds) in parts, without its nulls: int64[n]."""
    for part in read_parts(path, [name], PART):
        yield part.column(0).drop_null().cast("int64").to_numpy()


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
