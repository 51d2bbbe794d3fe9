"""The month's clock: a night passes by making everything that the database remembers a day older.

Nothing in the platform is told another time, so cooldowns, windows and ages work as they do in real days.
"""

from datetime import timedelta

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

_TIMES = """
    select c.table_name, c.column_name from information_schema.columns c
    join information_schema.tables t using (table_schema, table_name)
    join pg_class p on p.relname = c.table_name and p.relnamespace = c.table_schema::regnamespace
    where c.table_schema = 'public' and c.data_type = 'timestamp with time zone'
        and t.table_type = 'BASE TABLE' and not p.relispartition
"""
"""Every time of every table; a partition's are its table's."""


def pass_time(conn: Connection, time: timedelta) -> None:
    """Make every time in Shortlist's database earlier by `time`, in the caller's transaction."""
    with conn.cursor() as cursor:
        cursor.execute(_TIMES)
        columns: dict[str, list[str]] = {}
        for table, column in cursor.fetchall():
            columns.setdefault(table, []).append(column)
        for table, names in sorted(columns.items()):
            changes = [sql.SQL("{0} = {0} - %(time)s").format(sql.Identifier(name)) for name in names]
            statement = sql.SQL("update {} set {}").format(sql.Identifier(table), sql.SQL(", ").join(changes))
            cursor.execute(statement, {"time": time})
