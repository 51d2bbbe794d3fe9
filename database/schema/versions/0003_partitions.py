"""Partitions that are made and dropped without blocking anyone: no default one, and one function for both."""

from alembic import op

from database.locks import DDL_TIMEOUT, PARTITIONS

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# The bounds of a partition as text are the only form in which every version of PostgreSQL gives them.
FUNCTIONS = f"""
drop function ensure_interaction_partitions(timestamptz, timestamptz);
drop function ensure_impression_partitions(timestamptz, timestamptz);

create function partition_range(part oid) returns tstzrange language sql stable as $$
    select tstzrange(
        substring(bound from $re$FROM \\('([^']+)'\\)$re$)::timestamptz,
        substring(bound from $re$TO \\('([^']+)'\\)$re$)::timestamptz)
    from (select pg_get_expr(relpartbound, oid) as bound from pg_class where oid = part) described
$$;

create function is_partitioned_at(parent regclass, moment timestamptz) returns boolean language sql as $$
    select exists (select from pg_inherits where inhparent = parent and moment <@ partition_range(inhrelid))
$$;

create function attach_partition(parent regclass, part text, first_moment text, end_moment text)
returns void language plpgsql set timezone = 'UTC' set lock_timeout = '{DDL_TIMEOUT}' as $$
begin
    execute format('create table %I (like %s including defaults including constraints including storage)',
        part, parent);
    execute format('alter table %s attach partition %I for values from (%s) to (%s)',
        parent, part, first_moment, end_moment);
end $$;

create function ensure_partitions(
    parent regclass, grain text, first_moment timestamptz, last_moment timestamptz)
returns integer language plpgsql set timezone = 'UTC' set lock_timeout = '{DDL_TIMEOUT}' as $$
declare
    names constant text := case grain when 'day' then '"y"YYYY"m"MM"d"DD' else '"y"YYYY"m"MM' end;
    step constant interval := ('1 ' || grain)::interval;
    start timestamptz;
    made integer := 0;
begin
    if (select relkind from pg_class where oid = parent) <> 'p' then
        return 0;
    end if;
    for start in select generate_series(date_trunc(grain, first_moment), last_moment, step) loop
        continue when is_partitioned_at(parent, start);
        perform pg_advisory_xact_lock({PARTITIONS});
        continue when is_partitioned_at(parent, start);
        perform attach_partition(parent, parent || '_' || to_char(start, names),
            quote_literal(start), quote_literal(start + step));
        made := made + 1;
    end loop;
    return made;
end $$;
"""

# Everything older than the oldest partition has one of its own, and so has what is dated after 2100. What the
# default partition held goes where it belongs.
REPLACE_DEFAULT = """
do $$
declare
    oldest timestamptz;
    start timestamptz;
begin
    if (select relkind from pg_class where oid = '{table}'::regclass) <> 'p' then
        return;
    end if;
    alter table {table} detach partition {table}_default;
    select least(min(lower(partition_range(inhrelid))),
            date_trunc('{grain}', now(), 'UTC') - interval '{back}')
        into oldest from pg_inherits where inhparent = '{table}'::regclass;
    perform attach_partition('{table}', '{table}_before', 'minvalue', quote_literal(oldest));
    perform attach_partition('{table}', '{table}_after', quote_literal('2100-01-01 00:00+00'), 'maxvalue');
    perform ensure_partitions('{table}', '{grain}', oldest, now() + interval '{ahead}');
    for start in select distinct date_trunc('{grain}', {moment}, 'UTC') from {table}_default
            where {moment} < '2100-01-01 00:00+00' loop
        perform ensure_partitions('{table}', '{grain}', start, start);
    end loop;
    insert into {table} overriding system value select * from {table}_default;
    drop table {table}_default;
end $$;
"""

TABLES = (
    {
        "table": "interactions",
        "moment": "occurred_at",
        "grain": "month",
        "back": "1 year",
        "ahead": "6 months",
    },
    {
        "table": "impression_lists",
        "moment": "shown_at",
        "grain": "day",
        "back": "7 days",
        "ahead": "30 days",
    },
)


def upgrade() -> None:
    """Take the place of the default partitions and of the functions that made months and days."""
    op.execute(FUNCTIONS)
    for table in TABLES:
        op.execute(REPLACE_DEFAULT.format(**table))


def downgrade() -> None:
    """There is no way back: the older code would lock the tables that it reads."""
    raise NotImplementedError("the schema can't go back behind revision 0003")
