"""The tables. Moments are aware UTC; names are those of `service.message`.

Here stands the path of a message: event → key → message → attempt → status. What is beside it stands in `tables_sending`,
`tables_people` and `tables_counted`, and can be had from here, too.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Computed,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from service.outbox.columns import UtcMoment, a_name, a_pause_key, an_id, metadata, row_id
from service.outbox.tables_counted import campaigns, moves, numbers, tallies
from service.outbox.tables_people import audit, inbound_messages, sessions, sign_in_failures, suppressions
from service.outbox.tables_sending import (
    catalogues,
    daily_recipients,
    dispatchers,
    doors,
    leases,
    outcomes,
    pauses,
    portfolios,
    readiness,
    templates,
)

__all__ = [
    "ALONE",
    "CODED",
    "FAILED",
    "IN_DOUBT",
    "READY",
    "REFERRED",
    "REFUSED",
    "SHELVED",
    "STILL_READY",
    "STILL_WAITS",
    "WAITS",
    "UtcMoment",
    "attempts",
    "audit",
    "campaigns",
    "catalogues",
    "daily_recipients",
    "dispatchers",
    "doors",
    "events",
    "inbound_messages",
    "keys",
    "leases",
    "messages",
    "metadata",
    "moves",
    "numbers",
    "outcomes",
    "pauses",
    "portfolios",
    "readiness",
    "rejections",
    "sessions",
    "sign_in_failures",
    "suppressions",
    "tallies",
    "templates",
    "unmatched_statuses",
]

INDEXED = frozenset({"queued", "sending", "unanswered", "failed"})
"""The statuses in which an index finds a message by its status."""

WAITS = text("indexed_status = 'queued'")
READY = text("indexed_status = 'queued' AND shelf IS NULL")
SHELVED = text("indexed_status = 'queued' AND shelf IS NOT NULL")
IN_DOUBT = text("indexed_status IN ('sending', 'unanswered')")
FAILED = text("indexed_status = 'failed'")
ALONE = text("campaign_id IS NULL AND journey_id IS NULL AND recipients > 0")
REFUSED = text("http_status >= 400")
REFERRED = text("reference IS NOT NULL")
CODED = text("code IS NOT NULL")
"""What the partial indexes hold. SQLite uses such an index only for a query that says the very same."""

STILL_WAITS = text("(status || '') = 'queued'")
STILL_READY = text("(status || '') = 'queued' AND shelf IS NULL")
"""The same of rows that are named by their ids, said so that no partial index holds it.

PostgreSQL takes a table without statistics, as of a new database, for small, and would read the whole index for each id.
"""

events = Table(
    "events",
    metadata,
    an_id("event_id", primary_key=True),
    an_id("source", nullable=False),
    Column("receipt_id", String(256)),
    an_id("body_sha256", nullable=False),
    Column("received_at", UtcMoment, nullable=False),
    Column("added_at", UtcMoment, nullable=False),
    a_name("application_id"),
    a_name("campaign_id"),
    a_name("journey_id"),
    a_name("treatment_id"),
    a_name("activity_id"),
    Column("recipients", Integer, nullable=False, server_default=text("0")),
    Column("http_status", SmallInteger, nullable=False),
    Column("answer", Text, nullable=False),
    Column("refused_body", Text),
    UniqueConstraint("source", "receipt_id"),
    Index("ix_events_campaign", "campaign_id"),
    Index("ix_events_journey", "journey_id"),
    Index("ix_events_alone", "event_id", sqlite_where=ALONE, postgresql_where=ALONE),
    Index("ix_events_refused", "event_id", sqlite_where=REFUSED, postgresql_where=REFUSED),
)
"""One row per event, refused ones included. `answer` is the answer's body, given again for a known `receipt_id`;
`refused_body` is kept of a refused event only, so that nothing is lost while the caller mends it."""

keys = Table(
    "keys",
    metadata,
    an_id("key", primary_key=True),
    an_id("message_id", nullable=False),
    Column("expires_at", UtcMoment, nullable=False),
)
"""What makes the same message the same (G3): while a row holds, its key answers `duplicate`."""

messages = Table(
    "messages",
    metadata,
    an_id("message_id", primary_key=True),
    an_id("event_id", nullable=False, index=True),
    a_name("recipient", nullable=False),
    Column("to", String(160), nullable=False),
    an_id("phone_number_id", nullable=False),
    a_name("template_name", nullable=False),
    an_id("language", nullable=False),
    Column("components", Text, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    a_name("campaign_id"),
    a_name("reference"),
    an_id("key", nullable=False),
    Column("created_at", UtcMoment, nullable=False),
    Column("due_at", UtcMoment, nullable=False),
    Column("expires_at", UtcMoment, nullable=False),
    Column("status", String(16), nullable=False),
    Column("status_at", UtcMoment, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("tries", Integer, nullable=False, server_default=text("0")),
    Column("lease_epoch", BigInteger),
    Column("country", String(2)),
    a_pause_key("shelf"),
    Column("category", String(32)),
    Column("code", Integer),
    Column(
        "indexed_status",
        String(16),
        Computed("CASE WHEN status IN ('queued', 'sending', 'unanswered', 'failed') THEN status END"),
    ),
    Column("doubt_at", UtcMoment, Computed("CASE WHEN status IN ('sending', 'unanswered') THEN status_at END")),
    Index("ix_messages_campaign", "campaign_id", "message_id"),
    Index("ix_messages_failed", "campaign_id", "message_id", sqlite_where=FAILED, postgresql_where=FAILED),
    Index("ix_messages_to", "to", "message_id"),
    Index("ix_messages_recipient", "recipient", "message_id"),
    Index("ix_messages_reference", "reference", sqlite_where=REFERRED, postgresql_where=REFERRED),
    Index(
        "ix_messages_ready",
        "phone_number_id",
        "priority",
        "due_at",
        "message_id",
        sqlite_where=READY,
        postgresql_where=READY,
    ),
    Index("ix_messages_shelved", "phone_number_id", "shelf", sqlite_where=SHELVED, postgresql_where=SHELVED),
    Index("ix_messages_expiry", "phone_number_id", "expires_at", sqlite_where=WAITS, postgresql_where=WAITS),
    Index(
        "ix_messages_doubt",
        "phone_number_id",
        "indexed_status",
        "doubt_at",
        sqlite_where=IN_DOUBT,
        postgresql_where=IN_DOUBT,
    ),
    postgresql_with={"fillfactor": 50},
)
"""One row per message. `attempts` numbers its HTTP calls, `tries` counts those that count. The partial indexes hold
only what still needs work, so claiming costs the same however many finished messages there are. `shelf` names the pause that
a queued message was put aside for (`pauses.shelve`): a claim need not walk past a paused campaign. `code` is Meta's, of the
failure by which the message came to `failed`, and says nothing in any other status.

The indexes know the status by columns that the database works out (`indexed_status`, `doubt_at`) and that stand still once Meta
has the message: PostgreSQL then writes what Meta tells of it to the row alone, and to no index.

In PostgreSQL a page is half filled with new rows: each row is written five times within minutes, and where its page has room
for that, the page is all that is written, and is used again (`fillfactor`)."""

attempts = Table(
    "attempts",
    metadata,
    an_id("message_id", primary_key=True),
    Column("attempt", Integer, primary_key=True),
    an_id("phone_number_id", nullable=False),
    Column("started_at", UtcMoment, nullable=False),
    Column("finished_at", UtcMoment),
    Column("duration_ms", Integer),
    Column("outcome", String(16)),
    Column("http_status", SmallInteger),
    Column("code", Integer),
    Column("title", Text),
    Column("details", Text),
    an_id("fbtrace_id"),
    Column("wamid", String(256), index=True),
    Column("sent_at", UtcMoment),
    Column("delivered_at", UtcMoment),
    Column("read_at", UtcMoment),
    Column("failed_at", UtcMoment),
    an_id("door"),
    Index("ix_attempts_number", "phone_number_id", "started_at"),
    Index("ix_attempts_code", "code", "message_id", sqlite_where=CODED, postgresql_where=CODED),
    postgresql_with={"fillfactor": 70},
)
"""One row per HTTP call, written when the message is claimed, so that every answer and notification finds its attempt.
`door` is the call it went through (`message.Door`), empty until the answer is in."""

rejections = Table(
    "rejections",
    metadata,
    an_id("event_id", primary_key=True),
    Column("position", Integer, primary_key=True),
    a_name("recipient", nullable=False),
    an_id("code", nullable=False),
    Column("path", Text, nullable=False),
    Column("detail", Text, nullable=False),
)

unmatched_statuses = Table(
    "unmatched_statuses",
    metadata,
    row_id(),
    Column("callback_data", String(512), index=True),
    Column("wamid", String(256), nullable=False, index=True),
    Column("status", String(16), nullable=False),
    Column("at", UtcMoment, nullable=False),
    Column("code", Integer),
    Column("title", Text),
    Column("details", Text),
    Column("retry", SmallInteger, nullable=False),
    Column("retry_seconds", Integer),
    Column("opted_out", SmallInteger, nullable=False, server_default=text("0")),
    Column("expires_at", UtcMoment, nullable=False),
    UniqueConstraint("wamid", "status"),
)
"""Statuses that fit no attempt yet: applied if one appears, forgotten after a while (another system's messages)."""
