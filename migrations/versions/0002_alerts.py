"""Alert packets: fragments of their records, what an archived packet holds, settings.

Revision ID: 0002
Revises: 0001
"""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the frozen SQL beside this file."""
    sql = Path(__file__).with_name("0002_alerts.sql").read_text(encoding="utf-8")
    op.get_bind().connection.cursor().execute(sql)
