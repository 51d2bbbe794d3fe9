"""What a supplier drops into the inbox: Online Retail cut by day, and what goes wrong with it."""

import hashlib
import os
import time
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pandas as pd

from database.ingest import SAMPLE
from database.ingest.retail import last_time

_SETTLED_SECONDS = 60


@dataclass(frozen=True)
class Retail:
    """Online Retail, or a part of its customers, in two pieces: what came before, and the days."""

    before: pd.DataFrame
    days: dict[date, pd.DataFrame]
    """Every day of the month that is played, oldest first; one without sales is empty."""
    weeks: int
    """By how many weeks ingestion moves times: the last day then lies at most a week ahead."""
    ahead: timedelta
    """By how much that is too far for the first day to be yesterday; taken from every time in a file."""

    @property
    def customers(self) -> list[str]:
        """Ids of those who bought before the first day."""
        return sorted({str(int(value)) for value in self.before["CustomerID"].dropna()})


def cut(days: int, share: float, today: pd.Timestamp) -> Retail:
    """The sample's last `days` days apart from what was before, for a share of invoices by customer."""
    lines = pd.read_parquet(SAMPLE)
    chosen = lines["CustomerID"].fillna(-1).astype(int).astype(str)
    chosen = chosen.where(chosen != "-1", lines["InvoiceNo"])
    kept = {key: _fraction(key) < share for key in chosen.unique()}
    lines = lines[chosen.map(kept)]
    last = last_time(SAMPLE)
    dates = [last.date() - timedelta(days=back) for back in reversed(range(days))]
    of_day = lines["InvoiceDate"].dt.date
    weeks = -((dates[0] - today.date()) // timedelta(weeks=1))
    parts = {day: lines[of_day == day] for day in dates}
    ahead = dates[0] + timedelta(weeks=weeks) - (today.date() - timedelta(days=1))
    return Retail(lines[of_day < dates[0]], parts, weeks, ahead)


def drop(frame: pd.DataFrame, path: Path, back: timedelta = timedelta()) -> Path:
    """Put a file of invoice lines, its times moved back, into the inbox, as one that arrived a while ago."""
    frame.assign(InvoiceDate=frame["InvoiceDate"] - back).to_parquet(path, index=False)
    return _settled(path)


def drop_broken(frame: pd.DataFrame, path: Path, back: timedelta = timedelta()) -> Path:
    """The same file, of which the transfer brought only the first half."""
    drop(frame, path, back)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return _settled(path)


def new_assortment(path: Path, count: int) -> Path:
    """A catalogue unlike the shop's: spare parts, long names, high prices (the products CSV's columns)."""
    numbers = range(count)
    pd.DataFrame(
        {
            "id": [f"PART{number:06d}" for number in numbers],
            "name": [
                f"Hydraulic gasket assembly type {number}, stainless, for pump series {number % 40}"
                for number in numbers
            ],
            "main_category": "industrial supplies",
            "sub_category": "gaskets and seals",
            "image": "",
            "link": "",
            "ratings": "4.1",
            "no_of_ratings": "25",
            "discount_price": [f"₹{9_000 + 10 * number:,}" for number in numbers],
            "actual_price": [f"₹{12_000 + 10 * number:,}" for number in numbers],
        }
    ).to_csv(path, index=False)
    return _settled(path)


def _fraction(key: str) -> float:
    """A number in [0, 1) that is always the same for a customer."""
    return int(hashlib.md5(key.encode()).hexdigest()[:8], 16) / 16**8


def _settled(path: Path) -> Path:
    moment = time.time() - _SETTLED_SECONDS
    os.utime(path, (moment, moment))
    return path
