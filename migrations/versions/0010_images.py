"""The image store, its templates, and the register of what the image pipeline processed.

Revision ID: 0010
Revises: 0009
"""

from pathlib import Path

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the frozen SQL beside this file."""
    sql = Path(__file__).with_name("0010_images.sql").read_text(encoding="utf-8")
    op.get_bind().connection.cursor().execute(sql)
