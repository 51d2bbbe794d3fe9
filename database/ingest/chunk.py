"""What every adapter gives the one loading path: chunks of items, interactions and refused rows."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from database.items import CONTENT

ITEM_COLUMNS = ("line", "item_id", *CONTENT, "hidden", "available", "as_of", "attributes")
"""`tags` are joined by TAG_SEPARATOR; `hidden` and `available` are "true", "false" or null (not said);
`attributes` is JSON text or null; `as_of` is the moment of the evidence behind a derived item: older evidence
never replaces newer."""

INTERACTION_COLUMNS = (
    "line",
    "user_id",
    "item_id",
    "event_type",
    "query",
    "value",
    "session_id",
    "occurred_at",
    "natural_key",
)
"""`natural_key` is the text whose MD5 makes the same event of two files one row; `user_id` null is an
anonymous purchase; `occurred_at` is UTC."""

REJECTED_COLUMNS = ("line", "reason", "raw")
TAG_SEPARATOR = "\x1f"
_LONGEST_RAW = 10_000


class IngestError(Exception):
    """A file can't be ingested; nothing of it is in the database. The message is one clear line."""


class WrongFormat(IngestError):  # noqa: N818
    """The file is not of the kind that the adapter reads; it was refused before anything was written."""


@dataclass(frozen=True)
class Chunk:
    """Some rows of a file. `progress` is how much of the file is read by now, 0..1.

    `nulled` counts optional fields that were left empty because their text made no sense, by reason.
    """

    rows: int
    progress: float
    items: pd.DataFrame | None = None
    interactions: pd.DataFrame | None = None
    rejected: pd.DataFrame | None = None
    nulled: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Adapter:
    """One source format.

    `family` names the files whose rows may overlap; `check` raises WrongFormat for a foreign file;
    `read(path, weeks)` gives the chunks, with times moved forward by whole weeks. `loads` says which
    rows the counts of a run are about.
    """

    name: str
    family: str
    loads: str
    check: Callable[[Path], None]
    read: Callable[[Path, int], Iterator[Chunk]]


def rejected_frame(lines: list[int], reasons: list[str], raws: list[str]) -> pd.DataFrame:
    """Refused rows as a frame of REJECTED_COLUMNS; PostgreSQL's text holds no NUL, and a row may be huge."""
    kept = [raw.replace("\0", "\ufffd")[:_LONGEST_RAW] for raw in raws]
    return pd.DataFrame({"line": lines, "reason": reasons, "raw": kept}, columns=list(REJECTED_COLUMNS))
