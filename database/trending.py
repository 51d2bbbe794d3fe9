"""Trending scores: popularity in which an event's weight decays with its age."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from json import dumps

import asyncpg
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import Json

from database.event_changes import forget_changes
from database.interactions import FULL_VIEW_SECONDS
from database.locks import TRENDING

_COMPUTE = """
    insert into trending_scores (item_id, score, events, computed_at)
    select item_id,
        sum(weight * power(%(decay)s, age)), count(*), %(now)s
    from (
        select item_id, extract(epoch from %(now)s - occurred_at) / 3600.0 / %(step)s as age,
            coalesce(weight, (%(weights)s::jsonb ->> event_type)::float8) * case event_type
            when 'rating' then coalesce(value - %(neutral)s, 0)
            when 'feedback' then coalesce(sign(value), 0)
            when 'view_time' then least(greatest(coalesce(value / %(full_view)s, 1), 0), 1)
            else 1 end as weight
        from interactions
        where occurred_at > %(now)s - make_interval(days => %(window)s) and occurred_at <= %(now)s
            and item_id is not null
    ) weighed
    where weight is not null and item_id not in (select item_id from items where deleted_at is not null)
    group by item_id
    having sum(weight * power(%(decay)s, age)) > 1e-9 * sum(abs(weight * power(%(decay)s, age)))
"""

# What happened since a moment was recorded since then, by which there is an index.
_RECENT = """
    select item_id, sum(weight)::float8 as score, count(*)::int as events
    from (
        select item_id, coalesce(weight, ($2::jsonb ->> event_type)::float8) * case event_type
            when 'rating' then coalesce(value - $3, 0)
            when 'feedback' then coalesce(sign(value), 0)
            when 'view_time' then least(greatest(coalesce(value / $4, 1), 0), 1)
            else 1 end as weight
        from interactions
        where recorded_at >= $1 and occurred_at >= $1 and occurred_at <= now() and item_id is not null
    ) weighed
    where weight is not null group by item_id having sum(weight) > 0
    order by score desc, item_id limit $5
"""


@dataclass(frozen=True, slots=True)
class Trending:
    """One item's score, and how many events it was made of."""

    item_id: str
    score: float
    events: int


def compute_trending(
    conn: Connection,
    now: datetime,
    *,
    decay_rate: float,
    step_hours: float,
    window_days: int,
    weights: Mapping[str, float],
    neutral_stars: float,
) -> int:
    """Replace the scores by those at `now` and bump the trending version; returns how many items have one.

    score = sum over the window's events of weight * decay_rate ** (age in hours / step_hours). A rating
    counts its stars less `neutral_stars`, feedback its sign, either without a value 0; a view its share of
    FULL_VIEW_SECONDS; an event type without a weight counts nothing. Items whose sum is not above zero have
    no score, nor have those whose events cancel and leave only rounding. The caller commits: readers see the
    old scores until then.
    """
    values = {
        "now": now,
        "decay": decay_rate,
        "step": step_hours,
        "window": window_days,
        "weights": Json(dict(weights)),
        "neutral": neutral_stars,
        "full_view": FULL_VIEW_SECONDS,
    }
    with conn.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", (TRENDING,))
        cursor.execute("delete from trending_scores")
        cursor.execute(_COMPUTE, values)
        scored = cursor.rowcount
        cursor.execute("update change_state set trending_version = trending_version + 1")
    forget_changes(conn)
    return scored


async def load_trending(conn: asyncpg.Connection) -> tuple[dict[str, tuple[float, int]], datetime | None]:
    """Each item's score and how many events of the window it was made of, and as of when; None where no item
    has one."""
    # A row for each item would take the driver ten times as long, in which a worker answers nobody.
    row = await conn.fetchrow(
        """select array_agg(item_id), array_agg(score), array_agg(events), max(computed_at)
        from trending_scores"""
    )
    item_ids, scores, events, computed = row
    return dict(zip(item_ids or (), zip(scores or (), events or (), strict=True), strict=True)), computed


async def recent_trending(
    conn: asyncpg.Connection,
    since: datetime,
    *,
    weights: Mapping[str, float],
    neutral_stars: float,
    limit: int,
) -> list[Trending]:
    """The `limit` items with the largest sum of weights of the events since a moment, best first.

    An event weighs what it does in `compute_trending`, whatever its age; those of files that were loaded
    since then count by the time that they happened.
    """
    rows = await conn.fetch(
        _RECENT, since, dumps(dict(weights)), float(neutral_stars), float(FULL_VIEW_SECONDS), limit
    )
    return [Trending(**dict(row)) for row in rows]
