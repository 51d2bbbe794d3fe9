"""The one row that tells a worker what has changed, read together with a user's recent interactions."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from sys import getsizeof

import asyncpg

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
    select s.catalogue_seq, s.trending_version, s.deployment_id, s.forgotten_id, u.assigned_as, i.*
    from change_state s left join users u on u.user_id = $1 left join found i on true
    order by i.occurred_at desc, i.interaction_id desc
"""
"""The events of a user, or, where there is none, those of a visitor of that id."""

_ROW_BYTES = 340
"""An interaction's or a group's object, number, time, value and type."""
_RECORD_BYTES = 200
"""What a row as it was read takes beside the interaction made of it: they share texts and times."""


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


@dataclass(frozen=True, slots=True)
class UserEvents:
    """What a user did."""

    latest: tuple[InteractionRow, ...] = ()
    """The latest interactions, newest first."""
    groups: tuple[EventGroup, ...] = ()
    """Every interaction with an item, summed up; empty where `latest` is all there is."""
    assigned_as: str | None = None
    """The id whose arm in experiments is the user's, in place of their own: of the visitor that they were."""
    read: Sequence[asyncpg.Record] = field(default=(), compare=False, repr=False)
    """The rows that `latest` was made of, where there is nothing else: the next read compares them."""

    def since(self, moment: datetime | None) -> list[InteractionRow]:
        """The latest interactions since a moment (None: all of them), newest first."""
        return [each for each in self.latest if moment is None or each.occurred_at >= moment]

    @property
    def nbytes(self) -> int:
        """Memory that it takes, in bytes: texts as they are, the rest by what a row of it takes."""
        texts = [
            getsizeof(text)
            for each in self.latest
            for text in (each.item_id, each.query, each.session_id)
            if text is not None
        ]
        items = [getsizeof(group.item_id) for group in self.groups]
        rows = _ROW_BYTES * (len(self.latest) + len(self.groups))
        rows += _RECORD_BYTES * len(self.read)
        return getsizeof(self.latest) + getsizeof(self.groups) + rows + sum(texts) + sum(items)


async def read_state(conn: asyncpg.Connection) -> State:
    """What the latest commit left, by one statement."""
    return State(**dict(await conn.fetchrow(f"select {_FIELDS} from change_state")))


async def read_request(
    conn: asyncpg.Connection, user_id: str | None, limit: int, known: UserEvents | None = None
) -> tuple[State, UserEvents]:
    """The state and the user's `limit` latest interactions, in one round trip.

    `known` is what was last read of this user: it is given itself where the same rows are read again.

    A user with more has a second one: what they did with each item ever, summed up. An id that no event names
    as its user is a visitor's: events of nobody known that name it are read.
    """
    if user_id is None:
        return await read_state(conn), UserEvents()
    rows = await conn.fetch(_REQUEST, user_id, limit)
    *of_state, assigned_as = tuple(rows[0])[:5]
    state = State(*of_state)
    if known is not None and known.read and len(known.read) < limit and rows == known.read:
        return state, known
    latest = [
        InteractionRow(row[5], user_id, *tuple(row)[6:-1])
        for row in rows
        if row["interaction_id"] is not None
    ]
    if len(latest) < limit:
        return state, UserEvents(tuple(latest), assigned_as=assigned_as, read=rows if latest else ())
    statement = _GROUPS.format(events=_BY_VISITOR if rows[0]["of_visitor"] else _BY_USER)
    groups = [EventGroup(*tuple(row)) for row in await conn.fetch(statement, user_id, FULL_VIEW_SECONDS)]
    return state, UserEvents(tuple(latest), tuple(groups), assigned_as)
