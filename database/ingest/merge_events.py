"""Staged events into the real tables: the plain way, or for empty months in tables that get their keys after.

The same file again, or one that overlaps, changes nothing: an event's key is the MD5 of its natural key. A
row that stands several times in one file of a source whose events may repeat happened as often: the second
has a key of its own, the third too. Where two files overlap, the one in which it stands most often counts.
"""

from collections.abc import Sequence

from psycopg2 import errors
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.ingest.empty_months import LOADING, Month, build_keys, make_loading

_TOLD = """user_id, item_id, event_type, event_name, weight, query, value, price, session_id, occurred_at"""
_STATES = ["like", "rating", "feedback"]  # said twice, they say nothing new

_EVENTS = f"""
select {_TOLD}, %(source)s, md5(natural_key)::uuid from staged_interactions s where {{among}}
"""

_FIRST = f"""
select {_TOLD}, %(source)s, md5(natural_key)::uuid from (
    select distinct on (natural_key, occurred_at) s.* from staged_interactions s
    where natural_key in (select natural_key from repeated_keys) and {{among}}
    order by natural_key, occurred_at, line
) once
"""

_AGAIN = f"""
select {_TOLD}, %(source)s, md5(natural_key || '#' || nth)::uuid
from (
    select s.*, row_number() over (partition by natural_key order by line) as nth
    from staged_interactions s
    where event_type <> all(%(states)s) and natural_key in ({{repeated}})
) s where nth > 1 and {{among}}
"""

_REPEATED = "select natural_key from staged_interactions group by natural_key having count(*) > 1"
_INSERT = f"""
insert into interactions ({_TOLD}, source, dedup_key) {{events}}
on conflict (dedup_key, occurred_at) do nothing
"""
_LOAD = f"""
insert into {LOADING} ({_TOLD}, source, dedup_key, interaction_id)
select events.*, nextval(%(ids)s::regclass) from ({{events}}) events
"""
_OF_MONTHS = "exists (select from unnest(%(spans)s::tstzrange[]) span where s.occurred_at <@ span)"

# In the order of the key, which is built at its end alone: half the time of any order. To look for a conflict
# at each row takes a fifth of the time, and nearly never finds one.
_USERS = """
insert into users (user_id) select distinct user_id from staged_interactions s where user_id is not null
and not exists (select from users u where u.user_id = s.user_id) order by user_id
"""
_USERS_AGAIN = """
insert into users (user_id) select distinct user_id from staged_interactions where user_id in (
    select user_id from forgotten_users where forgotten_id > %(after)s)
order by user_id on conflict do nothing
"""


def merge_interactions(
    conn: Connection, source: str, staged: int, *, repeats: bool, months: Sequence[Month] = ()
) -> int:
    """Insert the staged interactions that are new; returns how many.

    Args:
        conn: with the temporary tables.
        source: name of the adapter.
        staged: how many there are.
        repeats: whether an event that stands twice in the file happened twice.
        months: empty ones, whose events go into tables that are to take their places.
    """
    spans = [month.span for month in months]
    values: dict[str, object] = {"source": source, "states": _STATES, "spans": spans}
    whole = sum(month.events for month in months) == staged
    new = _load(conn, values, months, "true" if whole else _OF_MONTHS, repeats=repeats) if months else 0
    if months and whole:
        return new
    among = f"not {_OF_MONTHS}" if months else "true"
    with conn.cursor() as cursor:
        cursor.execute(_INSERT.format(events=_EVENTS.format(among=among)), values)
        new += cursor.rowcount
        if repeats and new < staged:
            again = _AGAIN.format(among=among, repeated=_REPEATED)
            cursor.execute(_INSERT.format(events=again), values)
            new += cursor.rowcount
    return new


def _load(
    conn: Connection, values: dict[str, object], months: Sequence[Month], among: str, *, repeats: bool
) -> int:
    make_loading(conn, months)
    with conn.cursor() as cursor:
        cursor.execute("select pg_get_serial_sequence('interactions', 'interaction_id')")
        values = {**values, "ids": cursor.fetchall()[0][0]}
        cursor.execute(f"create temporary table repeated_keys on commit drop as {_REPEATED}")
        parts = [_EVENTS.format(among=among)]
        if cursor.rowcount:
            cursor.execute("analyze repeated_keys")
            once = "not exists (select from repeated_keys r where r.natural_key = s.natural_key)"
            parts = [_EVENTS.format(among=f"{once} and {among}"), _FIRST.format(among=among)]
            if repeats:
                parts.append(_AGAIN.format(among=among, repeated="select natural_key from repeated_keys"))
        new = 0
        for events in parts:
            cursor.execute(_LOAD.format(events=events), values)
            new += cursor.rowcount
    build_keys(conn, months)
    return new


def merge_users(conn: Connection) -> int:
    """Insert the users that the staged interactions name and nobody knows; returns how many."""
    with conn.cursor() as cursor:
        cursor.execute("savepoint before_users")
        try:
            cursor.execute(_USERS)
        except errors.UniqueViolation:  # somebody else made one of them meanwhile
            cursor.execute("rollback to savepoint before_users")
            cursor.execute(f"{_USERS} on conflict do nothing")
        return cursor.rowcount


def restore_users(conn: Connection, forgotten: int) -> None:
    """Insert again those of them who were deleted after the `forgotten`-th id was."""
    with conn.cursor() as cursor:
        cursor.execute("select from forgotten_users where forgotten_id > %s limit 1", (forgotten,))
        if cursor.rowcount:  # the events may be locked: nothing is read for nothing
            cursor.execute(_USERS_AGAIN, {"after": forgotten})
