"""A share of the users kept on the previous bundle for a while is an experiment of a kind of its own."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

EXPERIMENTS = """
alter table experiments drop constraint experiments_kind_check;
alter table experiments add constraint experiments_kind_check check (kind in ('ab', 'shadow', 'holdback')),
    add column ends_at timestamptz null;
"""


def upgrade() -> None:
    """Experiments may end by themselves."""
    op.execute(EXPERIMENTS)


def downgrade() -> None:
    """Not offered: a version without holdbacks would not know what they are."""
    raise NotImplementedError("the schema can't go back behind revision 0008")
