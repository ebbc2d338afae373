"""The list of deeds: what was done stays in it, the newest first."""

import pytest

from service.outbox.audit import Audit, Deed
from tests.conftest import Store
from tests.outbox.making import NOW, later


@pytest.fixture
def audit(store: Store) -> Audit:
    return Audit(store.engine)


def deed(n: int) -> Deed:
    return Deed(later(seconds=n), "anna", "console", "campaign.paused", f"c{n}", "all countries")


def test_a_list_without_deeds_is_empty(audit: Audit) -> None:
    assert audit.page(10) == []


def test_a_deed_is_kept_as_it_was(audit: Audit) -> None:
    done = Deed(NOW, "billing", "api", "number.unmasked", "+86••••••••000")
    audit.record(done)
    ((_, kept),) = audit.page(10)
    assert kept == done


def test_pages_go_from_the_newest_to_the_oldest(audit: Audit) -> None:
    for n in range(5):
        audit.record(deed(n))
    first = audit.page(2)
    second = audit.page(2, before_id=first[-1][0])
    third = audit.page(2, before_id=second[-1][0])
    assert [[one.subject for _, one in page] for page in (first, second, third)] == [["c4", "c3"], ["c2", "c1"], ["c0"]]
    assert audit.page(2, before_id=third[-1][0]) == []


def test_deeds_of_one_moment_have_an_order_too(audit: Audit) -> None:
    for name in ("a", "b", "c"):
        audit.record(Deed(NOW, "anna", "command", "message.replayed", name))
    assert [one.subject for _, one in audit.page(3)] == ["c", "b", "a"]


def test_what_no_store_can_keep_is_written_as_it_can(audit: Audit) -> None:
    audit.record(Deed(NOW, "k" * 500, "api", "suppression.added", "half \ud83d and \0", "\0"))
    ((_, kept),) = audit.page(1)
    assert (kept.who, kept.subject, kept.detail) == ("k" * 128, "half \\ud83d and \\0", "\\0")


def test_looking_waits_for_no_writer(store: Store, audit: Audit) -> None:
    audit.record(deed(1))
    with store.engine.begin():  # holds SQLite's only write lock
        assert len(audit.page(1)) == 1
