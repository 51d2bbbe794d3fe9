"""What /v1 stores: items of several categories, with stock and attributes; events in a shop's own words."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ITEMS = """
alter table items drop constraint items_item_id_check;
alter table items add constraint items_item_id_check check (item_id <> '' and length(item_id) <= 128),
    add column categories text[] not null default '{}',
    add column stock integer null check (stock >= 0),
    add column dated_at timestamptz null;

create table attribute_types (
    name text primary key,
    type text not null check (type in ('number', 'text', 'texts', 'boolean', 'time'))
);
"""

USERS = """
alter table users add column labels text[] not null default '{}',
    add column attributes jsonb not null default '{}';
"""

# event_type stays what an event counts as; event_name is the shop's word for it, weight replaces the type's.
EVENTS = """
alter table interactions add column event_name text null,
    add column weight real null,
    add column anonymous_id text null,
    add column quantity real null,
    add column price double precision null,
    add column context jsonb null,
    add column recommendation_id text null;
create index interactions_anonymous on interactions (anonymous_id, occurred_at desc)
    where anonymous_id is not null;

create table event_types (
    name text primary key,
    counts_as text not null,
    weight real null
);

create table idempotency_keys (
    key uuid primary key,
    fingerprint text not null,
    answer text not null,
    created_at timestamptz not null default now()
);
create index idempotency_keys_created on idempotency_keys (created_at);
"""


def upgrade() -> None:
    """Add the columns and tables; what is stored already has none of it."""
    for part in (ITEMS, USERS, EVENTS):
        op.execute(part)


def downgrade() -> None:
    """Not offered: a version without longer ids could not keep the items that have them."""
    raise NotImplementedError("the schema can't go back behind revision 0009")
