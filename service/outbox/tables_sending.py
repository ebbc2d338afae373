"""What dispatchers know and share: numbers and who serves them, pauses, limits, doors, templates, what is to be published."""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, String, Table, Text, text

from service.outbox.columns import UtcMoment, a_name, a_pause_key, an_id, metadata, row_id

leases = Table(
    "leases",
    metadata,
    an_id("phone_number_id", primary_key=True),
    an_id("holder", nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("rate", Float),
)
"""Who serves a number until when, in seconds of the database's own clock. `epoch` grows with every change of hands; `rate` is
what the holder has found the number to carry, in messages a second."""

dispatchers = Table(
    "dispatchers", metadata, an_id("holder", primary_key=True), Column("expires_at", Float, nullable=False)
)
"""Who could serve numbers, until when unless it tells again; timed like the leases."""

pauses = Table(
    "pauses",
    metadata,
    an_id("scope", primary_key=True),
    a_pause_key("key", primary_key=True),
    an_id("reason", nullable=False),
    Column("detail", Text, nullable=False),
    Column("token_fingerprint", String(64)),
    Column("since", UtcMoment, nullable=False),
    Column("until", UtcMoment),
)
"""What waits. `until` lifts it by time; `token_fingerprint` is of the token that was refused: another one lifts it."""

portfolios = Table(
    "portfolios",
    metadata,
    a_name("portfolio", primary_key=True),
    Column("daily_limit", Integer),
    Column("used", Integer, nullable=False, server_default=text("0")),
)
"""Meta's limit of different people in 24 hours, NULL for none, and how many of them are used: rows of `daily_recipients`."""

daily_recipients = Table(
    "daily_recipients",
    metadata,
    a_name("portfolio", primary_key=True),
    Column("to", String(160), primary_key=True),
    Column("at", UtcMoment, nullable=False),
    an_id("message_id", index=True),
    Index("ix_daily_recipients_age", "portfolio", "at"),
)
"""Who got a message of a portfolio's numbers within 24 hours, and when the last. `message_id` is the one that counted the
person, as long as it is the only one: if Meta does not take it, the person is not counted."""

doors = Table(
    "doors",
    metadata,
    an_id("phone_number_id", primary_key=True),
    a_name("template_name", primary_key=True),
    an_id("language", primary_key=True),
    an_id("door", nullable=False),
    Column("learned_at", UtcMoment, nullable=False),
)
"""Which call of a number Meta wants for a template, where it has told us that the other one was wrong."""

templates = Table(
    "templates",
    metadata,
    an_id("waba_id", primary_key=True),
    a_name("name", primary_key=True),
    an_id("language", primary_key=True),
    Column("listing", Text, nullable=False),
)
"""The templates of an account as Meta lists them: `listing` is Meta's JSON of one."""

catalogues = Table(
    "catalogues",
    metadata,
    an_id("waba_id", primary_key=True),
    Column("read_at", UtcMoment),
    Column("wanted_at", UtcMoment),
    Column("problem", Text),
)
"""When an account's templates were read last, since when they are to be read anew (a notification said so), and why the last
try failed."""

outcomes = Table(
    "outcomes",
    metadata,
    row_id(),
    an_id("kind", nullable=False),
    Column("subject", String(256), nullable=False),
    Column("status", String(16)),
    Column("at", UtcMoment, nullable=False),
    Column("claimed_until", UtcMoment),
    Index("ix_outcomes_subject", "subject"),
)
"""What is still to be published, in the order in which it happened: `subject` is a message's id, or the wamid of a reply. A row
goes once it was published; `claimed_until` keeps two dispatchers from publishing the same."""

readiness = Table(
    "readiness", metadata, Column("id", Integer, primary_key=True), Column("at", UtcMoment, nullable=False)
)
"""One row that `/readyz` writes, to know that the store can be written."""
