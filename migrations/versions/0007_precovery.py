"""Positions from outside that are followed, their fluxes, and the queue of precovery.

Revision ID: 0007
Revises: 0006
"""

from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the frozen SQL beside this file."""
    sql = Path(__file__).with_name("0007_precovery.sql").read_text(encoding="utf-8")
    op.get_bind().connection.cursor().execute(sql)
