"""How long requests to the alert service are kept.

Revision ID: 0008
Revises: 0003
"""

from alembic import op

revision = "0008"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the setting; for ever, as until now."""
    op.execute(
        "insert into apdb_base.metadata (name, value) values ('setting.api_audit_keep_days', '0')"
    )
