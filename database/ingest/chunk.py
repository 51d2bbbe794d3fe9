"""What every adapter gives the one loading path: chunks of items, interactions and refused rows."""

import math
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import pandas as pd

from database.errors import DatabaseError
from database.event_words import EventType
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
    "event_name",
    "weight",
    "price",
)
"""`natural_key` is the text whose MD5 makes the same event of two files one row; `user_id` null is an
anonymous event; `occurred_at` is UTC. `event_name` is the source's own word for the event and `weight` what
that weighs in place of its type, null where there is none, and `price` what a piece cost; a source without
such columns leaves them out."""

REJECTED_COLUMNS = ("line", "reason", "raw")
TAG_SEPARATOR = "\x1f"
_LONGEST_RAW = 10_000


LOAD_ANY = "python -m database.ingest load FILE finds out what a file is"
"""What to do where a file is of another kind than the command's."""


def in_command(path: Path) -> str:
    """A file's path as a shell command names it, also one that begins with a dash."""
    return shlex.quote(f"./{path}" if str(path).startswith("-") else str(path))


class IngestError(DatabaseError):
    """A file can't be ingested; nothing of it is in the database. The message is one clear line."""


class WrongFormatError(IngestError):
    """The file is not of the kind that the adapter reads; it was refused before anything was written.

    `lacking` is which share of the needed columns it lacks to be of that kind.
    """

    def __init__(self, message: str, lacking: float = math.inf) -> None:
        super().__init__(message)
        self.lacking = lacking


ValueMeaning = Literal["quantity", "price", "rating", "ignore"]


@dataclass(frozen=True)
class Options:
    """How a file is to be read where it does not tell by itself."""

    encoding: str | None = None
    """Of its text; None: UTF-8, or Windows-1252 if every line fits."""
    decimal_comma: bool = False
    """Whether 1,399 is one and a bit, in a column of which no other number tells."""
    rating_scale: tuple[float, float] | None = None
    """Lowest and highest rating; None: as the column of ratings shows."""
    keep_null_words: bool = False
    """Whether "NULL", "NA", "nan" and the like are names, not missing values."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Our columns by the file's names of them, where it has unusual ones: {"user_id": "Kundennr"}."""
    header: tuple[str, ...] = ()
    """Names of the columns of a text file that begins with a row of data; empty: its first row names them."""
    event_type: str | None = None
    """What all rows of a log are that has no such column."""
    day_first: bool | None = None
    """How to read 03/04/2024; None: as the other times of the column show."""
    configured_words: tuple[EventType, ...] = ()
    """Words for events that params.yaml defines, and what they count as."""
    stored_words: tuple[EventType, ...] = ()
    """Those that were defined by API."""
    words: tuple[EventType, ...] = ()
    """Those that the command defines."""
    sheet: str | None = None
    """Name of the sheet of a workbook; None: its first."""
    value: ValueMeaning | None = None
    """What the column `value` of a log holds; None: what it means for each type of event."""

    def all_words(self) -> tuple[EventType, ...]:
        """The words beside the default ones; of several definitions the last counts."""
        return (*self.configured_words, *self.stored_words, *self.words)


DEFAULT = Options()


@dataclass(frozen=True)
class Chunk:
    """Some rows of a file. `progress` is how much of the file is read by now, 0..1.

    `nulled` counts fields that were left empty because their text made no sense, by reason. `notes` says
    how the file was read, where that could have been done in another way; `questions` are those of it that
    whoever loads the file should answer first.
    """

    rows: int
    progress: float
    items: pd.DataFrame | None = None
    interactions: pd.DataFrame | None = None
    rejected: pd.DataFrame | None = None
    nulled: Counter[str] = field(default_factory=Counter)
    notes: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()


class Read(Protocol):
    """Reads a file in chunks, with times moved forward by whole weeks."""

    def __call__(self, path: Path, weeks: int, options: Options = DEFAULT) -> Iterator[Chunk]:
        """Raises IngestError for a file that turns out to be damaged."""
        ...


@dataclass(frozen=True)
class Adapter:
    """One source format.

    `family` names the files whose rows may overlap; `check` raises WrongFormatError for a foreign file;
    `read` gives the chunks. `loads` says which rows the
    counts of a run are about; `repeats` whether an event that stands twice in one file happened twice.
    """

    name: str
    family: str
    loads: str
    check: Callable[[Path, Options], None]
    read: Read
    repeats: bool = False


def rejected_frame(lines: list[int], reasons: list[str], raws: list[str]) -> pd.DataFrame:
    """Refused rows as a frame of REJECTED_COLUMNS; PostgreSQL's text holds no NUL, and a row may be huge."""
    kept = [raw.replace("\0", "\ufffd")[:_LONGEST_RAW] for raw in raws]
    return pd.DataFrame({"line": lines, "reason": reasons, "raw": kept}, columns=list(REJECTED_COLUMNS))
