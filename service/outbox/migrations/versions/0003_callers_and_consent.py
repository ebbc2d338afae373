"""What direct calls, the template catalogue, consent and the publishing of outcomes keep.

Only adds, so that the version before goes on working beside it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("messages", sa.Column("category", sa.String(length=32), nullable=True))
    op.drop_index("ix_messages_campaign_id", table_name="messages")
    op.create_index("ix_messages_campaign", "messages", ["campaign_id", "message_id"])
    op.create_index("ix_messages_to", "messages", ["to", "message_id"])
    _index_where("ix_messages_reference", "messages", ["reference"], "reference IS NOT NULL")
    _index_where("ix_attempts_code", "attempts", ["code", "message_id"], "code IS NOT NULL")
    opted_out = sa.Column("opted_out", sa.SmallInteger(), server_default=sa.text("0"), nullable=False)
    op.add_column("unmatched_statuses", opted_out)
    op.create_index("ix_events_campaign", "events", ["campaign_id"])
    op.create_index("ix_events_journey", "events", ["journey_id"])
    _templates()
    op.create_table(
        "suppressions",
        sa.Column("to", sa.String(length=160), nullable=False),
        sa.Column("blocked", sa.String(length=16), nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("since", _MOMENT, nullable=False),
        sa.Column("added_at", _MOMENT, nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("to", "blocked", "source"),
    )
    op.create_index("ix_suppressions_added", "suppressions", ["added_at"])
    _inbound_and_outcomes()


def _templates() -> None:
    op.create_table(
        "templates",
        sa.Column("waba_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("language", sa.String(length=64), nullable=False),
        sa.Column("listing", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("waba_id", "name", "language"),
    )
    op.create_table(
        "catalogues",
        sa.Column("waba_id", sa.String(length=64), nullable=False),
        sa.Column("read_at", _MOMENT, nullable=True),
        sa.Column("wanted_at", _MOMENT, nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("waba_id"),
    )


def _inbound_and_outcomes() -> None:
    op.create_table(
        "inbound_messages",
        sa.Column("wamid", sa.String(length=256), nullable=False),
        sa.Column("phone_number_id", sa.String(length=64), nullable=False),
        sa.Column("sender", sa.String(length=160), nullable=False),
        sa.Column("user_id", sa.String(length=160), nullable=True),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("payload", sa.Text(), nullable=True),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("received_at", _MOMENT, nullable=False),
        sa.Column("message_id", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("wamid"),
    )
    op.create_index("ix_inbound_messages_sender", "inbound_messages", ["sender", "at"])
    op.create_index("ix_inbound_messages_message_id", "inbound_messages", ["message_id"])
    op.create_table(
        "outcomes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=256), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=True),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("claimed_until", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_outcomes_subject", "outcomes", ["subject"])


def _index_where(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
