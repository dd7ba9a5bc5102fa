"""Features of light curves, proper motion and parallax, and the queue of the objects that are due.

Revision ID: 0008
Revises: 0007
"""

from pathlib import Path

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the frozen SQL beside this file."""
    sql = Path(__file__).with_name("0008_features.sql").read_text(encoding="utf-8")
    op.get_bind().connection.cursor().execute(sql)
