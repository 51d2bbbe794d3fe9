"""Staged events into the real tables: the plain way, or for empty months where they get their keys after."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
from psycopg2 import errors
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.ingest.empty_months import Month
from database.ingest.event_rows import NAMES
from database.ingest.month_keys import end_filling
from database.ingest.stage import Ids, Stage

_INSERT = f"""
insert into interactions ({NAMES}) select {NAMES} from staged_interactions
on conflict (dedup_key, occurred_at) do nothing
"""

# In the order of the key, which is built at its end alone: half the time of any order. To look for a conflict
# at each row takes a fifth of the time, and nearly never finds one.
_USERS = """
insert into users (user_id) select distinct user_id from staged_users s
where not exists (select from users u where u.user_id = s.user_id) order by user_id
"""
_AGAIN = "insert into users (user_id) select unnest(%s::text[]) as id order by id on conflict do nothing"
_FORGOTTEN = "select user_id from forgotten_users where forgotten_id > %s"


def merge_interactions(conn: Connection, stage: Stage, months: Sequence[Month] = ()) -> int:
    """Insert the staged interactions that are new; returns how many.

    Args:
        conn: with the temporary tables.
        stage: what is in them.
        months: empty ones, whose events are in tables that are to take their places, with their indexes.
    """
    apart = sum(month.events for month in months)
    end_filling(conn, months)
    if apart == stage.events:
        return apart
    with conn.cursor() as cursor:
        cursor.execute(_INSERT)
        return apart + cursor.rowcount


def merge_users(conn: Connection, users: Ids) -> int:
    """Insert those of the users whom nobody knows; returns how many."""
    with conn.cursor() as cursor:
        cursor.execute("select not exists (select from users)")
        first = users.held is not None and cursor.fetchall() == [(True,)]
        if not first:
            users.copy_into("staged_users")
            cursor.execute("analyze staged_users")
        cursor.execute("savepoint before_users")
        try:
            if first:
                return users.copy_into("users (user_id)")
            cursor.execute(_USERS)
        except errors.UniqueViolation:  # somebody else made one of them meanwhile
            cursor.execute("rollback to savepoint before_users")
            if first:
                users.copy_into("staged_users")
            cursor.execute(f"{_USERS} on conflict do nothing")
        return cursor.rowcount


def restore_users(conn: Connection, users: Ids, forgotten: int) -> None:
    """Insert again those of them who were deleted after the `forgotten`-th id was."""
    with conn.cursor() as cursor:
        cursor.execute(_FORGOTTEN, (forgotten,))
        gone = pa.array([name for (name,) in cursor.fetchall()], pa.large_string())
        if not len(gone):
            return  # the events may be locked: nothing is read for nothing
        if users.held is None:
            cursor.execute(
                "select distinct user_id from staged_users where user_id = any(%s)", (gone.to_pylist(),)
            )
            ours = [name for (name,) in cursor.fetchall()]
        else:
            ours = pc.unique(users.held.filter(pc.is_in(users.held, gone))).to_pylist()
        cursor.execute(_AGAIN, (ours,))
