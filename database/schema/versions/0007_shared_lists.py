"""Lists that are the same for everybody are stored once, and logged by reference; a sample has weights."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = """
create table shared_lists (
    content_id uuid not null,
    endpoint text not null,
    part text not null,
    item_ids text[] not null,
    last_shown date not null,
    primary key (content_id, endpoint, part)
);
create index shared_lists_last_shown on shared_lists (last_shown);

alter table impression_lists alter column item_ids drop not null, alter column propensities drop not null,
    add column content_id uuid null, add column weight real not null default 1;
"""

# A row with a content_id stands for every list of that content. Without propensities all items were certain.
VIEWS = """
drop view impressions;
create view logged_lists as
    select l.list_id, l.request_id, l.answer_id, l.experiment_id, l.arm, l.shown,
        coalesce(s.endpoint, l.endpoint) as endpoint, coalesce(s.part, l.part) as part,
        l.user_id, items.item_ids,
        coalesce(l.propensities, array_fill(1::real, array[cardinality(items.item_ids)])) as propensities,
        l.seen, l.weight, l.bundle_id, l.shown_at
    from impression_lists l left join shared_lists s using (content_id)
        cross join lateral (select coalesce(l.item_ids, s.item_ids) as item_ids) items
    where items.item_ids is not null;

create view impressions as
    select list_id, request_id, experiment_id, arm, shown, endpoint, part, user_id, item_id,
        position::integer - 1 as position, propensity, weight, bundle_id, shown_at
    from logged_lists
        cross join lateral unnest(item_ids, propensities)
            with ordinality as slot (item_id, propensity, position);
"""


def upgrade() -> None:
    """Make the table and the views; lists that were logged before keep their items."""
    op.execute(TABLES)
    op.execute(VIEWS)


def downgrade() -> None:
    """There is no way back: the older code can't read lists that are logged by reference."""
    raise NotImplementedError("the schema can't go back behind revision 0007")
