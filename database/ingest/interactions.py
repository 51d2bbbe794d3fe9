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

from database.ingest.chunk import DEFAULT, Adapter, Chunk, Options
from database.ingest.conventions import FIVE_STARS, Columns, Conventions, in_words, rescaled
from database.ingest.fields import clean, joined, named, numbers, shifted, times, whole
from database.ingest.named_columns import read_rows, refused, require
from database.interactions import EVENT_TYPES

_NEEDED = ("user_id", "item_id", "event_type", "timestamp")
_OPTIONAL = ("value", "query", "session_id")
_TEXTS = ("user_id", "item_id", "event_type", "query", "session_id")
_KEY = ("user_id", "item_id", "event_type", "value", "query", "session_id", "occurred_at")
_LARGEST_VALUE = 1e38  # more does not fit the column
_TOLD = Columns(
    read=frozenset((*_NEEDED, *_OPTIONAL)),
    texts=frozenset(_TEXTS),
    ids=("user_id", "item_id", "session_id"),
    amounts=("value",),
    ratings="value",
    stars=FIVE_STARS,
    rating_of="event_type",
)
_ABOUT = {
    "unknown event type": "event_type",
    "no readable timestamp": "timestamp",
    "feedback is not -1, 0 or 1": "value",
    "value is negative": "value",
    "value is out of range": "value",
}
_LONGEST = {"user_id": 128, "item_id": 64, "query": 1000, "session_id": 128}


def check(path: Path) -> None:
    """Raise WrongFormat unless the file has the needed columns."""
    require(path, _NEEDED, "interactions")


def read(path: Path, weeks: int, options: Options = DEFAULT) -> Iterator[Chunk]:
    """Chunks of interactions."""

    def to_chunk(frame: pd.DataFrame, lines: list[int], progress: float, how: Conventions) -> Chunk:
        return _chunk(frame, lines, progress, weeks, how)

    return read_rows(path, _TOLD, to_chunk, options)


def _chunk(frame: pd.DataFrame, lines: list[int], progress: float, weeks: int, how: Conventions) -> Chunk:
    nulled: Counter[str] = Counter()
    table = _prepared(frame, nulled, how)
    reason = _reasons(table, how)
    table["value"] = table["stars"].where(table["event_type"] == "rating", table["value"])
    table.insert(0, "line", lines)
    return Chunk(
        len(frame),
        progress,
        interactions=_events(table[reason.isna()], weeks),
        rejected=refused(frame, lines, reason, {**_ABOUT, in_words(how.scale): "value"}),
        nulled=nulled,
    )


def _prepared(frame: pd.DataFrame, nulled: Counter[str], how: Conventions) -> pd.DataFrame:
    def text(name: str) -> pd.Series:
        if name not in frame:
            return pd.Series(None, index=frame.index, dtype="str")
        if name not in _TOLD.ids:
            return clean(frame[name])
        found = named(frame[name], name, nulled, keep_null_words=how.keep_null_words)
        return whole(found) if name in how.whole else found

    table = pd.DataFrame({name: text(name) for name in _TEXTS})
    table["event_type"] = table["event_type"].str.lower()
    stated = "value" in frame
    table["value"] = (
        numbers(frame["value"], "value", nulled, comma="value" in how.comma) if stated else float("nan")
    )
    table["stars"] = rescaled(table["value"], how.scale, FIVE_STARS)
    table["occurred_at"] = times(frame["timestamp"])
    table["natural_key"] = "interactions|" + joined(*(table[name] for name in _KEY))
    return table


def _reasons(table: pd.DataFrame, how: Conventions) -> pd.Series:
    reason = pd.Series(None, index=table.index, dtype="str")
    for name, longest in _LONGEST.items():
        reason = reason.mask(table[name].str.len() > longest, f"{name} is longer than {longest}")
    kind, value = table["event_type"], table["value"]
    reason = reason.mask(value.abs() > _LARGEST_VALUE, "value is out of range")
    reason = reason.mask(kind.isin(("purchase", "view_time")) & (value < 0), "value is negative")
    reason = reason.mask((kind == "feedback") & ~value.isin((-1, 0, 1)), "feedback is not -1, 0 or 1")
    reason = reason.mask((kind == "rating") & table["stars"].isna(), in_words(how.scale))
    reason = reason.mask(table["occurred_at"].isna(), "no readable timestamp")
    search = kind == "search_query"
    reason = reason.mask(~search & table["item_id"].isna(), "no item id")
    reason = reason.mask(search & table["query"].isna(), "a search without a query")
    reason = reason.mask(~kind.isin(EVENT_TYPES), "unknown event type")
    return reason.mask(table["user_id"].isna(), "no user id")


def _events(table: pd.DataFrame, weeks: int) -> pd.DataFrame:
    return table.assign(occurred_at=shifted(table["occurred_at"], weeks))


ADAPTER = Adapter("interactions", "interactions", "interactions", check, read, repeats=True)
