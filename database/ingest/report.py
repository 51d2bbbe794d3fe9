"""What became of a file's rows, counted and in words."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd

_MOST_SEEN = 10_000  # distinct values that are counted for a reason
_SHOWN = 3
_LONGEST_SHOWN = 60


@dataclass(frozen=True)
class Report:
    """What became of a file's rows: read = loaded + duplicate + rejected.

    `rows_loaded` are new interactions, or, for a file of items, items new or changed; `rows_duplicate`
    said nothing new. `reasons` counts the refused rows, `nulled` the fields left empty; `notes` say how the
    file was read where that could have been done in another way. `seen` has the commonest values behind
    a reason.
    """

    adapter: str
    source: str
    sha256: str
    rows_read: int
    rows_loaded: int
    rows_duplicate: int
    rows_rejected: int
    items_new: int
    items_changed: int
    items_bare: int
    users_new: int
    vectors: int
    shift_weeks: int
    seconds: float
    reasons: Mapping[str, int] = field(default_factory=dict)
    nulled: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seen: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def failure(self) -> str | None:
        """Why the run counts as failed: no rows at all, or every row refused, with the commonest reason."""
        if not self.rows_read:
            return f"{self.source}: there are no rows in it but its header: nothing was loaded"
        if self.rows_rejected < self.rows_read:
            return None
        reason = most(self.reasons)[0][0]
        return f"{self.source}: none of {self.rows_read:,} rows could be loaded: {self._told(reason)}"

    def _told(self, reason: str) -> str:
        values = [
            f'"{value[:_LONGEST_SHOWN]}" {count:,} ×' for value, count in most(self.seen.get(reason, {}))
        ]
        return f"{reason}: {', '.join(values)}" if values else reason

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON-ready values."""
        return asdict(self)

    def lines(self) -> list[str]:
        """The report in words."""
        shift = f", times moved forward by {self.shift_weeks} weeks" if self.shift_weeks else ""
        return [
            f"{self.source}: {self.rows_read:,} rows read in {self.seconds:.1f} s{shift}",
            *(f"  {note}" for note in self.notes),
            f"  loaded     {self.rows_loaded:>9,}",
            f"  duplicate  {self.rows_duplicate:>9,}",
            f"  rejected   {self.rows_rejected:>9,}",
            *(f"    {count:>13,}  {self._told(reason)}" for reason, count in most(self.reasons)),
            *(f"  left empty {count:>9,}  {reason}" for reason, count in most(self.nulled)),
            f"  items: {self.items_new:,} new, {self.items_changed:,} changed, "
            f"{self.items_bare:,} known by interactions only; {self.users_new:,} users new; "
            f"{self.vectors:,} vectors",
        ]


@dataclass
class Counts:
    """What is counted while a file is read."""

    read: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    nulled: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    seen: dict[str, Counter[str]] = field(default_factory=dict)
    questions: list[str] = field(default_factory=list)

    def detail(self) -> dict[str, Any]:
        """The fields of a report that say why: reasons, notes, and what stood there."""
        return {
            "reasons": dict(self.reasons),
            "nulled": dict(self.nulled),
            "notes": (*self.notes, *self.questions),
            "seen": {reason: dict(values.most_common(_SHOWN)) for reason, values in self.seen.items()},
        }

    def add_rejected(self, rows: pd.DataFrame) -> None:
        """Count refused rows by reason, and what stood in the column that it is about."""
        self.reasons.update(rows["reason"])
        if "seen" in rows:
            counted = rows.groupby(["reason", "seen"], as_index=False).size()
            for reason, value, count in counted.itertuples(index=False, name=None):
                known = self.seen.setdefault(reason, Counter())
                if value in known or len(known) < _MOST_SEEN:
                    known[value] += int(count)


def most(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """What was counted and how often, the commonest first, equals by name."""
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
