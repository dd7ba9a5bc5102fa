"""Orbits as states, and the nightly ephemerides that are made of them.

Revision ID: 0011
Revises: 0009
"""

from pathlib import Path

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    sql = Path(__file__).with_name("0011_moving.sql").read_text(encoding="utf-8")
    op.get_bind().connection.cursor().execute(sql)
