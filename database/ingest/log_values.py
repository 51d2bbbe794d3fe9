"""What the values and the words for events of a log stand for: looked at while the rows are read."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from database.ingest.chunk import ValueMeaning

MEANINGS = (
    "value: the quantity of a purchase, seconds of a view_time, stars of a rating, 1, 0 or -1 of a feedback; "
    "of other events it is kept and counts for nothing (--value says what else it is)"
)
_MEANT = frozenset({"purchase", "view_time", "rating", "feedback"})
_PRICED = 0.5
"""Share of the purchases' values above which hundredths are those of money: few things are sold so."""


def split_value(
    value: pd.Series, kind: pd.Series, meaning: ValueMeaning | None
) -> tuple[pd.Series, pd.Series | None]:
    """The values that count, float64, and what a piece cost if that is what they are.

    Args:
        value: float64, as the file has it.
        kind: type of each event.
        meaning: what an option says; None: what the value means for each type.
    """
    if meaning is None:
        return value, None
    kept = {"quantity": "purchase", "rating": "rating"}.get(meaning, "")
    return value.where(kind == kept), value if meaning == "price" else None


@dataclass
class ValuesSeen:
    """Counts the values that can't be what the column means."""

    _purchases: int = 0
    _priced: int = 0
    _price: float | None = None
    _unread: dict[str, float] = field(default_factory=dict)

    def look(self, value: pd.Series, kind: pd.Series) -> None:
        """Look at some rows: their values, and what each counts as."""
        bought = value[(kind == "purchase") & value.notna()]
        cents = bought[(bought % 1 != 0) & np.isclose(bought * 100, (bought * 100).round(), atol=1e-6)]
        self._purchases += len(bought)
        self._priced += len(cents)
        if self._price is None and len(cents):
            self._price = float(cents.iloc[0])
        for name, part in value[(value.abs() > 1) & ~kind.isin(_MEANT)].groupby(kind):
            self._unread.setdefault(str(name), float(part.iloc[0]))

    def questions(self) -> tuple[str, ...]:
        """What to ask about the file before it is loaded."""
        if self._priced <= _PRICED * self._purchases:
            return ()
        return (
            f"value: most purchases have one such as {self._price:g}, which looks like a price and is "
            "read as a quantity; say --value price, or --value quantity if it is one",
        )

    def notes(self) -> tuple[str, ...]:
        """What to say of values that count for nothing."""
        return tuple(
            f"value: {name} has values such as {example:g}, which count for nothing (--value ignore)"
            for name, example in sorted(self._unread.items())
        )


@dataclass
class WordsSeen:
    """Notes what a file's words for events count as, where that isn't the platform's type of the name."""

    _types: dict[str, set[str]] = field(default_factory=dict)

    def look(self, table: pd.DataFrame) -> None:
        """Look at some rows, by their columns event_name, event_type and weight."""
        named = table.loc[table["event_name"].notna(), ["event_name", "event_type", "weight"]]
        for name, kind, weight in named.drop_duplicates().itertuples(index=False, name=None):
            if pd.notna(kind):
                meant = (
                    "nothing" if weight == 0 else kind if pd.isna(weight) else f"{kind} of weight {weight:g}"
                )
                self._types.setdefault(name, set()).add(meant)

    def notes(self) -> tuple[str, ...]:
        """All words in one line; none without such words."""
        told = [
            f"{name} counts as {' or '.join(sorted(meant))}" for name, meant in sorted(self._types.items())
        ]
        return (f"event types: {', '.join(told)}",) if told else ()
