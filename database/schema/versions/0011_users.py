"""Users who are deleted or merged: whom each worker has to forget, and whose experiment arm a user keeps."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# What models and workers still hold of a deleted user is held back by this, until it is gone there too.
TABLES = """
create table forgotten_users (
    forgotten_id bigint primary key,
    user_id text not null,
    forgotten_at timestamptz not null default clock_timestamp()
);
create index forgotten_users_at on forgotten_users (forgotten_at);
alter table change_state add column forgotten_id bigint not null default 0;
alter table users add column assigned_as text null;
"""


def upgrade() -> None:
    """Make the table and the columns; nobody was deleted before."""
    op.execute(TABLES)


def downgrade() -> None:
    """Not offered: a version that does not know who was deleted would bring them back."""
    raise NotImplementedError("the schema can't go back behind revision 0011")
