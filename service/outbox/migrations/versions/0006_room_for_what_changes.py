"""A page of messages or attempts is not filled with new rows: what becomes of them is written beside them.

Only from now on, and nobody waits: PostgreSQL keeps it for the pages to come. SQLite writes a row where it stands anyway.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE messages SET (fillfactor = 50)")
        op.execute("ALTER TABLE attempts SET (fillfactor = 70)")
