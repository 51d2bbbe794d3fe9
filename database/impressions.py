"""Impressions: the lists that the service showed, or computed for a shadow arm, partitioned by day.

A row is a list: its items in their order, and how likely each was to stand there. Lists that are the same for
everybody are stored once, in `shared_lists`, and a row refers to all of them of an answer by their content.
The view `logged_lists` has a row for each list, however it is stored; `impressions` has one for each item.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from hashlib import blake2b
from uuid import UUID

import asyncpg
from psycopg2.extensions import connection as Connection  # noqa: N812

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
    "weight",
    "content_id",
)
_SHARE = """
    insert into shared_lists (content_id, endpoint, part, item_ids, last_shown)
    values ($1, $2, $3, $4, $5)
    on conflict (content_id, endpoint, part) do update
        set last_shown = greatest(shared_lists.last_shown, excluded.last_shown)
"""


@dataclass(frozen=True, slots=True)
class SharedList:
    """A list that is the same for everybody."""

    endpoint: str
    part: str
    item_ids: tuple[str, ...]


@lru_cache(maxsize=512)
def content_id(lists: tuple[SharedList, ...]) -> UUID:
    """What some lists have in common with those of the same items: a hash of their names and items.

    Answers in a row have the same ones: the last few hundred are kept.
    """
    digest = blake2b(digest_size=16)
    for one in lists:
        for text in (one.endpoint, one.part, *one.item_ids):
            encoded = text.encode(errors="surrogatepass")
            digest.update(len(encoded).to_bytes(4) + encoded)
        digest.update((2**32 - 1).to_bytes(4))  # no length: a list ends here
    return UUID(bytes=digest.digest())


@dataclass(frozen=True, slots=True)
class ImpressionRow:
    """One list, or all the shared lists of an answer. `endpoint` tells a request's lists apart
    (`home.trending`); a shadow arm's is not `shown`."""

    request_id: str
    endpoint: str
    user_id: str | None
    item_ids: tuple[str, ...] | None
    """None where it refers to `shared`."""
    propensities: tuple[float, ...] | None
    """Of each item, to stand at its position under the policy that made the list; None: all are certain."""
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
    weight: float = 1.0
    """How many such lists it stands for: 1 / the share of them that is logged."""
    shared: tuple[SharedList, ...] = ()
    """Lists that are the same for everybody; they are stored once."""

    @property
    def content_id(self) -> UUID | None:
        """Under which `shared` is stored."""
        return content_id(self.shared) if self.shared else None


async def write_impressions(conn: asyncpg.Connection, rows: Sequence[ImpressionRow]) -> None:
    """Append lists by one COPY: all of them or none. A day without a partition is given one.

    What they refer to is stored first, where it is not, and marked as shown that day.
    """
    await _share(conn, rows)
    records = [tuple(getattr(row, column) for column in _COLUMNS) for row in rows]
    try:
        await conn.copy_records_to_table("impression_lists", records=records, columns=_COLUMNS)
    except asyncpg.CheckViolationError as error:
        if not is_missing(error):
            raise
        for moment in {row.shown_at for row in rows}:
            await ensure_partitions_async(conn, IMPRESSIONS, moment, moment)
        await conn.copy_records_to_table("impression_lists", records=records, columns=_COLUMNS)


def delete_shared_before(conn: Connection, first_kept: date) -> int:
    """Delete shared lists that were last shown before a day; returns how many. The caller commits."""
    with conn.cursor() as cursor:
        cursor.execute("delete from shared_lists where last_shown < %s", (first_kept,))
        return cursor.rowcount


async def _share(conn: asyncpg.Connection, rows: Sequence[ImpressionRow]) -> None:
    contents: dict[UUID, tuple[date, tuple[SharedList, ...]]] = {}
    for row in rows:
        if (key := row.content_id) is not None:
            day = row.shown_at.astimezone(UTC).date()
            contents[key] = (max(day, contents.get(key, (day, ()))[0]), row.shared)
    if not contents:
        return
    found = await conn.fetch(
        "select content_id, last_shown from shared_lists where content_id = any($1::uuid[])", list(contents)
    )
    stored = {record["content_id"]: record["last_shown"] for record in found}
    values = [
        (key, one.endpoint, one.part, list(one.item_ids), day)
        for key, (day, lists) in sorted(
            contents.items()
        )  # in one order: two workers can't wait for each other
        for one in lists
        if key not in stored or stored[key] < day
    ]
    await conn.executemany(_SHARE, values)
