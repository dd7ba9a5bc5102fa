"""The sums that positions are made of, as plain columns: arrays cost a copy at each look into one.

Revision ID: 0004
Revises: 0003
"""

from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the frozen SQL beside this file."""
    sql = Path(__file__).with_name("0004_place_columns.sql").read_text(encoding="utf-8")
    op.get_bind().connection.cursor().execute(sql)
