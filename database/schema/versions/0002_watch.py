"""What watches the service: experiments, impressions, the guard's decisions, drift reports."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

EXPERIMENTS = """
create table experiments (
    experiment_id text primary key check (experiment_id ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    kind text not null check (kind in ('ab', 'shadow')),
    arms jsonb not null,
    started_at timestamptz not null default clock_timestamp(),
    stopped_at timestamptz null,
    stop_reason text null,
    check ((stopped_at is null) = (stop_reason is null))
);
create unique index experiments_running on experiments (kind) where stopped_at is null;
"""

# One row a list, not one an item: a tenth of the rows to write in the service. The view has one an item.
IMPRESSIONS = """
create table impression_lists (
    list_id bigint generated always as identity,
    request_id text not null,
    experiment_id text null,
    arm text null,
    shown boolean not null,
    endpoint text not null,
    user_id text null,
    item_ids text[] not null,
    propensities real[] not null check (cardinality(propensities) = cardinality(item_ids)),
    bundle_id text not null,
    shown_at timestamptz not null
) partition by range (shown_at);
create table impression_lists_default partition of impression_lists default;
create index impression_lists_user on impression_lists (user_id, shown_at);
create index impression_lists_bundle on impression_lists (bundle_id, shown_at);
create index impression_lists_experiment on impression_lists (experiment_id, shown_at)
    where experiment_id is not null;

create view impressions as
    select list_id, request_id, experiment_id, arm, shown, endpoint, user_id, item_id,
        position::integer - 1 as position, propensity, bundle_id, shown_at
    from impression_lists
        cross join lateral unnest(item_ids, propensities)
            with ordinality as slot (item_id, propensity, position);
"""

# Rows of a day that has no partition yet stand in the default one, and move when it is made.
PARTITIONS = """
create function ensure_impression_partitions(first_day timestamptz, last_day timestamptz)
returns integer language plpgsql set timezone = 'UTC' as $$
declare
    day timestamptz;
    part text;
    made integer := 0;
begin
    perform pg_advisory_xact_lock(7302601005);
    for day in select generate_series(date_trunc('day', first_day), last_day, interval '1 day') loop
        part := to_char(day, '"impression_lists_y"YYYY"m"MM"d"DD');
        continue when to_regclass(part) is not null;
        lock table impression_lists_default in access exclusive mode;
        create temporary table moved_lists on commit drop as
            select * from impression_lists_default
            where shown_at >= day and shown_at < day + interval '1 day';
        delete from impression_lists_default where shown_at >= day and shown_at < day + interval '1 day';
        execute format('create table %I partition of impression_lists for values from (%L) to (%L)',
            part, day, day + interval '1 day');
        insert into impression_lists overriding system value select * from moved_lists;
        drop table moved_lists;
        made := made + 1;
    end loop;
    return made;
end $$;
"""

REPORTS = """
create table guard_events (
    guard_event_id bigint generated always as identity primary key,
    bundle_id text not null,
    against_id text not null,
    verdict text not null,
    rolled_back boolean not null,
    report jsonb not null,
    decided_at timestamptz not null default clock_timestamp()
);
create index guard_events_decided on guard_events (decided_at desc);
create table drift_reports (
    drift_report_id bigint generated always as identity primary key,
    bundle_id text not null,
    drifted boolean not null,
    triggered boolean not null,
    report jsonb not null,
    created_at timestamptz not null default clock_timestamp()
);
create index drift_reports_created on drift_reports (created_at desc);
"""


def upgrade() -> None:
    """Make the tables, the view and the function."""
    for part in (EXPERIMENTS, IMPRESSIONS, PARTITIONS, REPORTS):
        op.execute(part)


def downgrade() -> None:
    """Drop them, with their data."""
    op.execute("drop view impressions")
    for table in ("drift_reports", "guard_events", "impression_lists", "experiments"):
        op.execute(f"drop table {table}")
    op.execute("drop function ensure_impression_partitions")
