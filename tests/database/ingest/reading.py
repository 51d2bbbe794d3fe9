"""Reading a file without a database: what its adapter makes of it."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from database.ingest import ADAPTERS, Options


@dataclass(frozen=True)
class Made:
    """All chunks of a file together."""

    rows: int
    items: pd.DataFrame
    interactions: pd.DataFrame
    rejected: pd.DataFrame
    nulled: Counter[str]
    notes: tuple[str, ...]

    def item(self, item_id: str) -> dict[str, Any]:
        """One item, null as None."""
        (row,) = self.items[self.items["item_id"] == item_id].to_dict("records")
        return {str(name): None if pd.isna(value) else value for name, value in row.items()}

    def refused(self) -> list[tuple[int, str]]:
        """Line and reason of each refused row, by line."""
        pairs = zip(self.rejected["line"], self.rejected["reason"], strict=True)
        return sorted((int(line), str(reason)) for line, reason in pairs)


def read_file(adapter: str, path: Path, options: Options | None = None) -> Made:
    """Read a file with the adapter of that name."""
    chunks = list(ADAPTERS[adapter].read(path, 0, options or Options()))

    def joined(name: str) -> pd.DataFrame:
        frames = [frame for chunk in chunks if (frame := getattr(chunk, name)) is not None]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

    return Made(
        rows=sum(chunk.rows for chunk in chunks),
        items=joined("items"),
        interactions=joined("interactions"),
        rejected=joined("rejected"),
        nulled=sum((chunk.nulled for chunk in chunks), Counter()),
        notes=tuple(note for chunk in chunks for note in chunk.notes),
    )
