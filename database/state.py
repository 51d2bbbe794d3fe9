"""The one row that tells a worker what has changed, read together with a user's recent interactions."""

from dataclasses import dataclass, field
from datetime import datetime
from sys import getsizeof

import asyncpg

from database.event_changes import EventChanges
from database.interactions import FULL_VIEW_SECONDS, InteractionRow

_FIELDS = "catalogue_seq, trending_version, deployment_id, forgotten_id"
_LATEST = """
    select interaction_id, event_type, item_id, query, value, session_id, occurred_at, weight
    from interactions where {events} and occurred_at <= now()
    order by occurred_at desc, interaction_id desc limit $2
"""
_GROUPS = """
    select item_id, event_type, count(*) as events, count(value) as valued,
        sum(case event_type when 'feedback' then sign(value)
            when 'view_time' then least(greatest(value / $2, 0), 1) else value end)::float8 as total,
        max(occurred_at) as latest_at,
        (array_agg(interaction_id order by occurred_at desc, interaction_id desc))[1] as latest_id,
        (case event_type when 'rating' then value when 'feedback' then sign(value) end)::float8 as opinion,
        weight
    from interactions where {events} and item_id is not null and occurred_at <= now()
    group by item_id, event_type, opinion, weight
"""

_BY_USER = "user_id = $1"
_BY_VISITOR = "anonymous_id = $1 and user_id is null"
_REQUEST = f"""
    with own as materialized ({_LATEST.format(events=_BY_USER)}), found as (
        select *, false as of_visitor from own
        union all
        (select *, true from ({_LATEST.format(events=_BY_VISITOR + " and not exists (select from own)")}) v)
    )
    select s.catalogue_seq, s.trending_version, s.deployment_id, s.forgotten_id, u.assigned_as,
        extract(epoch from least(
            (select min(occurred_at) from interactions where {_BY_USER} and occurred_at > now()),
            (select min(occurred_at) from interactions where {_BY_VISITOR} and occurred_at > now())
        ) - now())::float8 as due_in, i.*
    from change_state s left join users u on u.user_id = $1 left join found i on true
    order by i.occurred_at desc, i.interaction_id desc
"""
"""The events of a user, or, where there is none, those of a visitor of that id."""

_ROW_BYTES = 340
"""An interaction's or a group's object, number, time, value and type."""
_CHANGES = f"""
    select {_FIELDS}, pg_current_snapshot()::text as snapshot, event_changes_since($1) as buckets
    from change_state
"""


@dataclass(frozen=True, slots=True)
class State:
    """How far the database has come: last catalogue change, last trending scores, deployed bundle."""

    catalogue_seq: int
    trending_version: int
    deployment_id: int | None
    forgotten_id: int = 0
    """How many ids workers had to forget so far: of deleted users, and of visitors that they were."""


@dataclass(frozen=True, slots=True)
class EventGroup:
    """All that a user ever did with an item, of one event type, opinion and weight."""

    item_id: str
    event_type: str
    events: int
    valued: int
    """Events with a value."""
    total: float | None
    """Sum of the values; of feedback that of their signs, of views that of their shares of FULL_VIEW_SECONDS.
    None without any."""
    latest_at: datetime
    latest_id: int
    """Of the latest event: which of two at the same time came last."""
    opinion: float | None
    """Stars of a rating, sign of a feedback; which are neutral is up to the reader. None otherwise."""
    weight: float | None = None
    """What each of them weighs in place of the type's weight."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class UserEvents:
    """What a user did."""

    latest: tuple[InteractionRow, ...] = ()
    """The latest interactions, newest first."""
    groups: tuple[EventGroup, ...] = ()
    """Every interaction with an item, summed up; empty where `latest` is all there is."""
    assigned_as: str | None = None
    """The id whose arm in experiments is the user's, in place of their own: of the visitor that they were."""

    def since(self, moment: datetime | None) -> list[InteractionRow]:
        """The latest interactions since a moment (None: all of them), newest first."""
        return [each for each in self.latest if moment is None or each.occurred_at >= moment]

    nbytes: int = field(init=False, compare=False)
    """Memory that it takes, in bytes: texts as they are, the rest by what a row of it takes."""

    def __post_init__(self) -> None:
        texts = [
            getsizeof(text)
            for each in self.latest
            for text in (each.item_id, each.query, each.session_id)
            if text is not None
        ]
        items = [getsizeof(group.item_id) for group in self.groups]
        rows = _ROW_BYTES * (len(self.latest) + len(self.groups))
        taken = getsizeof(self.latest) + getsizeof(self.groups) + rows + sum(texts) + sum(items)
        object.__setattr__(self, "nbytes", taken)


async def read_state(conn: asyncpg.Connection) -> State:
    """What the latest commit left, by one statement."""
    return State(**dict(await conn.fetchrow(f"select {_FIELDS} from change_state")))


async def read_changes(conn: asyncpg.Connection, since: str | None) -> tuple[State, EventChanges]:
    """The same, and whose events changed since an earlier snapshot (None: nobody's), by one statement."""
    row = await conn.fetchrow(_CHANGES, since)
    return State(*tuple(row)[:4]), EventChanges(row["snapshot"], row["buckets"] or ())


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """What a user's request needs, as one statement saw it."""

    state: State
    events: UserEvents
    due_in: float | None = None
    """Seconds until the user has an event more, which is dated in the future; None without any."""


async def read_request(conn: asyncpg.Connection, user_id: str, limit: int) -> ReadRequest:
    """The state and the user's `limit` latest interactions, in one round trip.

    A user with more has a second one: what they did with each item ever, summed up. An id that no event names
    as its user is a visitor's: events of nobody known that name it are read.
    """
    rows = await conn.fetch(_REQUEST, user_id, limit)
    *of_state, assigned_as, due_in = tuple(rows[0])[:6]
    state = State(*of_state)
    # Without an event there is one row, of the state alone.
    found = rows if rows[0]["interaction_id"] is not None else []
    latest = tuple([InteractionRow(row[6], user_id, *row[7:-1]) for row in found])
    if len(latest) < limit:
        return ReadRequest(state, UserEvents(latest, assigned_as=assigned_as), due_in)
    statement = _GROUPS.format(events=_BY_VISITOR if rows[0]["of_visitor"] else _BY_USER)
    groups = [EventGroup(*tuple(row)) for row in await conn.fetch(statement, user_id, FULL_VIEW_SECONDS)]
    return ReadRequest(state, UserEvents(latest, tuple(groups), assigned_as), due_in)
