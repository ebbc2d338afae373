"""Every migration keeps what is there and lets the version before go on working; the next one inherits this."""

import shutil
import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine, exc

from service.outbox.database import StoreUnavailable, transaction
from tests.outbox import upgrading
from tests.outbox.upgrading import Step

NEXT = """
import sqlalchemy as sa
from alembic import op

revision = "next"
down_revision = "{before}"
branch_labels = depends_on = None


def upgrade():
    {statement}
"""


@pytest.mark.parametrize("step", upgrading.steps(), ids=str)
def test_nothing_is_lost_and_the_version_before_goes_on_working(step: Step, empty: Engine) -> None:
    upgrading.judge(step, empty)


@pytest.mark.parametrize("step", upgrading.steps()[-1:], ids=str)
def test_what_the_version_before_writes_during_the_migration_is_kept(step: Step, empty: Engine) -> None:
    """It may have to wait; what it was told is there, is there, and counted."""
    upgrading.go_to(empty, step, step.before)
    messages = next(table for table in upgrading.look(empty) if table.name == "messages")
    written: list[int] = []
    begun, done = threading.Event(), threading.Event()

    def write() -> None:
        for n in range(1, 5_000):
            if done.is_set() and n > 20:
                return
            with transaction(empty) as connection:
                upgrading.write_meanwhile(connection, messages, n)
            written.append(n)
            begun.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert begun.wait(10)
    upgrading.go_to(empty, step, step.after)
    done.set()
    writer.join(20)
    stored = upgrading.read(empty, [messages])["messages"]
    assert sorted(row["message_id"] for row in stored) == sorted(f"message_id-{n}" for n in written)


@pytest.mark.parametrize(
    "statement",
    [
        'op.drop_column("messages", "reference")',
        'op.drop_table("keys")',
        'op.rename_table("attempts", "tries")',
        'op.execute("DELETE FROM events")',
        'op.execute("UPDATE messages SET recipient = 42")',
        'op.add_column("leases", sa.Column("zone", sa.String(8), nullable=False))',
        'op.create_index("one_each", "messages", ["language"], unique=True) or op.execute("DELETE FROM rejections")',
    ],
)
def test_a_migration_that_takes_something_away_is_found_out(statement: str, empty: Engine, tmp_path: Path) -> None:
    """So that the tests above can fail."""
    scripts = tmp_path / "scripts"
    shutil.copytree(upgrading.SCRIPTS, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    before = upgrading.steps()[-1].after
    (scripts / "versions" / "next.py").write_text(NEXT.format(before=before, statement=statement))
    step = upgrading.steps(scripts)[-1]
    assert (step.before, step.after) == (before, "next")
    with pytest.raises((AssertionError, exc.DBAPIError, StoreUnavailable)):
        upgrading.judge(step, empty)
