"""Impressions: the lists that the service showed, or computed for a shadow arm, partitioned by day.

A row is a list: its items in their order, and how likely each was to stand there. The view `impressions`
has a row for each item.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from database.partitions import IMPRESSIONS, ensure_partitions_async, is_missing

_COLUMNS = (
    "request_id",
    "experiment_id",
    "arm",
    "shown",
    "endpoint",
    "user_id",
    "item_ids",
    "propensities",
    "bundle_id",
    "shown_at",
    "answer_id",
    "seen",
    "part",
)


@dataclass(frozen=True, slots=True)
class ImpressionRow:
    """One list. `endpoint` tells a request's lists apart (`home.trending`); a shadow arm's is not `shown`."""

    request_id: str
    endpoint: str
    user_id: str | None
    item_ids: tuple[str, ...]
    propensities: tuple[float, ...]
    """Of each item, to stand at its position under the policy that made the list; 1 without exploration."""
    bundle_id: str
    shown_at: datetime
    experiment_id: str | None = None
    arm: str | None = None
    shown: bool = True
    answer_id: UUID | None = None
    """Common to the lists of one answer and their shadows; `request_id` is the client's to choose."""
    seen: int | None = None
    """How many of its first items the client's page shows; None where it did not say."""
    part: str = ""
    """Which of an answer's lists of one `endpoint` it is: the category, of top categories."""


async def write_impressions(conn: asyncpg.Connection, rows: Sequence[ImpressionRow]) -> None:
    """Append lists by one COPY: all of them or none. A day without a partition is given one."""
    records = [tuple(getattr(row, column) for column in _COLUMNS) for row in rows]
    try:
        await conn.copy_records_to_table("impression_lists", records=records, columns=_COLUMNS)
    except asyncpg.CheckViolationError as error:
        if not is_missing(error):
            raise
        for moment in {row.shown_at for row in rows}:
            await ensure_partitions_async(conn, IMPRESSIONS, moment, moment)
        await conn.copy_records_to_table("impression_lists", records=records, columns=_COLUMNS)
