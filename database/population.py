"""What catalogue, interactions and vectors look like now: counts and samples to compare with a snapshot's."""

import sys
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg2.extensions import connection as Connection  # noqa: N812

from database.export import LEARNABLE

WEEK = 7
FETCHED = 10_000
"""Rows that are in memory at a time."""


@dataclass(frozen=True, slots=True)
class CatalogueFacts:
    """Items with a title: how many of each category, and a sample's prices and lengths of text."""

    categories: dict[str, int]
    prices: list[float]
    text_lengths: list[float]
    """Characters of title and description."""


@dataclass(frozen=True, slots=True)
class InteractionWeeks:
    """The interactions of whole weeks, oldest first, as far as a snapshot holds them."""

    end: datetime
    """Midnight (UTC) after the newest day."""
    days: dict[str, list[int]]
    """By event type, the events of each day: seven for each week."""
    items: list[dict[str, int]]
    """Of each week: events by item."""
    activity: list[dict[int, int]]
    """Of each week: number of events -> users who had so many."""

    @property
    def complete(self) -> int:
        """Number of weeks."""
        return len(self.items)


def catalogue_facts(conn: Connection, sample: int) -> CatalogueFacts:
    """Read the catalogue; prices and texts of at most `sample` items each, drawn by a hash of their ids.

    The same catalogue gives the same sample; where no more than `sample` have a price or text, all are read.
    """
    live = "from items where deleted_at is null and title is not null"
    with conn.cursor() as cursor:
        cursor.execute(f"select coalesce(category, ''), count(*) {live} group by 1")
        categories = {str(category): int(count) for category, count in cursor.fetchall()}
        drawn = "order by md5(item_id) limit %s"
        cursor.execute(f"select price {live} and price is not null {drawn}", (sample,))
        prices = [float(price) for (price,) in cursor.fetchall()]
        length = "length(title) + coalesce(length(description), 0)"
        cursor.execute(f"select {length} {live} {drawn}", (sample,))
        return CatalogueFacts(categories, prices, [float(found) for (found,) in cursor.fetchall()])


def latest_interaction(conn: Connection, now: datetime) -> datetime | None:
    """Time of the latest interaction that is not in the future."""
    with conn.cursor() as cursor:
        cursor.execute("select max(occurred_at) from interactions where occurred_at <= %s", (now,))
        row = cursor.fetchone()
    return None if row is None else row[0]


def interaction_weeks(conn: Connection, end: datetime, most: int) -> InteractionWeeks:
    """Read at most `most` weeks that end before `end`; the oldest begins when there were interactions."""
    values = {"start": end - timedelta(weeks=most), "end": end}
    day = "floor(extract(epoch from occurred_at - %(start)s) / 86400)::int"
    within = f"from {LEARNABLE} and occurred_at >= %(start)s and occurred_at < %(end)s"
    days: dict[str, list[int]] = {}
    items: list[dict[str, int]] = [{} for _ in range(most)]
    activity: list[dict[int, int]] = [{} for _ in range(most)]
    with conn.cursor() as cursor:
        cursor.execute(f"select event_type, {day}, count(*) {within} group by 1, 2", values)
        for event, number, count in cursor.fetchall():
            days.setdefault(str(event), [0] * (WEEK * most))[number] = int(count)
        cursor.execute(
            f"""select week, events, count(*) from (
                select {day} / {WEEK} as week, count(*) as events {within} and user_id is not null
                group by user_id, 1
            ) of_users group by 1, 2""",
            values,
        )
        for week, events, users in cursor.fetchall():
            activity[week][int(events)] = int(users)
    with conn.cursor(name="items_of_weeks") as cursor:
        # An item is in most weeks: its id is kept once, and the rows come a few at a time.
        cursor.itersize = FETCHED
        cursor.execute(
            f"select item_id, {day} / {WEEK}, count(*) {within} and item_id is not null group by 1, 2", values
        )
        for item, week, count in cursor:
            items[week][sys.intern(item)] = int(count)
    first = min((next(n for n, count in enumerate(each) if count) for each in days.values()), default=None)
    skipped = most if first is None else -(-first // WEEK)
    days = {event: counts[WEEK * skipped :] for event, counts in days.items()}
    return InteractionWeeks(end, days, items[skipped:], activity[skipped:])


def sampled_vectors(conn: Connection, sample: int) -> list[bytes]:
    """Vectors (float32, little-endian) of at most `sample` live items, drawn by a hash of their ids; one of a
    text that the item has no more is none."""
    with conn.cursor() as cursor:
        cursor.execute(
            """select e.vector from embeddings e
            join items i on i.item_id = e.item_id and i.text_hash = e.text_hash
            where i.deleted_at is null order by md5(e.item_id || 'vector') limit %s""",
            (sample,),
        )
        return [bytes(row[0]) for row in cursor.fetchall()]
