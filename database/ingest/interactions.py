"""Interactions of any shop: CSV (plain or gzip) or Parquet with the columns below.

`user_id`, `item_id`, `event_type`, `timestamp` are needed, `value`, `query` and `session_id` may be there.
A timestamp is ISO text (UTC where it names no zone) or seconds, milliseconds or microseconds since 1970.
`event_type` is one of the platform's; a search needs a query, any other event an item. A rating is 1 to 5,
feedback -1, 0 or 1; a purchase's quantity and a view's seconds are not negative.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from database.ingest.chunk import Adapter, Chunk, WrongFormat
from database.ingest.fields import clean, joined, numbers, shifted, times
from database.ingest.named_columns import columns, read_rows, refused
from database.interactions import EVENT_TYPES

_NEEDED = ("user_id", "item_id", "event_type", "timestamp")
_OPTIONAL = ("value", "query", "session_id")
_TEXTS = ("user_id", "item_id", "event_type", "query", "session_id")
_LARGEST_VALUE = 1e38  # more does not fit the column
_LONGEST = {"user_id": 128, "item_id": 64, "query": 1000, "session_id": 128}


def check(path: Path) -> None:
    """Raise WrongFormat unless the file has the needed columns."""
    missing = set(_NEEDED) - set(columns(path))
    if missing:
        raise WrongFormat(f"{path}: not interactions: no column {', '.join(sorted(missing))}")


def read(path: Path, weeks: int) -> Iterator[Chunk]:
    """Chunks of interactions."""

    def to_chunk(frame: pd.DataFrame, lines: list[int], progress: float) -> Chunk:
        return _chunk(frame, lines, progress, weeks)

    return read_rows(path, {*_NEEDED, *_OPTIONAL}, _TEXTS, to_chunk)


def _chunk(frame: pd.DataFrame, lines: list[int], progress: float, weeks: int) -> Chunk:
    nulled: Counter[str] = Counter()
    table = _prepared(frame, nulled)
    reason = _reasons(table)
    table.insert(0, "line", lines)
    return Chunk(
        len(frame),
        progress,
        interactions=_events(table[reason.isna()], weeks),
        rejected=refused(frame, lines, reason),
        nulled=nulled,
    )


def _prepared(frame: pd.DataFrame, nulled: Counter[str]) -> pd.DataFrame:
    empty = pd.Series(None, index=frame.index, dtype="str")
    table = pd.DataFrame({name: clean(frame[name]) if name in frame else empty for name in _TEXTS})
    table["event_type"] = table["event_type"].str.lower()
    table["value"] = numbers(frame["value"], "value", nulled) if "value" in frame else float("nan")
    table["occurred_at"] = times(frame["timestamp"])
    return table


def _reasons(table: pd.DataFrame) -> pd.Series:
    reason = pd.Series(None, index=table.index, dtype="str")
    for name, longest in _LONGEST.items():
        reason = reason.mask(table[name].str.len() > longest, f"{name} is longer than {longest}")
    kind, value = table["event_type"], table["value"]
    reason = reason.mask(value.abs() > _LARGEST_VALUE, "value is out of range")
    reason = reason.mask(kind.isin(("purchase", "view_time")) & (value < 0), "value is negative")
    reason = reason.mask((kind == "feedback") & ~value.isin((-1, 0, 1)), "feedback is not -1, 0 or 1")
    reason = reason.mask((kind == "rating") & ~value.between(1, 5), "rating is not within 1..5")
    reason = reason.mask(table["occurred_at"].isna(), "no readable timestamp")
    search = kind == "search_query"
    reason = reason.mask(~search & table["item_id"].isna(), "no item id")
    reason = reason.mask(search & table["query"].isna(), "a search without a query")
    reason = reason.mask(~kind.isin(EVENT_TYPES), "unknown event type")
    return reason.mask(table["user_id"].isna(), "no user id")


def _events(table: pd.DataFrame, weeks: int) -> pd.DataFrame:
    named = ("user_id", "item_id", "event_type", "value", "query", "session_id", "occurred_at")
    key = "interactions|" + joined(*(table[name] for name in named))
    return table.assign(occurred_at=shifted(table["occurred_at"], weeks), natural_key=key)


ADAPTER = Adapter("interactions", "interactions", "interactions", check, read, repeats=True)
