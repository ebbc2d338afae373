"""What becomes of a message after Meta has it touches no index: PostgreSQL writes it beside the row, and nowhere else.

The indexes of what still needs work, and of what failed, name columns of their own (`indexed_status`, `doubt_at`), which are
worked out of `status` and no longer change once it is out of their reach. PostgreSQL writes the whole table anew.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

COLUMNS: dict[str, tuple[sa.types.TypeEngine[Any], str]] = {
    "indexed_status": (
        sa.String(16),
        "CASE WHEN status IN ('queued', 'sending', 'unanswered', 'failed') THEN status END",
    ),
    "doubt_at": (sa.DateTime(timezone=True), "CASE WHEN status IN ('sending', 'unanswered') THEN status_at END"),
}
INDEXES = {
    "ready": (["phone_number_id", "priority", "due_at", "message_id"], "indexed_status = 'queued' AND shelf IS NULL"),
    "shelved": (["phone_number_id", "shelf"], "indexed_status = 'queued' AND shelf IS NOT NULL"),
    "expiry": (["phone_number_id", "expires_at"], "indexed_status = 'queued'"),
    "doubt": (["phone_number_id", "indexed_status", "doubt_at"], "indexed_status IN ('sending', 'unanswered')"),
    "failed": (["campaign_id", "message_id"], "indexed_status = 'failed'"),
}


def upgrade() -> None:
    for name in INDEXES:
        op.drop_index(f"ix_messages_{name}", "messages")
    dialect = op.get_bind().dialect
    kept = "STORED" if dialect.name == "postgresql" else "VIRTUAL"
    added = [
        f"ADD COLUMN {name} {kind.compile(dialect)} GENERATED ALWAYS AS ({how}) {kept}"
        for name, (kind, how) in COLUMNS.items()
    ]
    for clauses in [", ".join(added)] if kept == "STORED" else added:  # at once, so that the table is written anew once
        op.execute(f"ALTER TABLE messages {clauses}")
    for name, (columns, which) in INDEXES.items():
        where = sa.text(which)
        op.create_index(f"ix_messages_{name}", "messages", columns, sqlite_where=where, postgresql_where=where)
