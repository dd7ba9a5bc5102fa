"""Identification history, and submissions to the Minor Planet Center.

Revision ID: 0012
Revises: 0011
"""

from pathlib import Path

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    sql = Path(__file__).with_name("0012_linking.sql").read_text(encoding="utf-8")
    op.get_bind().connection.cursor().execute(sql)
