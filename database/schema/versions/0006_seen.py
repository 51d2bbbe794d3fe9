"""What of a logged list was seen, and which of an answer's lists of one name it is (a category)."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; `seen` is null where the client did not tell how many items its page shows."""
    op.execute(
        "alter table impression_lists add column seen integer null, add column part text not null default ''"
    )


def downgrade() -> None:
    """Drop the columns."""
    op.execute("alter table impression_lists drop column seen, drop column part")
