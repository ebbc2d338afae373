"""Who must not be written to, what people wrote; who is signed in to the console, and who did what."""

from sqlalchemy import Column, Index, Integer, String, Table, Text

from service.outbox.columns import UtcMoment, an_id, metadata, row_id

suppressions = Table(
    "suppressions",
    metadata,
    Column("to", String(160), primary_key=True),
    Column("blocked", String(16), primary_key=True),
    Column("source", String(32), primary_key=True),
    Column("since", UtcMoment, nullable=False),
    Column("added_at", UtcMoment, nullable=False),
    Column("reason", Text),
    Index("ix_suppressions_added", "added_at"),
)
"""Who must not get messages, what is kept from them, and who said so: a row for each who said it.

Where `blocked` is `none`, `since` is until when the person's own words were lifted (`consent.py`).
"""

inbound_messages = Table(
    "inbound_messages",
    metadata,
    Column("wamid", String(256), primary_key=True),
    an_id("phone_number_id", nullable=False),
    Column("sender", String(160), nullable=False),
    Column("user_id", String(160)),
    an_id("kind", nullable=False),
    Column("text", Text),
    Column("payload", Text),
    Column("at", UtcMoment, nullable=False),
    Column("received_at", UtcMoment, nullable=False),
    an_id("message_id", index=True),
    Index("ix_inbound_messages_sender", "sender", "at"),
    Index("ix_inbound_messages_received", "received_at"),
)
"""What people wrote to our numbers, and which message of ours they answered, where Meta says so."""

sessions = Table(
    "sessions",
    metadata,
    Column("token_sha256", String(64), primary_key=True),
    Column("name", String(128), nullable=False),
    Column("entry_sha256", String(64), nullable=False),
    Column("started_at", UtcMoment, nullable=False),
    Column("expires_at", UtcMoment, nullable=False),
    Index("ix_sessions_expiry", "expires_at"),
)
"""Who is signed in to the console: by the hash of what their browser shows. `entry_sha256` is of their entry in the settings:
with another one the session is no longer theirs."""

sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("name_sha256", String(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_at", UtcMoment, nullable=False),
)
"""How often in a row somebody could not sign in under a name, and when last."""

audit = Table(
    "audit",
    metadata,
    row_id(),
    Column("at", UtcMoment, nullable=False),
    Column("who", String(128), nullable=False),
    Column("via", String(16), nullable=False),
    Column("action", String(40), nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),
)
"""Who did what: `via` the console, the API (`who` is the key's name) or a command. `subject` and `detail` hold no phone number
whole."""
