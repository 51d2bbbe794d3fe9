"""Steps of the training that failed, with the reason."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

FAILURES = """
create table training_failures (
    failure_id bigint generated always as identity primary key,
    step text not null,
    reason text not null,
    details jsonb not null,
    failed_at timestamptz not null default clock_timestamp()
);
"""


def upgrade() -> None:
    """Make the table."""
    op.execute(FAILURES)


def downgrade() -> None:
    """Drop it, with its data."""
    op.execute("drop table training_failures")
