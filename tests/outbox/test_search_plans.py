"""A search for few messages among many reads an index, not a whole table. Asserted on the database's own plan."""

import pytest
from sqlalchemy import insert

from service.outbox import tables
from service.outbox.search import Filter, Search
from tests.outbox.making import NOW, NUMBER, Desk, later, message
from tests.outbox.test_plans import analyse, explained

MANY = 10_000


@pytest.fixture
def full(desk: Desk) -> Desk:
    """Many messages, of which a hundredth has the campaign, the event and the code that are looked for."""
    rare = [n for n in range(MANY) if n % 100 == 0]
    desk.add(*(message(n, campaign_id="rare", reference=f"order-{n}") for n in rare), campaign_id="rare")
    desk.add(*(message(n, campaign_id="frequent") for n in range(MANY) if n % 100))
    facts = {"attempt": 0, "phone_number_id": NUMBER, "started_at": NOW}
    codes = [{"message_id": f"m{n:05}", "code": 131026 if n in rare else 131049, **facts} for n in range(MANY)]
    with desk.store.engine.begin() as connection:
        connection.execute(insert(tables.attempts), codes)
    analyse(desk)
    return desk


INDEXES: dict[str, Filter] = {
    "ix_messages_campaign": Filter(campaign_id="rare"),
    "ix_messages_to": Filter(to="+8613800000700"),
    "ix_messages_reference": Filter(reference="order-700"),
    "ix_messages_event_id": Filter(event_id="e00001"),
    "ix_attempts_code": Filter(code=131026),
}


def test_what_is_rare_is_found_by_its_index(full: Desk) -> None:
    search = Search(full.store.engine)
    for index, wanted in INDEXES.items():
        with explained(full.store.engine) as plans:
            assert search.page(wanted, 1000).messages
        assert index in plans[0], (index, plans[0])


def test_a_page_deep_in_many_messages_reads_no_whole_table(full: Desk) -> None:
    search = Search(full.store.engine)
    for wanted in (Filter(), Filter(campaign_id="frequent"), Filter(created_until=later(days=1))):
        with explained(full.store.engine) as plans:
            assert len(search.page(wanted, 100, "m05000").messages) == 100
        for plan in plans:
            for line in plan.splitlines():
                assert "Seq Scan" not in line, plan
                assert "USE TEMP B-TREE" not in line, plan


def test_a_campaign_is_told_without_counting_its_messages(full: Desk) -> None:
    with explained(full.store.engine) as plans:
        assert Search(full.store.engine).campaign("rare") is not None
    assert [plan for plan in plans if "messages" in plan] == []
