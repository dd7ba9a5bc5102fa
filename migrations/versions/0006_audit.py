"""How long requests to the alert service are kept.

Revision ID: 0006
Revises: 0005
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the setting; for ever, as until now."""
    op.execute(
        "insert into apdb_base.metadata (name, value) values ('setting.api_audit_keep_days', '0')"
    )
