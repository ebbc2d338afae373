"""The tables. Moments are aware UTC; names are those of `service.message`."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)


class UtcMoment(TypeDecorator[datetime]):
    """An aware UTC datetime: `timestamptz` in PostgreSQL, sortable text in SQLite, which knows no zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive moment: nobody could tell what it means."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a moment needs its zone: {value!r}")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give UTC back, whatever zone the session has."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


WAITS = text("status = 'queued'")
READY = text("status = 'queued' AND shelf IS NULL")
SHELVED = text("status = 'queued' AND shelf IS NOT NULL")
IN_DOUBT = text("status IN ('sending', 'unanswered')")
FAILED = text("status = 'failed'")
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

metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s"}
)


def _id(name: str, **options: Any) -> Column[str]:
    return Column(name, String(64), **options)


def _name(name: str, **options: Any) -> Column[str]:
    return Column(name, String(512), **options)


def _pause_key(name: str, **options: Any) -> Column[str]:
    """A template's name (512) with its language and its account, or a scope before a key."""
    return Column(name, String(700), **options)


events = Table(
    "events",
    metadata,
    _id("event_id", primary_key=True),
    _id("source", nullable=False),
    Column("receipt_id", String(256)),
    _id("body_sha256", nullable=False),
    Column("received_at", UtcMoment, nullable=False),
    Column("added_at", UtcMoment, nullable=False),
    _name("application_id"),
    _name("campaign_id"),
    _name("journey_id"),
    _name("treatment_id"),
    _name("activity_id"),
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
    _id("key", primary_key=True),
    _id("message_id", nullable=False),
    Column("expires_at", UtcMoment, nullable=False),
)
"""What makes the same message the same (G3): while a row holds, its key answers `duplicate`."""

messages = Table(
    "messages",
    metadata,
    _id("message_id", primary_key=True),
    _id("event_id", nullable=False, index=True),
    _name("recipient", nullable=False),
    Column("to", String(160), nullable=False),
    _id("phone_number_id", nullable=False),
    _name("template_name", nullable=False),
    _id("language", nullable=False),
    Column("components", Text, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    _name("campaign_id"),
    _name("reference"),
    _id("key", nullable=False),
    Column("created_at", UtcMoment, nullable=False),
    Column("due_at", UtcMoment, nullable=False),
    Column("expires_at", UtcMoment, nullable=False),
    Column("status", String(16), nullable=False),
    Column("status_at", UtcMoment, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("tries", Integer, nullable=False, server_default=text("0")),
    Column("lease_epoch", BigInteger),
    Column("country", String(2)),
    _pause_key("shelf"),
    Column("category", String(32)),
    Column("code", Integer),
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
        "status",
        "status_at",
        sqlite_where=IN_DOUBT,
        postgresql_where=IN_DOUBT,
    ),
)
"""One row per message. `attempts` numbers its HTTP calls, `tries` counts those that count. The partial indexes hold
only what still needs work, so claiming costs the same however many finished messages there are. `shelf` names the pause that
a queued message was put aside for (`pauses.shelve`): a claim need not walk past a paused campaign. `code` is Meta's, of the
failure by which the message came to `failed`, and says nothing in any other status."""

attempts = Table(
    "attempts",
    metadata,
    _id("message_id", primary_key=True),
    Column("attempt", Integer, primary_key=True),
    _id("phone_number_id", nullable=False),
    Column("started_at", UtcMoment, nullable=False),
    Column("finished_at", UtcMoment),
    Column("duration_ms", Integer),
    Column("outcome", String(16)),
    Column("http_status", SmallInteger),
    Column("code", Integer),
    Column("title", Text),
    Column("details", Text),
    _id("fbtrace_id"),
    Column("wamid", String(256), index=True),
    Column("sent_at", UtcMoment),
    Column("delivered_at", UtcMoment),
    Column("read_at", UtcMoment),
    Column("failed_at", UtcMoment),
    _id("door"),
    Index("ix_attempts_number", "phone_number_id", "started_at"),
    Index("ix_attempts_code", "code", "message_id", sqlite_where=CODED, postgresql_where=CODED),
)
"""One row per HTTP call, written when the message is claimed, so that every answer and notification finds its attempt.
`door` is the call it went through (`message.Door`), empty until the answer is in."""

rejections = Table(
    "rejections",
    metadata,
    _id("event_id", primary_key=True),
    Column("position", Integer, primary_key=True),
    _name("recipient", nullable=False),
    _id("code", nullable=False),
    Column("path", Text, nullable=False),
    Column("detail", Text, nullable=False),
)

moves = Table(
    "moves",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    _name("campaign_id", nullable=False),
    Column("quarter", UtcMoment, nullable=False),
    Column("origin", String(16), nullable=False),
    Column("target", String(16), nullable=False),
    _id("code", nullable=False),
    Column("number", Integer, nullable=False),
)
"""How many messages of a campaign ("" for none) moved from one status to another within a quarter of an hour: a row for each
statement that moved some, written by triggers of the database (migration 0004), so that no move is left out. `origin` is "" for
what is new. `code` is that of the failure where either side is `failed`.

A rejection moves from "" to `rejected`, with its own code; the recipients of an event from "" to `recipients`. `tally.fold`
adds the rows up and takes them away.
"""

tallies = Table(
    "tallies",
    metadata,
    _name("campaign_id", primary_key=True),
    Column("quarter", UtcMoment, primary_key=True),
    Column("origin", String(16), primary_key=True),
    Column("target", String(16), primary_key=True),
    _id("code", primary_key=True),
    Column("number", BigInteger, nullable=False),
    Index("ix_tallies_quarter", "quarter"),
)
"""The sums of `moves`. What is counted anywhere is the sum of both."""

campaigns = Table(
    "campaigns",
    metadata,
    _name("campaign_id", primary_key=True),
    Column("first_at", UtcMoment, nullable=False),
    Column("last_at", UtcMoment, nullable=False),
    Index("ix_campaigns_first", "first_at", "campaign_id"),
)
"""The campaigns and journeys of `tallies`: the quarters of an hour in which something moved first and last."""

unmatched_statuses = Table(
    "unmatched_statuses",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
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

leases = Table(
    "leases",
    metadata,
    _id("phone_number_id", primary_key=True),
    _id("holder", nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("rate", Float),
)
"""Who serves a number until when, in seconds of the database's own clock. `epoch` grows with every change of hands; `rate` is
what the holder has found the number to carry, in messages a second."""

dispatchers = Table(
    "dispatchers", metadata, _id("holder", primary_key=True), Column("expires_at", Float, nullable=False)
)
"""Who could serve numbers, until when unless it tells again; timed like the leases."""

pauses = Table(
    "pauses",
    metadata,
    _id("scope", primary_key=True),
    _pause_key("key", primary_key=True),
    _id("reason", nullable=False),
    Column("detail", Text, nullable=False),
    Column("token_fingerprint", String(64)),
    Column("since", UtcMoment, nullable=False),
    Column("until", UtcMoment),
)
"""What waits. `until` lifts it by time; `token_fingerprint` is of the token that was refused: another one lifts it."""

portfolios = Table(
    "portfolios",
    metadata,
    _name("portfolio", primary_key=True),
    Column("daily_limit", Integer),
    Column("used", Integer, nullable=False, server_default=text("0")),
)
"""Meta's limit of different people in 24 hours, NULL for none, and how many of them are used: rows of `daily_recipients`."""

daily_recipients = Table(
    "daily_recipients",
    metadata,
    _name("portfolio", primary_key=True),
    Column("to", String(160), primary_key=True),
    Column("at", UtcMoment, nullable=False),
    _id("message_id", index=True),
    Index("ix_daily_recipients_age", "portfolio", "at"),
)
"""Who got a message of a portfolio's numbers within 24 hours, and when the last. `message_id` is the one that counted the
person, as long as it is the only one: if Meta does not take it, the person is not counted."""

doors = Table(
    "doors",
    metadata,
    _id("phone_number_id", primary_key=True),
    _name("template_name", primary_key=True),
    _id("language", primary_key=True),
    _id("door", nullable=False),
    Column("learned_at", UtcMoment, nullable=False),
)
"""Which call of a number Meta wants for a template, where it has told us that the other one was wrong."""

templates = Table(
    "templates",
    metadata,
    _id("waba_id", primary_key=True),
    _name("name", primary_key=True),
    _id("language", primary_key=True),
    Column("listing", Text, nullable=False),
)
"""The templates of an account as Meta lists them: `listing` is Meta's JSON of one."""

catalogues = Table(
    "catalogues",
    metadata,
    _id("waba_id", primary_key=True),
    Column("read_at", UtcMoment),
    Column("wanted_at", UtcMoment),
    Column("problem", Text),
)
"""When an account's templates were read last, since when they are to be read anew (a notification said so), and why the last
try failed."""

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
    _id("phone_number_id", nullable=False),
    Column("sender", String(160), nullable=False),
    Column("user_id", String(160)),
    _id("kind", nullable=False),
    Column("text", Text),
    Column("payload", Text),
    Column("at", UtcMoment, nullable=False),
    Column("received_at", UtcMoment, nullable=False),
    _id("message_id", index=True),
    Index("ix_inbound_messages_sender", "sender", "at"),
    Index("ix_inbound_messages_received", "received_at"),
)
"""What people wrote to our numbers, and which message of ours they answered, where Meta says so."""

outcomes = Table(
    "outcomes",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    _id("kind", nullable=False),
    Column("subject", String(256), nullable=False),
    Column("status", String(16)),
    Column("at", UtcMoment, nullable=False),
    Column("claimed_until", UtcMoment),
    Index("ix_outcomes_subject", "subject"),
)
"""What is still to be published, in the order in which it happened: `subject` is a message's id, or the wamid of a reply. A row
goes once it was published; `claimed_until` keeps two dispatchers from publishing the same."""

numbers = Table(
    "numbers",
    metadata,
    _id("phone_number_id", primary_key=True),
    Column("verified_name", String(100)),
    Column("display_phone_number", String(40)),
    Column("quality", String(30)),
    Column("status", String(30)),
    Column("throughput", String(30)),
    Column("tier", String(40)),
    Column("asked_at", UtcMoment, nullable=False),
    Column("problem", Text),
)
"""What Meta said of a number and when, in Meta's words; `problem` says why it said nothing when it was asked last."""

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
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at", UtcMoment, nullable=False),
    Column("who", String(128), nullable=False),
    Column("via", String(16), nullable=False),
    Column("action", String(40), nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),
)
"""Who did what: `via` the console, the API (`who` is the key's name) or a command. `subject` and `detail` hold no phone number
whole."""

readiness = Table(
    "readiness", metadata, Column("id", Integer, primary_key=True), Column("at", UtcMoment, nullable=False)
)
"""One row that `/readyz` writes, to know that the store can be written."""
