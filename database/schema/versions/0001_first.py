"""The first schema: catalogue, users, interactions, embeddings, trending, ingestion, deployments."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATE = """
create table change_state (
    only_row boolean primary key default true check (only_row),
    catalogue_seq bigint not null default 0,
    trending_version bigint not null default 0,
    deployment_id bigint null
);
insert into change_state default values;
"""

# text_hash is generated, so it can't disagree with the item's text. array_to_string is only "stable" for
# element types whose output may change with settings; for text it is immutable, which the wrapper states.
CATALOGUE = """
create function embedding_text(title text, category text, sub_category text, tags text[], description text)
returns text language sql immutable parallel safe as $$
    select array_to_string(array_remove(array[
        nullif(title, ''), nullif(category, ''), nullif(sub_category, ''),
        nullif(array_to_string(tags, ', '), ''), nullif(description, '')], null), '. ')
$$;

create sequence article_id_seq;
create table items (
    item_id text primary key check (item_id <> '' and length(item_id) <= 64),
    kind text not null default 'product' check (kind in ('product', 'content', 'article')),
    title text null,
    description text null,
    category text null,
    sub_category text null,
    tags text[] not null default '{}',
    image_url text null,
    link text null,
    rating real null,
    rating_count integer null,
    price double precision null,
    original_price double precision null,
    discount_ratio real null,
    article_id bigint null unique,
    text_hash text generated always as
        (case when title is null then null
              else md5(embedding_text(title, category, sub_category, tags, description)) end) stored,
    attributes jsonb not null default '{}',
    source_hashes jsonb not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz null,
    change_seq bigint not null
);
create index items_change_seq on items (change_seq, item_id);
create index items_listing on items (kind, category, item_id) where deleted_at is null and title is not null;
create index items_kind on items (kind, item_id) where deleted_at is null and title is not null;
create index items_category on items (category, item_id) where deleted_at is null and title is not null;

create table embeddings (
    item_id text primary key,
    model text not null,
    dimension integer not null check (octet_length(vector) = 4 * dimension),
    text_hash text not null,
    vector bytea not null,
    updated_at timestamptz not null default now()
);
alter table embeddings alter column vector set storage external;

create table users (
    user_id text primary key check (user_id <> '' and length(user_id) <= 128),
    interests text[] not null default '{}',
    skill_level text null,
    registered_at timestamptz null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
"""

INTERACTIONS = """
create table interactions (
    interaction_id bigint generated always as identity,
    user_id text null,
    item_id text null,
    event_type text not null check (event_type in ('product_click', 'search_query', 'click', 'like', 'skip',
        'view_time', 'purchase', 'rating', 'feedback')),
    query text null,
    value real null,
    session_id text null,
    occurred_at timestamptz not null,
    recorded_at timestamptz not null default now(),
    source text not null,
    dedup_key uuid null,
    unique (interaction_id, occurred_at),
    unique (dedup_key, occurred_at)
)
"""

INTERACTION_INDEXES = """
create index interactions_user on interactions (user_id, occurred_at desc);
create index interactions_item on interactions (item_id, occurred_at);
create index interactions_session on interactions (session_id);
create index interactions_recorded on interactions (recorded_at);
"""

# A month that a partition is made for may already have rows in the default partition: they move.
PARTITIONS = """
create function ensure_interaction_partitions(first_day timestamptz, last_day timestamptz)
returns integer language plpgsql set timezone = 'UTC' as $$
declare
    month timestamptz;
    part text;
    made integer := 0;
begin
    if (select relkind from pg_class where oid = 'interactions'::regclass) <> 'p' then
        return 0;
    end if;
    perform pg_advisory_xact_lock(7302601002);
    for month in select generate_series(date_trunc('month', first_day), last_day, interval '1 month') loop
        part := to_char(month, '"interactions_y"YYYY"m"MM');
        continue when to_regclass(part) is not null;
        create temporary table moved_interactions on commit drop as
            select * from interactions_default
            where occurred_at >= month and occurred_at < month + interval '1 month';
        delete from interactions_default
            where occurred_at >= month and occurred_at < month + interval '1 month';
        execute format('create table %I partition of interactions for values from (%L) to (%L)',
            part, month, month + interval '1 month');
        insert into interactions overriding system value select * from moved_interactions;
        drop table moved_interactions;
        made := made + 1;
    end loop;
    return made;
end $$;
"""

OPERATION = """
create table trending_scores (
    item_id text primary key,
    score double precision not null,
    events integer not null,
    computed_at timestamptz not null
);
create index trending_scores_order on trending_scores (score desc, item_id);

create table ingest_runs (
    ingest_run_id bigint generated always as identity primary key,
    adapter text not null,
    source text not null,
    sha256 text not null,
    rows_read bigint not null,
    rows_loaded bigint not null,
    rows_duplicate bigint not null,
    rows_rejected bigint not null,
    reasons jsonb not null,
    report jsonb not null,
    shift_weeks integer not null default 0,
    started_at timestamptz not null,
    finished_at timestamptz not null
);
create table rejected_rows (
    rejected_id bigint generated always as identity primary key,
    ingest_run_id bigint not null references ingest_runs on delete cascade,
    source text not null,
    line bigint not null,
    reason text not null,
    raw text not null,
    created_at timestamptz not null default now()
);
create index rejected_rows_run on rejected_rows (ingest_run_id, reason);

create table deployments (
    deployment_id bigint generated always as identity primary key,
    bundle_id text not null,
    bundle_tag text not null,
    manifest jsonb not null,
    reason text not null,
    deployed_at timestamptz not null default clock_timestamp(),
    previous_id bigint null references deployments
);
alter table change_state add foreign key (deployment_id) references deployments;
create table gate_decisions (
    gate_decision_id bigint generated always as identity primary key,
    bundle_id text not null,
    champion_id text null,
    accepted boolean not null,
    report jsonb not null,
    decided_at timestamptz not null default clock_timestamp()
);
create index gate_decisions_bundle on gate_decisions (bundle_id, decided_at desc);
"""

TABLES = (
    "gate_decisions",
    "rejected_rows",
    "ingest_runs",
    "trending_scores",
    "interactions",
    "users",
    "embeddings",
    "items",
    "change_state",
    "deployments",
)


def upgrade() -> None:
    """Make every table."""
    op.execute(STATE)
    op.execute(CATALOGUE)
    _interactions()
    op.execute(OPERATION)


def _interactions() -> None:
    """Monthly partitions; a hypertable in their place where the server has TimescaleDB.

    The months themselves are made by `database.partitions`, which does nothing on a hypertable. Which of
    the two a database has is read from its catalogue, so there is no setting.
    """
    connection = op.get_bind()
    available = connection.exec_driver_sql(
        "select 1 from pg_available_extensions where name = 'timescaledb'"
    ).scalar()
    if available:
        op.execute("create extension if not exists timescaledb")
        op.execute(INTERACTIONS)
        op.execute("select create_hypertable('interactions', by_range('occurred_at', interval '1 month'))")
    else:
        op.execute(INTERACTIONS + " partition by range (occurred_at)")
        op.execute("create table interactions_default partition of interactions default")
    op.execute(INTERACTION_INDEXES)
    op.execute(PARTITIONS)


def downgrade() -> None:
    """Drop every table, with its data."""
    for table in TABLES:
        op.execute(f"drop table {table} cascade")
    op.execute("drop sequence article_id_seq")
    op.execute("drop function embedding_text")
    op.execute("drop function ensure_interaction_partitions")
