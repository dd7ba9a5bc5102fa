"""The first schema: tables of catalogue 1.0.0, version intervals, sequences, roles' rights, settings.

Revision ID: 0001
Revises:
"""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the frozen SQL beside this file."""
    here = Path(__file__).parent
    cursor = op.get_bind().connection.cursor()
    for name in ("0001_tables.sql", "0001_more.sql"):
        cursor.execute((here / name).read_text(encoding="utf-8"))
