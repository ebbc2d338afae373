"""Replies are found by their age, so that the old ones can be erased.

Only adds, so that the version before goes on working beside it. Who keeps a reply waits until the index is made.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_inbound_messages_received", "inbound_messages", ["received_at"])
