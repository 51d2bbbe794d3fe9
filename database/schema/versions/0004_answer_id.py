"""Lists of one answer are told by an id of the service's own: a client may send the same request id again."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; lists that were logged before have none, and no shadow is laid beside them."""
    op.execute("alter table impression_lists add column answer_id uuid null")


def downgrade() -> None:
    """Drop the column."""
    op.execute("alter table impression_lists drop column answer_id")
