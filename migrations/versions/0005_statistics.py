"""Statistics of the light curves of objects, by band.

Revision ID: 0005
Revises: 0004
"""

from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the frozen SQL beside this file."""
    sql = Path(__file__).with_name("0005_statistics.sql").read_text(encoding="utf-8")
    op.get_bind().connection.cursor().execute(sql)
