"""What a file would load: read like an ingestion, with nothing written."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from database.ingest.chunk import TAG_SEPARATOR, Adapter, Options
from database.ingest.log_values import MEANINGS
from database.ingest.report import most
from database.ingest.run import age_notes

_ROWS = 10
_OF_LOGS = (
    *("line", "user_id", "session_id", "item_id", "event_type", "event_name", "value", "query"),
    "occurred_at",
)
_OF_ITEMS = ("line", "item_id", "kind", "title", "category", "tags", "rating", "price", "original_price")
_WIDEST = 40
_REFUSED = 3  # examples of a reason


@dataclass
class Preview:
    """What was read: `first` are the first usable rows, `refused` some rows of each reason."""

    rows: int = 0
    usable: int = 0
    notes: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    nulled: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    refused: dict[str, list[str]] = field(default_factory=dict)
    first: pd.DataFrame = field(default_factory=pd.DataFrame)
    last_event: datetime | None = None

    def lines(self) -> list[str]:
        """The preview in words."""
        found = [f"  {note}" for note in self.notes]
        if len(self.first):
            text = self.first.replace(TAG_SEPARATOR, ", ", regex=True).to_string(
                index=False, na_rep="", max_colwidth=_WIDEST
            )
            found += ["", f"the first {len(self.first)} rows:", *text.splitlines(), ""]
        found += [f"{self.rows:,} rows read: {self.usable:,} usable, {self.rows - self.usable:,} rejected"]
        for reason, count in most(self.reasons):
            found += [f"    {count:>13,}  {reason}", *(f"{'':19}{row}" for row in self.refused[reason])]
        found += [f"  left empty {count:>9,}  {reason}" for reason, count in most(self.nulled)]
        if "value" in self.first:
            found.append(f"  {MEANINGS}")
        found += [f"  {note}" for note in age_notes(self.last_event, datetime.now(UTC))]
        found += [f"It would be refused until this is answered: {question}" for question in self.questions]
        return [*found, "Nothing was written."]


def preview(adapter: Adapter, path: Path, options: Options) -> Preview:
    """Read the whole file as the adapter does.

    Raises WrongFormatError when it is not of the adapter's kind; IngestError when it is damaged.
    """
    adapter.check(path, options)
    found = Preview()
    for chunk in adapter.read(path, 0, options):
        rows = chunk.interactions if adapter.loads == "interactions" else chunk.items
        found.rows += chunk.rows
        found.notes += chunk.notes
        found.questions += chunk.questions
        found.nulled.update(chunk.nulled)
        if rows is not None:
            found.usable += len(rows)
            if "occurred_at" in rows and len(rows):
                last = rows["occurred_at"].max().to_pydatetime()
                found.last_event = max(last, found.last_event or last)
            if len(found.first) < _ROWS and len(rows):
                shown = _OF_LOGS if adapter.loads == "interactions" else _OF_ITEMS
                kept = rows[[name for name in shown if name in rows]].head(_ROWS - len(found.first))
                found.first = pd.concat([found.first, kept], ignore_index=True)
        if chunk.rejected is not None:
            _add_refused(found, chunk.rejected)
    found.first = found.first.dropna(axis="columns", how="all")
    return found


def _add_refused(found: Preview, rejected: pd.DataFrame) -> None:
    found.reasons.update(rejected["reason"])
    for line, reason, raw in rejected[["line", "reason", "raw"]].itertuples(index=False, name=None):
        examples = found.refused.setdefault(reason, [])
        if len(examples) < _REFUSED:
            examples.append(f"line {line}: {raw[:120]}")
