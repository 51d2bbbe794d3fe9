"""A shop that opens today: what its customers do, day by day, by a seed."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from database import columns
from database.export import EMBEDDINGS, INTERACTIONS, ITEMS, USERS

OPENING = datetime(2026, 1, 5, tzinfo=UTC)

TASTES = ("lamp", "chair", "teapot", "clock", "carpet", "mirror")
"""Each item is of one of them, and each customer likes one best."""

DIMENSION = 8


@dataclass(frozen=True)
class Customers:
    """How many there are, and what they do."""

    items: int = 120
    new_a_day: int = 6
    """Mean of those who come for the first time."""
    returning: float = 0.06
    """Chance that a known customer comes on a day; on weekends half as much again."""
    loyal: float = 0.75
    """Chance that a chosen item is of the customer's taste; the others are what is popular."""


@dataclass(frozen=True)
class Event:
    """One interaction."""

    user: int
    item: int
    kind: str
    at: datetime


def history(days: int, customers: Customers, seed: int) -> list[list[Event]]:
    """The events of each day, in order of time: clicks, and purchases of a third of what was clicked."""
    generator = np.random.default_rng(seed)
    taste: list[int] = []
    popular = 1.0 / np.arange(1, customers.items + 1) ** 0.8
    generator.shuffle(popular)
    found = []
    for day in range(days):
        weekend = 1.5 if (OPENING + timedelta(days=day)).weekday() >= 5 else 1.0
        known = np.flatnonzero(generator.random(len(taste)) < customers.returning * weekend)
        new = int(generator.poisson(customers.new_a_day * weekend)) + (0 if day else 3)
        taste += generator.integers(0, len(TASTES), new).tolist()
        events = []
        for user in [*known.tolist(), *range(len(taste) - new, len(taste))]:
            start = OPENING + timedelta(days=day, seconds=int(generator.integers(0, 80_000)))
            for click in range(1 + int(generator.poisson(2.0))):
                weights = popular.copy()
                if generator.random() < customers.loyal:
                    weights *= np.arange(customers.items) % len(TASTES) == taste[user]
                item = int(generator.choice(customers.items, p=weights / weights.sum()))
                at = start + timedelta(seconds=60 * click)
                events.append(Event(user, item, "product_click", at))
                if generator.random() < 1 / 3:
                    events.append(Event(user, item, "purchase", at + timedelta(seconds=20)))
        found.append(sorted(events, key=lambda event: event.at))
    return found


def write_snapshot(days: list[list[Event]], customers: Customers, model: str, folder: Path) -> None:
    """Write the files of an export of all that happened on these days."""
    events = [event for day in days for event in day]
    as_of = events[-1].at
    items = [
        {
            columns.ITEM_ID: f"ITEM{item:04d}",
            "kind": "product",
            columns.TITLE: f"{TASTES[item % len(TASTES)]} number {item}",
            columns.CATEGORY: TASTES[item % len(TASTES)],
            columns.TEXT_HASH: f"hash-{item}",
            columns.PRICE: 1.0 + item,
        }
        for item in range(customers.items)
    ]
    users = [{columns.USER_ID: f"user{user}"} for user in sorted({event.user for event in events})]
    rows = [
        {
            columns.INTERACTION_ID: number,
            columns.USER_ID: f"user{event.user}",
            columns.ITEM_ID: f"ITEM{event.item:04d}",
            columns.EVENT_TYPE: event.kind,
            columns.VALUE: 1.0 if event.kind == "purchase" else None,
            columns.OCCURRED_AT: event.at,
            "source": "shop",
        }
        for number, event in enumerate(events, start=1)
    ]
    vectors = [
        {
            columns.ITEM_ID: f"ITEM{item:04d}",
            columns.MODEL: model,
            columns.TEXT_HASH: f"hash-{item}",
            columns.VECTOR: np.eye(DIMENSION, dtype="<f4")[item % len(TASTES)].tobytes(),
        }
        for item in range(customers.items)
    ]
    tables: dict[str, tuple[list[dict[str, Any]], pa.Schema]] = {
        "items": (items, ITEMS),
        "users": (users, USERS),
        "interactions": (rows, INTERACTIONS),
        "embeddings": (vectors, EMBEDDINGS),
    }
    for name, (content, schema) in tables.items():
        pq.write_table(pa.Table.from_pylist(content, schema), folder / f"{name}.parquet")
    description = {
        "catalogue_seq": 1,
        "interaction_id": len(rows),
        "as_of": as_of.isoformat(),
        "rows": {name: len(content) for name, (content, _) in tables.items()},
        "left_out": {},
    }
    (folder / "snapshot.json").write_text(json.dumps(description))
