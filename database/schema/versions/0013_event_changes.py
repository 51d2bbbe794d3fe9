"""Whose events changed: a worker reads a user's events again only when they have.

Each transaction that changes events leaves a row for each bucket of ids that it touched, with its number. A
reader asks for the rows of transactions that its last snapshot did not show: nobody waits for anybody.
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# A row without a bucket stands for everybody's events.
TABLE = """
create table event_changes (
    xid xid8 not null default pg_current_xact_id(),
    bucket integer null
);
create index event_changes_xid on event_changes (xid);
"""

# The second function is never inlined: its plan uses the index, however little is known of a young table.
# The third finds its table whoever writes, as a restored dump or a subscription does, without a search path.
FUNCTIONS = """
create function event_bucket(id text) returns integer language sql stable as $$
    select ('x' || encode(substr(sha256(convert_to(id, 'UTF8')), 1, 2), 'hex'))::bit(16)::integer
$$;

create function event_changes_since(snapshot text) returns integer[]
language plpgsql stable set enable_seqscan = off as $$
begin
    return array(
        select bucket from event_changes where xid >= pg_snapshot_xmax(snapshot::pg_snapshot)
        union
        select bucket from event_changes
        where xid = any (array(select pg_snapshot_xip(snapshot::pg_snapshot))));
end $$;

create function note_changed_events() returns trigger
language plpgsql set search_path from current as $$
begin
    if tg_op = 'TRUNCATE' then
        insert into event_changes (bucket) values (null);
    elsif tg_op = 'INSERT' then
        if exists (select from after_rows offset 10000) then
            insert into event_changes (bucket) values (null);
        else
            insert into event_changes (bucket)
            select distinct event_bucket(coalesce(user_id, anonymous_id)) from after_rows
            where coalesce(user_id, anonymous_id) is not null;
        end if;
    elsif exists (select from before_rows offset 10000) then
        insert into event_changes (bucket) values (null);
    elsif tg_op = 'DELETE' then
        insert into event_changes (bucket)
        select distinct event_bucket(coalesce(user_id, anonymous_id)) from before_rows
        where coalesce(user_id, anonymous_id) is not null;
    else
        insert into event_changes (bucket)
        select event_bucket(coalesce(user_id, anonymous_id)) from before_rows
        where coalesce(user_id, anonymous_id) is not null
        union
        select event_bucket(coalesce(user_id, anonymous_id)) from after_rows
        where coalesce(user_id, anonymous_id) is not null;
    end if;
    return null;
end $$;
"""

TRIGGERS = """
create trigger note_inserted_events after insert on interactions
    referencing new table as after_rows for each statement execute function note_changed_events();
create trigger note_updated_events after update on interactions
    referencing old table as before_rows new table as after_rows
    for each statement execute function note_changed_events();
create trigger note_deleted_events after delete on interactions
    referencing old table as before_rows for each statement execute function note_changed_events();
create trigger note_truncated_events after truncate on interactions
    for each statement execute function note_changed_events();
"""


def upgrade() -> None:
    """Make the table and what fills it.

    A hypertable takes no such triggers: there workers read a user's events each time.
    """
    op.execute(TABLE)
    op.execute(FUNCTIONS)
    kind = op.get_bind().exec_driver_sql(
        "select relkind = 'p' from pg_class where oid = 'interactions'::regclass"
    )
    if kind.scalar():
        op.execute(TRIGGERS)


def downgrade() -> None:
    """Drop them: a version that does not know them reads events each time."""
    for each in ("inserted", "updated", "deleted", "truncated"):
        op.execute(f"drop trigger if exists note_{each}_events on interactions")
    op.execute("drop function note_changed_events(), event_changes_since(text), event_bucket(text)")
    op.execute("drop table event_changes")
