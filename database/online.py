"""What users did with the lists they were shown: clicks attributed to impressions, and counted.

A click counts for the latest shown list that held the item, for the same user, within the attribution
window before it; once for each item of a list, however often it was clicked. Of several lists of one answer
the one that stands first in PRIORITY gets it. A click that names its answer (`recommendation_id`) counts for
that one, or for none.

Not everything that is asked for is seen. Of each list the first items count, as shown and as clicked: as many
as the client said that its page shows (`seen`), else `Attribution.positions`, and all up to an item that is
clicked by the list's name. A list that was logged for a sample of users counts as many times as its weight
says.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg2.extensions import connection as Connection  # noqa: N812

from database.experiments import Experiment

_ATTRIBUTED = """
    with attributed as (
        select distinct list.list_id, list.endpoint, list.part, click.item_id, list.position
        from interactions click cross join lateral (
            select l.list_id, l.endpoint, l.part, array_position(l.item_ids, click.item_id) as position
            from logged_lists l
            where l.user_id = click.user_id and l.shown and case when click.recommendation_id is null
                    then array_position(l.item_ids, click.item_id) <= coalesce(l.seen, %(positions)s)
                    else l.answer_id::text = click.recommendation_id and click.item_id = any(l.item_ids) end
                and l.shown_at > click.occurred_at - %(window)s and l.shown_at <= click.occurred_at
                and l.shown_at >= %(since)s
            order by l.shown_at desc, array_position(%(priority)s, l.endpoint) nulls last, l.list_id desc,
                l.endpoint, l.part
            limit 1
        ) list
        where click.event_type = any(%(events)s) and click.user_id is not null and click.item_id is not null
            and click.occurred_at >= %(since)s and click.occurred_at < %(clicks_until)s
    )
"""
_CLICKS = (
    _ATTRIBUTED
    + """, clicked as (
        select list_id, endpoint, part, count(*) as clicks, max(position) as furthest
        from attributed group by list_id, endpoint, part
    ), per_user as (
        select {key} as key, l.user_id, sum(l.weight * coalesce(c.clicks, 0))::float8 as clicks,
            sum(l.weight * seen.items)::float8 as shown,
            sum(l.weight * l.weight * seen.items)::float8 as spread
        from logged_lists l left join clicked c using (list_id, endpoint, part)
            cross join lateral (
                select least(cardinality(l.item_ids),
                    greatest(coalesce(l.seen, %(positions)s), c.furthest)) as items
            ) seen
        where l.shown and l.user_id is not null and l.shown_at >= %(since)s and l.shown_at < %(until)s
            and {condition}
        group by 1, 2
    )
    select key, count(*), round(sum(shown))::bigint, round(sum(clicks))::bigint, sum(clicks * clicks),
        sum(clicks * shown), sum(shown * shown), sum(shown) ^ 2 / nullif(sum(spread), 0)
    from per_user group by key
"""
)
_OWN = """(%(bundle)s::text is null or l.bundle_id = %(bundle)s)
            and (%(experiment)s::text is null or l.experiment_id = %(experiment)s) and not exists (
                select from experiments e cross join lateral jsonb_array_elements(e.arms) as made (by)
                where e.experiment_id = l.experiment_id and made.by ->> 'name' = l.arm
                    and ((made.by ->> 'epsilon')::float8 > 0 or jsonb_typeof(made.by -> 'blend') = 'object')
            )"""
# A write that broke off may have been done twice: of a list logged again the last one is taken.
_SLOTS = (
    _ATTRIBUTED
    + """, logged as (
        select distinct on (answer_id, endpoint, part, shown, experiment_id) * from logged_lists
        where answer_id is not null and shown_at >= %(since)s and shown_at < %(until)s
        order by answer_id, endpoint, part, shown, experiment_id, list_id desc
    )
    select l.user_id, slot.propensity,
        (coalesce(shadow.item_ids[slot.position] = slot.item_id, false))::int::float8,
        (a.item_id is not null)::int::float8
    from logged l join logged shadow using (answer_id, endpoint, part)
        cross join lateral unnest(l.item_ids, l.propensities)
            with ordinality as slot (item_id, propensity, position)
        left join attributed a
            on (a.list_id, a.endpoint, a.part, a.item_id) = (l.list_id, l.endpoint, l.part, slot.item_id)
    where l.shown and l.user_id is not null and not shadow.shown and shadow.experiment_id = %(experiment)s
        and slot.position <= coalesce(l.seen, %(positions)s)
    order by l.list_id, l.endpoint, l.part, slot.position limit %(limit)s
"""
)


POSITIONS = 6
"""How many items of a list are taken to be seen where nobody says: a row of a shop's page."""

PRIORITY = (
    "home.personalized",
    "home.diverse_picks",
    "home.best_value",
    "home.top_categories",
    "home.trending",
)
"""Lists of one answer, the most personal first: a click on an item in several of them has one credit."""


@dataclass(frozen=True, slots=True)
class Attribution:
    """Which events are clicks, and how long after a list was shown they still count for it."""

    events: tuple[str, ...]
    window: timedelta
    positions: int = POSITIONS
    """How many items of a list are seen where the client did not tell."""


@dataclass(frozen=True, slots=True)
class ClickCounts:
    """Clicks and seen items of a group of users, with the sums over users that a variance needs."""

    users: int
    shown: int
    clicked: int
    clicked_squared: float
    """Sum over users of clicks²."""
    clicked_shown: float
    """Sum over users of clicks x shown."""
    shown_squared: float
    """Sum over users of shown²."""
    independent: float | None = None
    """How many items of weight 1 tell as much as the seen ones, of which some stand for many (Kish); None is
    `shown`."""


NOTHING = ClickCounts(0, 0, 0, 0.0, 0.0, 0.0)
"""Of whom nothing was shown to."""


@dataclass(frozen=True, slots=True)
class LoggedSlot:
    """One shown item beside what a shadow arm would have shown in its place."""

    user_id: str
    propensity: float
    target: float
    """1 when the shadow's list has the same item at the same position."""
    reward: float
    """1 when it was clicked."""


def arm_clicks(
    conn: Connection, experiment: Experiment, now: datetime, attribution: Attribution
) -> dict[str, ClickCounts]:
    """Clicks of each arm of an experiment that showed anything, over its whole run."""
    until = experiment.over(now)
    query = _CLICKS.format(key="l.arm", condition="l.experiment_id = %(experiment)s")
    values = _values(attribution, experiment.started_at, until) | {"experiment": experiment.experiment_id}
    return _counts(conn, query, values)


def arm_list_clicks(
    conn: Connection, experiment: Experiment, now: datetime, attribution: Attribution
) -> dict[tuple[str, str], ClickCounts]:
    """The same of each list by itself, by (arm, list): rows high on a page are clicked more than others."""
    until = experiment.over(now)
    query = _CLICKS.format(key="l.arm || chr(31) || l.endpoint", condition="l.experiment_id = %(experiment)s")
    values = _values(attribution, experiment.started_at, until) | {"experiment": experiment.experiment_id}
    found = _counts(conn, query, values)
    return {(arm, name): counts for key, counts in found.items() for arm, name in [key.split("\x1f")]}


def shown_clicks(
    conn: Connection,
    bundle_id: str | None,
    since: datetime,
    until: datetime,
    attribution: Attribution,
    *,
    clicks_until: datetime | None = None,
    experiment_id: str | None = None,
) -> ClickCounts:
    """Clicks on what a bundle (None: any bundle) showed between two moments, by its own blend, unexplored.

    Lists of an arm that explores or has another blend tell of the arm, not of the bundle: they are left out.
    `clicks_until` leaves later clicks out; None waits out the attribution window. With `experiment_id` only
    lists of that experiment's arms count.
    """
    query = _CLICKS.format(key="'shown'", condition=_OWN)
    values = _values(attribution, since, until, clicks_until)
    values |= {"bundle": bundle_id, "experiment": experiment_id}
    return _counts(conn, query, values).get("shown", NOTHING)


def list_clicks(
    conn: Connection, bundle_id: str | None, since: datetime, until: datetime, attribution: Attribution
) -> dict[str, ClickCounts]:
    """The same of each list by itself, by its name."""
    values = _values(attribution, since, until) | {"bundle": bundle_id, "experiment": None}
    return _counts(conn, _CLICKS.format(key="l.endpoint", condition=_OWN), values)


def logged_slots(
    conn: Connection, experiment: Experiment, now: datetime, attribution: Attribution, limit: int
) -> list[LoggedSlot]:
    """The seen items of a shadow test's requests: propensity, the shadow's choice there, and click.

    At most `limit` of them, the oldest first.
    """
    until = experiment.over(now)
    values = _values(attribution, experiment.started_at, until)
    with conn.cursor() as cursor:
        cursor.execute(_SLOTS, values | {"experiment": experiment.experiment_id, "limit": limit})
        return [LoggedSlot(*row) for row in cursor.fetchall()]


def _values(
    attribution: Attribution, since: datetime, until: datetime, clicks_until: datetime | None = None
) -> dict[str, object]:
    return {
        "events": list(attribution.events),
        "priority": list(PRIORITY),
        "window": attribution.window,
        "positions": attribution.positions,
        "since": since,
        "until": until,
        "clicks_until": clicks_until or until + attribution.window,
    }


def _counts(conn: Connection, query: str, values: dict[str, object]) -> dict[str, ClickCounts]:
    with conn.cursor() as cursor:
        cursor.execute(query, values)
        return {str(row[0]): ClickCounts(*row[1:]) for row in cursor.fetchall()}
