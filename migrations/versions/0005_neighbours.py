"""Reference catalogues by name, side by side, and the neighbours of objects in them.

Revision ID: 0005_neighbours
Revises: 0003
"""

from pathlib import Path

from alembic import op

revision = "0005_neighbours"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the frozen SQL beside this file."""
    sql = Path(__file__).with_name("0005_neighbours.sql").read_text(encoding="utf-8")
    op.get_bind().connection.cursor().execute(sql)
