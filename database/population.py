"""What catalogue, interactions and vectors look like now: counts and samples to compare with a snapshot's."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg2.extensions import connection as Connection  # noqa: N812

from database.export import LEARNABLE


@dataclass(frozen=True, slots=True)
class CatalogueFacts:
    """Items with a title: how many of each category, and a sample's prices and lengths of text."""

    categories: dict[str, int]
    prices: list[float]
    text_lengths: list[float]
    """Characters of title and description."""


@dataclass(frozen=True, slots=True)
class ActivityFacts:
    """Interactions of a window."""

    events: dict[str, int]
    """By event type."""
    items: dict[str, int]
    """By item."""
    activity: list[float]
    """Events of each user who had any."""


def catalogue_facts(conn: Connection, sample: int) -> CatalogueFacts:
    """Read the catalogue; at most `sample` items for prices and texts, the same ones each time."""
    live = "from items where deleted_at is null and title is not null"
    with conn.cursor() as cursor:
        cursor.execute(f"select coalesce(category, ''), count(*) {live} group by 1")
        categories = {str(category): int(count) for category, count in cursor.fetchall()}
        cursor.execute(
            f"""select price, length(title) + coalesce(length(description), 0) {live}
            order by md5(item_id) limit %s""",
            (sample,),
        )
        rows = cursor.fetchall()
    prices = [float(price) for price, _ in rows if price is not None]
    return CatalogueFacts(categories, prices, [float(length) for _, length in rows])


def latest_interaction(conn: Connection, now: datetime) -> datetime | None:
    """Time of the latest interaction that is not in the future."""
    with conn.cursor() as cursor:
        cursor.execute("select max(occurred_at) from interactions where occurred_at <= %s", (now,))
        row = cursor.fetchone()
    return None if row is None else row[0]


def activity_facts(conn: Connection, end: datetime, window: timedelta) -> ActivityFacts:
    """Read the interactions of the window that ends at `end` (inclusive), as far as a snapshot holds them."""
    values = {"start": end - window, "end": end}
    within = f"from {LEARNABLE} and occurred_at > %(start)s and occurred_at <= %(end)s"
    with conn.cursor() as cursor:
        cursor.execute(f"select event_type, count(*) {within} group by 1", values)
        events = {str(event): int(count) for event, count in cursor.fetchall()}
        cursor.execute(f"select item_id, count(*) {within} and item_id is not null group by 1", values)
        items = {str(item): int(count) for item, count in cursor.fetchall()}
        cursor.execute(f"select count(*)::float8 {within} and user_id is not null group by user_id", values)
        return ActivityFacts(events, items, [row[0] for row in cursor.fetchall()])


def sampled_vectors(conn: Connection, sample: int) -> list[bytes]:
    """Vectors (float32, little-endian) of at most `sample` live items."""
    with conn.cursor() as cursor:
        cursor.execute(
            """select e.vector from embeddings e join items i using (item_id)
            where i.deleted_at is null order by md5(e.item_id || 'vector') limit %s""",
            (sample,),
        )
        return [bytes(row[0]) for row in cursor.fetchall()]
