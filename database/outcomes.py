"""What the users of an experiment did besides clicking: purchases, revenue, dislikes; and the days before.

A user counts in the arm that showed them a list, from the first such list on. What they did in the days
before the experiment began can't be its effect, and predicts what they do in it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from psycopg2.extensions import connection as Connection  # noqa: N812

from database.experiments import Experiment

Outcome = Literal["purchase_rate", "revenue_per_visitor", "dislike_rate"]

PURCHASE_RATE: Outcome = "purchase_rate"
"""Share of the users who bought."""
REVENUE: Outcome = "revenue_per_visitor"
"""Price x number bought, summed for each user."""
DISLIKES: Outcome = "dislike_rate"
"""Share of the users who skipped an item or said that they don't like it."""

_OUTCOMES = """
    with visitors as (
        select arm, user_id, min(shown_at) as since from impression_lists
        where experiment_id = %(experiment)s and shown and user_id is not null
            and shown_at >= %(began)s and shown_at < %(until)s
        group by arm, user_id
    ), per_user as (
        select v.arm, v.user_id, {columns}
        from visitors v left join lateral (
            select i.occurred_at >= v.since as after, i.event_type = 'purchase' as bought,
                case when i.event_type = 'purchase'
                    then coalesce(i.value, 1) * coalesce(i.price, p.price, 0) else 0 end as revenue
            from interactions i left join items p using (item_id)
            where i.user_id = v.user_id
                and (i.event_type in ('purchase', 'skip') or (i.event_type = 'feedback' and i.value < 0))
                and i.occurred_at >= %(began)s - %(before)s and i.occurred_at < %(until)s
                and (i.occurred_at < %(began)s or i.occurred_at >= v.since)
        ) d on true
        group by v.arm, v.user_id
    )
"""
_MEASURES: dict[Outcome, str] = {
    PURCHASE_RATE: "coalesce(bool_or(d.bought) filter (where {when}), false)::int::float8",
    REVENUE: "coalesce(sum(d.revenue) filter (where {when}), 0)",
    DISLIKES: "coalesce(bool_or(not d.bought) filter (where {when}), false)::int::float8",
}
_MOMENTS = """
    select arm, '{name}', count(*), count(*) filter (where {name} <> 0), avg({name}),
        coalesce(var_samp({name}), 0), avg({name}_before), coalesce(var_samp({name}_before), 0),
        coalesce(covar_samp({name}, {name}_before), 0)
    from per_user group by arm
"""


@dataclass(frozen=True, slots=True)
class Moments:
    """An outcome of an arm's users, with what the variance of a comparison needs."""

    users: int
    active: int
    """Users of whom the outcome is not 0."""
    mean: float
    variance: float
    """Between users."""
    mean_before: float
    """Of the same users' outcome in the days before the experiment."""
    variance_before: float
    covariance: float
    """Between the outcome and that of the days before."""


def arm_outcomes(
    conn: Connection, experiment: Experiment, now: datetime, before: timedelta
) -> dict[tuple[str, str], Moments]:
    """The outcomes of each arm that showed anything, by (arm, outcome).

    Args:
        conn: to the database.
        experiment: running or not.
        now: what happens later does not count.
        before: how long before the experiment counts as the days before.
    """
    columns = [
        f"{measure.format(when=when)} as {name}{suffix}"
        for name, measure in _MEASURES.items()
        for when, suffix in (("d.after", ""), ("not d.after", "_before"))
    ]
    query = _OUTCOMES.replace("{columns}", ", ".join(columns))
    query += " union all ".join(_MOMENTS.format(name=name) for name in _MEASURES)
    values = {
        "experiment": experiment.experiment_id,
        "began": experiment.started_at,
        "until": experiment.over(now),
        "before": before,
    }
    with conn.cursor() as cursor:
        cursor.execute(query, values)
        return {
            (str(arm), str(name)): Moments(users, active, *map(float, rest))
            for arm, name, users, active, *rest in cursor.fetchall()
        }
