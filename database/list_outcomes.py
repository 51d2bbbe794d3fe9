"""What each list brought: clicks, purchases and revenue, of users and of visitors without an id.

An event that names its answer (`recommendation_id`) counts for the list of that answer that held its item,
and for no other, whoever sent it and whenever; of several such lists, for the first in PRIORITY. A click that
names none counts for the latest list that its visitor was shown with the item among the seen ones, within the
attribution window. A purchase that names none counts for the list of the visitor's last click on the item,
within PURCHASE_WINDOW.

A click on an item of a list counts once, each purchase by itself. Lists that were logged for a sample count
as many times as their weight says.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg2.extensions import connection as Connection  # noqa: N812

from database.online import PRIORITY, Attribution

PURCHASE_WINDOW = timedelta(days=7)

_QUERY = """
    with did as (
        select i.interaction_id, coalesce(i.user_id, i.anonymous_id) as visitor, i.item_id, i.occurred_at,
            i.recommendation_id, i.event_type = 'purchase' as bought,
            coalesce(i.value, 1) * coalesce(i.price, p.price, 0) as revenue
        from interactions i left join items p using (item_id)
        where (i.event_type = any(%(clicks)s) or i.event_type = 'purchase') and i.item_id is not null
            and i.occurred_at >= %(since)s and i.occurred_at < %(events_until)s
    ), named as (
        select distinct on (d.interaction_id) d.*, l.list_id, l.endpoint, l.part,
            array_position(l.item_ids, d.item_id) as position
        from did d join logged_lists l
            on l.answer_id::text = d.recommendation_id and d.item_id = any(l.item_ids)
        where l.shown and l.shown_at >= %(since)s and l.shown_at < %(until)s
        order by d.interaction_id, array_position(%(priority)s, l.endpoint) nulls last, l.list_id desc,
            l.endpoint, l.part
    ), guessed as (
        select d.*, list.list_id, list.endpoint, list.part, list.position
        from did d cross join lateral (
            select l.list_id, l.endpoint, l.part, array_position(l.item_ids, d.item_id) as position
            from logged_lists l
            where l.user_id = d.visitor and l.shown
                and array_position(l.item_ids, d.item_id) <= coalesce(l.seen, %(positions)s)
                and l.shown_at > d.occurred_at - %(window)s and l.shown_at <= d.occurred_at
                and l.shown_at >= %(since)s
            order by l.shown_at desc, array_position(%(priority)s, l.endpoint) nulls last, l.list_id desc,
                l.endpoint, l.part
            limit 1
        ) list
        where not d.bought and d.recommendation_id is null
    ), clicked as (
        select * from named where not bought union all select * from guessed
    ), bought as (
        select list_id, endpoint, part, revenue from named where bought
        union all
        select last.list_id, last.endpoint, last.part, d.revenue
        from did d cross join lateral (
            select c.list_id, c.endpoint, c.part from clicked c
            where c.visitor = d.visitor and c.item_id = d.item_id and c.occurred_at <= d.occurred_at
                and c.occurred_at > d.occurred_at - %(purchase_window)s
            order by c.occurred_at desc, c.interaction_id desc limit 1
        ) last
        where d.bought and d.recommendation_id is null
    ), clicks as (
        select list_id, endpoint, part, count(distinct item_id) as clicks, max(position) as furthest
        from clicked group by list_id, endpoint, part
    ), purchases as (
        select list_id, endpoint, part, count(*) as purchases, sum(revenue) as revenue
        from bought group by list_id, endpoint, part
    )
    select l.endpoint, sum(l.weight)::float8,
        sum(l.weight * least(cardinality(l.item_ids),
            greatest(coalesce(l.seen, %(positions)s), c.furthest)))::float8,
        sum(l.weight * coalesce(c.clicks, 0))::float8, sum(l.weight * coalesce(p.purchases, 0))::float8,
        coalesce(sum(l.weight) filter (where p.purchases > 0), 0)::float8,
        sum(l.weight * coalesce(p.revenue, 0))::float8
    from logged_lists l left join clicks c using (list_id, endpoint, part)
        left join purchases p using (list_id, endpoint, part)
    where l.shown and l.shown_at >= %(since)s and l.shown_at < %(until)s
    group by l.endpoint order by l.endpoint
"""


@dataclass(frozen=True, slots=True)
class ListOutcomes:
    """What the lists of one name brought."""

    name: str
    shown: int
    """How many were shown."""
    items: int
    """Items that were seen in them."""
    clicks: int
    purchases: int
    converted: int
    """How many of them brought a purchase."""
    revenue: float
    """Price x number bought; the catalogue's price where a purchase has none."""

    @property
    def click_rate(self) -> float | None:
        """Clicks for each item that was seen."""
        return self.clicks / self.items if self.items else None

    @property
    def conversion(self) -> float | None:
        """Share of the lists that brought a purchase."""
        return self.converted / self.shown if self.shown else None


def list_outcomes(
    conn: Connection, since: datetime, until: datetime, now: datetime, attribution: Attribution
) -> list[ListOutcomes]:
    """What the lists that were shown between two moments have brought until `now`, in order of name."""
    values = {
        "clicks": list(attribution.events),
        "priority": list(PRIORITY),
        "window": attribution.window,
        "purchase_window": PURCHASE_WINDOW,
        "positions": attribution.positions,
        "since": since,
        "until": until,
        "events_until": now,
    }
    with conn.cursor() as cursor:
        cursor.execute(_QUERY, values)
        return [
            ListOutcomes(
                name=str(name),
                shown=round(shown),
                items=round(items),
                clicks=round(clicks),
                purchases=round(purchases),
                converted=round(converted),
                revenue=float(revenue),
            )
            for name, shown, items, clicks, purchases, converted, revenue in cursor.fetchall()
        ]
