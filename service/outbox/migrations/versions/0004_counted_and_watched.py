"""What the console keeps: counts of moves, campaigns, Meta's word on each number, sessions, what operators did.

Only adds, so that the version before goes on working beside it: triggers count its moves too. What is there already is counted
once; nothing is written meanwhile.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_QUARTER = {
    "postgresql": "date_bin('15 minutes', {0}, '2000-01-01T00:00Z')",
    "sqlite": "strftime('%Y-%m-%d %H', {0}) || substr('\\:00\\:15\\:30\\:45', 1 + strftime('%M', {0}) / 15 * 3, 3)"
    " || '\\:00.000000'",
}
"""The beginning of a moment's quarter of an hour, as its type is stored."""

_INTO = "INSERT INTO moves (campaign_id, quarter, origin, target, code, number)"
_CODE = "coalesce(CASE WHEN {n}.status = 'failed' THEN {n}.code WHEN {o}.status = 'failed' THEN {o}.code END || '', '')"


def upgrade() -> None:
    op.add_column("messages", sa.Column("code", sa.Integer(), nullable=True))
    _counts()
    _numbers()
    _people()
    _count_from_now_on()
    _count_what_is_there()


def _counts() -> None:
    op.create_table(
        "moves",
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        *_key_of_a_tally(),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "tallies",
        *_key_of_a_tally(),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("campaign_id", "quarter", "origin", "target", "code"),
    )
    op.create_index("ix_tallies_quarter", "tallies", ["quarter"])
    op.create_table(
        "campaigns",
        sa.Column("campaign_id", sa.String(length=512), nullable=False),
        sa.Column("first_at", _MOMENT, nullable=False),
        sa.Column("last_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("campaign_id"),
    )
    op.create_index("ix_campaigns_first", "campaigns", ["first_at", "campaign_id"])


def _key_of_a_tally() -> list[sa.Column[object]]:
    return [
        sa.Column("campaign_id", sa.String(length=512), nullable=False),
        sa.Column("quarter", _MOMENT, nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("target", sa.String(length=16), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
    ]


def _numbers() -> None:
    op.create_table(
        "numbers",
        sa.Column("phone_number_id", sa.String(length=64), nullable=False),
        sa.Column("verified_name", sa.String(length=100), nullable=True),
        sa.Column("display_phone_number", sa.String(length=40), nullable=True),
        sa.Column("quality", sa.String(length=30), nullable=True),
        sa.Column("status", sa.String(length=30), nullable=True),
        sa.Column("throughput", sa.String(length=30), nullable=True),
        sa.Column("tier", sa.String(length=40), nullable=True),
        sa.Column("asked_at", _MOMENT, nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("phone_number_id"),
    )


def _people() -> None:
    op.create_table(
        "sessions",
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("entry_sha256", sa.String(length=64), nullable=False),
        sa.Column("started_at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("token_sha256"),
    )
    op.create_index("ix_sessions_expiry", "sessions", ["expires_at"])
    op.create_table(
        "sign_in_failures",
        sa.Column("name_sha256", sa.String(length=64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name_sha256"),
    )
    op.create_table(
        "audit",
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("who", sa.String(length=128), nullable=False),
        sa.Column("via", sa.String(length=16), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _count_from_now_on() -> None:
    """PostgreSQL counts once a statement, SQLite once a row. To create a trigger locks its table against writers."""
    dialect = op.get_bind().dialect.name
    if dialect == "postgresql":
        _create_in_postgresql()
    else:
        _create_in_sqlite()


def _quarter(moment: str) -> str:
    return _QUARTER[op.get_bind().dialect.name].format(moment)


def _create_in_postgresql() -> None:
    code = _CODE.format(n="n", o="o")
    _function(
        "count_new_messages",
        f"""{_INTO} SELECT coalesce(campaign_id, ''), {_quarter("status_at")}, '', status, '', count(*)
            FROM new_rows GROUP BY 1, 2, 4""",
    )
    _function(
        "count_moved_messages",
        f"""{_INTO} SELECT coalesce(n.campaign_id, ''), {_quarter("n.status_at")}, o.status, n.status, {code}, count(*)
            FROM new_rows n JOIN old_rows o USING (message_id) WHERE n.status <> o.status GROUP BY 1, 2, 3, 4, 5""",
    )
    _function(
        "count_rejections",
        f"""{_INTO} SELECT coalesce(e.campaign_id, e.journey_id, ''), {_quarter("e.added_at")}, '', 'rejected', n.code, count(*)
            FROM new_rows n JOIN events e USING (event_id) GROUP BY 1, 2, 5""",
    )
    _function(
        "count_recipients",
        f"""{_INTO} SELECT coalesce(campaign_id, journey_id, ''), {_quarter("added_at")}, '', 'recipients', '', sum(recipients)
            FROM new_rows WHERE recipients > 0 GROUP BY 1, 2""",
    )
    new, both = "NEW TABLE AS new_rows", "NEW TABLE AS new_rows OLD TABLE AS old_rows"
    for name, table, event, rows in (
        ("count_new_messages", "messages", "INSERT", new),
        ("count_moved_messages", "messages", "UPDATE", both),
        ("count_rejections", "rejections", "INSERT", new),
        ("count_recipients", "events", "INSERT", new),
    ):
        op.execute(
            f"CREATE TRIGGER {name} AFTER {event} ON {table} REFERENCING {rows} FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
        )


def _function(name: str, statement: str) -> None:
    op.execute(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {statement}; RETURN NULL; END $$"
    )


def _create_in_sqlite() -> None:
    code = _CODE.format(n="NEW", o="OLD")
    of_event = "(SELECT coalesce(campaign_id, journey_id, '') FROM events WHERE event_id = NEW.event_id)"
    added = "(SELECT added_at FROM events WHERE event_id = NEW.event_id)"
    for name, when, values in (
        (
            "count_new_messages",
            "INSERT ON messages",
            f"coalesce(NEW.campaign_id, ''), {_quarter('NEW.status_at')}, '', NEW.status, '', 1",
        ),
        (
            "count_moved_messages",
            "UPDATE OF status ON messages WHEN NEW.status <> OLD.status",
            f"coalesce(NEW.campaign_id, ''), {_quarter('NEW.status_at')}, OLD.status, NEW.status, {code}, 1",
        ),
        ("count_rejections", "INSERT ON rejections", f"{of_event}, {_quarter(added)}, '', 'rejected', NEW.code, 1"),
        (
            "count_recipients",
            "INSERT ON events WHEN NEW.recipients > 0",
            f"coalesce(NEW.campaign_id, NEW.journey_id, ''), {_quarter('NEW.added_at')}, '', 'recipients', '', NEW.recipients",
        ),
    ):
        op.execute(f"CREATE TRIGGER {name} AFTER {when} BEGIN {_INTO} VALUES ({values}); END")


def _count_what_is_there() -> None:
    """A message that has come to something counts as having come to it at once."""
    of_newest = "attempts.message_id = messages.message_id AND attempts.attempt = messages.attempts"
    op.execute(f"UPDATE messages SET code = (SELECT code FROM attempts WHERE {of_newest}) WHERE status = 'failed'")
    into = "INSERT INTO tallies (campaign_id, quarter, origin, target, code, number)"
    code = "coalesce(CASE WHEN status = 'failed' THEN code END || '', '')"
    op.execute(
        f"{into} SELECT coalesce(campaign_id, ''), {_quarter('status_at')}, '', status, {code}, count(*)"
        " FROM messages GROUP BY 1, 2, 4, 5"
    )
    op.execute(
        f"{into} SELECT coalesce(e.campaign_id, e.journey_id, ''), {_quarter('e.added_at')}, '', 'rejected', r.code, count(*)"
        " FROM rejections r JOIN events e ON e.event_id = r.event_id GROUP BY 1, 2, 5"
    )
    op.execute(
        f"{into} SELECT coalesce(campaign_id, journey_id, ''), {_quarter('added_at')}, '', 'recipients', '', sum(recipients)"
        " FROM events WHERE recipients > 0 GROUP BY 1, 2"
    )
    op.execute(
        "INSERT INTO campaigns (campaign_id, first_at, last_at) SELECT campaign_id, min(quarter), max(quarter)"
        " FROM tallies WHERE campaign_id <> '' GROUP BY 1"
    )
    op.create_index("ix_messages_recipient", "messages", ["recipient", "message_id"])
    _index_where("ix_messages_failed", "messages", ["campaign_id", "message_id"], "status = 'failed'")
    alone = "campaign_id IS NULL AND journey_id IS NULL AND recipients > 0"
    _index_where("ix_events_alone", "events", ["event_id"], alone)
    _index_where("ix_events_refused", "events", ["event_id"], "http_status >= 400")


def _index_where(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
