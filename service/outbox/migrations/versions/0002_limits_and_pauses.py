"""What keeps Meta's limits: shelves for paused messages, live dispatchers, learned rates, the daily limit, the doors.

Only adds, so that the version before goes on working beside it; it finds its queue by `ix_messages_expiry` meanwhile.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("messages", sa.Column("country", sa.String(length=2), nullable=True))
    op.add_column("messages", sa.Column("shelf", sa.String(length=700), nullable=True))
    op.drop_index("ix_messages_queue", table_name="messages")
    _index_where("ix_messages_ready", ["priority", "due_at", "message_id"], "status = 'queued' AND shelf IS NULL")
    _index_where("ix_messages_shelved", ["shelf"], "status = 'queued' AND shelf IS NOT NULL")
    op.add_column("attempts", sa.Column("door", sa.String(length=64), nullable=True))
    op.add_column("unmatched_statuses", sa.Column("retry_seconds", sa.Integer(), nullable=True))
    op.add_column("leases", sa.Column("rate", sa.Float(), nullable=True))
    with op.batch_alter_table("pauses") as batch_op:
        batch_op.alter_column("key", existing_type=sa.String(length=512), type_=sa.String(length=700))
    op.create_table(
        "dispatchers",
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("holder"),
    )
    op.create_table(
        "portfolios",
        sa.Column("portfolio", sa.String(length=512), nullable=False),
        sa.Column("daily_limit", sa.Integer(), nullable=True),
        sa.Column("used", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("portfolio"),
    )
    op.create_table(
        "daily_recipients",
        sa.Column("portfolio", sa.String(length=512), nullable=False),
        sa.Column("to", sa.String(length=160), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("message_id", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("portfolio", "to"),
    )
    op.create_index("ix_daily_recipients_age", "daily_recipients", ["portfolio", "at"])
    op.create_index("ix_daily_recipients_message_id", "daily_recipients", ["message_id"])
    op.create_table(
        "doors",
        sa.Column("phone_number_id", sa.String(length=64), nullable=False),
        sa.Column("template_name", sa.String(length=512), nullable=False),
        sa.Column("language", sa.String(length=64), nullable=False),
        sa.Column("door", sa.String(length=64), nullable=False),
        sa.Column("learned_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("phone_number_id", "template_name", "language"),
    )


def _index_where(name: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, "messages", ["phone_number_id", *columns], sqlite_where=where, postgresql_where=where)
