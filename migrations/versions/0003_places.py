"""What positions are made of, band by band, so that a visit reads the history of its own band only.

Objects from before have no sums: their next visit reads their whole history once.

Revision ID: 0003
Revises: 0002
"""

from pathlib import Path

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the frozen SQL beside this file."""
    sql = Path(__file__).with_name("0003_places.sql").read_text(encoding="utf-8")
    op.get_bind().connection.cursor().execute(sql)
