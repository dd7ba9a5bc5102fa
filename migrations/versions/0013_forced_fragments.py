"""The key of the fragments of forced photometry has their bytes with it.

Revision ID: 0013
Revises: 0012
"""

from pathlib import Path

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    sql = Path(__file__).with_name("0013_forced_fragments.sql").read_text(encoding="utf-8")
    op.get_bind().connection.cursor().execute(sql)
