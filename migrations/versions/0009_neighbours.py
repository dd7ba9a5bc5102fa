"""Reference catalogues by name, side by side, and the neighbours of objects in them.

Revision ID: 0009
Revises: 0008
"""

from pathlib import Path

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the frozen SQL beside this file."""
    sql = Path(__file__).with_name("0009_neighbours.sql").read_text(encoding="utf-8")
    op.get_bind().connection.cursor().execute(sql)
