"""Items can be withdrawn without being deleted: hidden, out of stock, not published yet, or expired."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; null is what nobody has said anything of: an item that is shown."""
    op.execute(
        """alter table items add column hidden boolean null, add column available boolean null,
            add column publish_at timestamptz null, add column expire_at timestamptz null"""
    )


def downgrade() -> None:
    """Drop the columns: what was withdrawn is shown again."""
    op.execute(
        """alter table items drop column hidden, drop column available,
            drop column publish_at, drop column expire_at"""
    )
