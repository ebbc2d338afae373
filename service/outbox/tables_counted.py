"""What the console shows without counting: moves of messages and their sums, and Meta's word on each number."""

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text

from service.outbox.columns import UtcMoment, a_name, an_id, metadata, row_id

moves = Table(
    "moves",
    metadata,
    row_id(),
    a_name("campaign_id", nullable=False),
    Column("quarter", UtcMoment, nullable=False),
    Column("origin", String(16), nullable=False),
    Column("target", String(16), nullable=False),
    an_id("code", nullable=False),
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
    a_name("campaign_id", primary_key=True),
    Column("quarter", UtcMoment, primary_key=True),
    Column("origin", String(16), primary_key=True),
    Column("target", String(16), primary_key=True),
    an_id("code", primary_key=True),
    Column("number", BigInteger, nullable=False),
    Index("ix_tallies_quarter", "quarter"),
)
"""The sums of `moves`. What is counted anywhere is the sum of both."""

campaigns = Table(
    "campaigns",
    metadata,
    a_name("campaign_id", primary_key=True),
    Column("first_at", UtcMoment, nullable=False),
    Column("last_at", UtcMoment, nullable=False),
    Index("ix_campaigns_first", "first_at", "campaign_id"),
)
"""The campaigns and journeys of `tallies`: the quarters of an hour in which something moved first and last."""

numbers = Table(
    "numbers",
    metadata,
    an_id("phone_number_id", primary_key=True),
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
