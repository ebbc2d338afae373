"""An event goes in whole, and once (G1, G3)."""

import json
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import select

from service.message import Fault, Message, Priority, Refusal, Template
from service.outbox import tables
from service.outbox.announce import Work
from service.outbox.outbox import Outbox, ReceiptConflict
from tests.outbox.making import NOW, NUMBER, Desk, at_once, event, later, message, rejection

ODD = "\U0001f600 漢字 \u202e ' \" \\ % %s :name {} \x01\t\n é"


def answer_of(text: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(text)
    return document


def outcomes(text: str) -> list[tuple[str, str | None]]:
    return [(result["status"], result.get("message_id")) for result in answer_of(text)["results"]]


def test_the_answer_tells_each_recipient_in_the_events_order(desk: Desk) -> None:
    receipt = desk.add(message(1), rejection(2), message(3), message(4, key="key00001"))
    assert (receipt.http_status, receipt.replayed, receipt.queued) == (202, False, 2)
    assert answer_of(receipt.answer) == {
        "event_id": "e00001",
        "accepted": 2,
        "duplicates": 1,
        "rejected": 1,
        "results": [
            {"recipient": "endpoint1", "status": "accepted", "message_id": "m00001"},
            {
                "recipient": "endpoint2",
                "status": "rejected",
                "code": "invalid_address",
                "path": "Endpoints.endpoint2.Address",
                "detail": "write it with +",
            },
            {"recipient": "endpoint3", "status": "accepted", "message_id": "m00003"},
            {"recipient": "endpoint4", "status": "duplicate", "message_id": "m00001"},
        ],
    }


def test_every_fact_of_a_message_is_stored(desk: Desk) -> None:
    full = message(
        priority=Priority.HIGH,
        campaign_id="summer",
        reference="order-17",
        due_at=later(hours=1),
        template=Template("order", "zh_CN", '[{"type":"body"}]'),
    )
    desk.add(full, now=later(seconds=3))
    row = desk.row(full)
    assert row["event_id"] == "e00001"
    assert (row["status"], row["attempts"], row["tries"], row["lease_epoch"]) == ("queued", 0, 0, None)
    assert row["created_at"] == row["status_at"] == later(seconds=3)
    [attempt] = desk.claim(now=later(hours=2))
    assert attempt.message == full


def test_an_event_of_rejections_only_is_kept(desk: Desk) -> None:
    receipt = desk.add(rejection(1), rejection(2))
    assert receipt.queued == 0
    facts = desk.store.report.event("e00001")
    assert facts is not None
    assert [row["position"] for row in facts.rejections] == [0, 1]
    assert facts.event["recipients"] == 2


def test_more_recipients_than_one_statement_takes(desk: Desk) -> None:
    desk.add(*(message(n) for n in range(0, 3000, 2)))
    receipt = desk.add(*(message(n, message_id=f"again{n}") for n in range(3000)))
    found = outcomes(receipt.answer)
    assert found[0::2] == [("duplicate", f"m{n:05}") for n in range(0, 3000, 2)]
    assert found[1::2] == [("accepted", f"again{n}") for n in range(1, 3000, 2)]
    assert desk.count(tables.messages) == 3000


@pytest.mark.parametrize("table", ["keys", "messages", "rejections", "UPDATE events"])
def test_nothing_is_half_stored_when_a_statement_fails_in_the_middle(desk: Desk, table: str) -> None:
    broken = table if table.startswith("UPDATE") else f"INSERT INTO {table}"

    def fail(*arguments: Any) -> None:
        if str(arguments[2]).startswith(broken):
            raise RuntimeError("the cable was pulled")

    sqlalchemy_event.listen(desk.store.engine, "before_cursor_execute", fail)
    with pytest.raises(RuntimeError, match="cable"):
        desk.add(message(1), rejection(2), message(1, message_id="twice"))
    sqlalchemy_event.remove(desk.store.engine, "before_cursor_execute", fail)
    assert desk.is_empty()
    assert desk.store.outbox.add(event(message(1), rejection(2)), NOW).replayed is False


def test_a_known_receipt_gets_the_same_answer_and_stores_nothing(desk: Desk) -> None:
    first = desk.store.outbox.add(event(message(1), rejection(2)), NOW)
    again = event(message(1, message_id="other"), rejection(2), event_id="another")
    second = desk.store.outbox.add(again, later(days=3))
    assert second.replayed
    assert (second.answer, second.http_status, second.queued) == (first.answer, 202, 0)
    assert (desk.count(tables.events), desk.count(tables.messages), desk.count(tables.rejections)) == (1, 1, 1)


def test_a_known_receipt_gets_the_answer_of_what_came_of_it(desk: Desk) -> None:
    """Not the one that was kept before it was known who holds the keys, and who must not get messages."""
    desk.add(message(1))
    of_duplicates = event(message(1, message_id="other"), message(3), n=2)
    first = desk.store.outbox.add(of_duplicates, NOW)
    second = desk.store.outbox.add(replace(of_duplicates, event=replace(of_duplicates.event, event_id="again")), NOW)
    assert second.replayed
    assert second.answer == first.answer
    assert outcomes(second.answer) == [("duplicate", "m00001"), ("accepted", "m00003")]


def test_a_known_receipt_with_another_body_is_a_conflict_and_stores_nothing(desk: Desk) -> None:
    desk.store.outbox.add(event(message(1)), NOW)
    with pytest.raises(ReceiptConflict):
        desk.store.outbox.add(event(message(2), event_id="another", body_sha256="f" * 64), NOW)
    assert (desk.count(tables.events), desk.count(tables.messages), desk.count(tables.keys)) == (1, 1, 1)


def test_the_same_receipt_id_of_another_source_is_another_receipt(desk: Desk) -> None:
    desk.store.outbox.add(event(message(1)), NOW)
    other = event(message(2), event_id="another", source="connect", body_sha256="f" * 64)
    assert desk.store.outbox.add(other, NOW).replayed is False


def test_events_without_a_receipt_id_are_never_replays(desk: Desk) -> None:
    desk.add(message(1), receipt_id=None)
    assert outcomes(desk.add(message(2), receipt_id=None).answer) == [("accepted", "m00002")]


def test_a_refused_event_is_kept_with_body_and_answer_and_replays_the_same(desk: Desk) -> None:
    refusal = Refusal(event().event, [Fault("Endpoints", "missing", "name some")])
    first = desk.store.outbox.refuse(refusal, 422, '{"title": "漢字"}', "{\0}", NOW)
    second = desk.store.outbox.refuse(replace(refusal, event=event(event_id="x").event), 422, "other", "{}", NOW)
    assert (first.replayed, second.replayed) == (False, True)
    assert (second.http_status, second.answer) == (422, '{"title": "漢字"}')
    facts = desk.store.report.event("e00001")
    assert facts is not None
    assert (facts.event["refused_body"], facts.event["http_status"]) == ("{\\0}", 422)


def test_a_refused_event_with_another_body_is_a_conflict(desk: Desk) -> None:
    desk.store.outbox.refuse(Refusal(event().event, []), 422, "{}", "{}", NOW)
    with pytest.raises(ReceiptConflict):
        desk.store.outbox.refuse(Refusal(event(body_sha256="f" * 64).event, []), 422, "{}", "{}", NOW)


def test_a_duplicate_gets_the_first_messages_id(desk: Desk) -> None:
    desk.add(message(1))
    receipt = desk.add(message(1, message_id="second"), message(2))
    assert outcomes(receipt.answer) == [("duplicate", "m00001"), ("accepted", "m00002")]
    assert receipt.queued == 1
    assert desk.count(tables.messages) == 2


@pytest.mark.parametrize(("minutes", "status"), [(14.99, "duplicate"), (15, "accepted"), (16, "accepted")])
def test_the_window_of_a_key_counts_from_receipt_not_from_now(desk: Desk, minutes: float, status: str) -> None:
    """Also for an event that was parked: it is added a day later, but was received when it was."""
    desk.add(message(1))
    received_at = later(minutes=minutes)
    receipt = desk.add(message(1, message_id="second"), received_at=received_at, now=later(days=1))
    assert outcomes(receipt.answer) == [(status, "m00001" if status == "duplicate" else "second")]


def test_an_expired_key_is_taken_over_for_a_window_of_its_own(desk: Desk) -> None:
    desk.add(message(1))
    desk.add(message(1, message_id="second"), received_at=later(minutes=20), keys_expire_at=later(minutes=35))
    receipt = desk.add(message(1, message_id="third"), received_at=later(minutes=34))
    assert outcomes(receipt.answer) == [("duplicate", "second")]


def test_a_rejection_uses_up_no_key(desk: Desk) -> None:
    desk.add(rejection(1))
    assert outcomes(desk.add(message(1)).answer) == [("accepted", "m00001")]
    assert desk.count(tables.keys) == 1


def test_odd_characters_survive(desk: Desk) -> None:
    odd = message(1, recipient=ODD, reference=ODD, campaign_id=ODD, template=Template(ODD, "en_US", ODD))
    receipt = desk.add(odd, rejection(2, recipient=ODD, path=ODD, detail=ODD), receipt_id=ODD, application_id=ODD)
    assert [result["recipient"] for result in answer_of(receipt.answer)["results"]] == [ODD, ODD]
    [attempt] = desk.claim()
    assert attempt.message == odd
    facts = desk.store.report.event("e00001")
    assert facts is not None
    assert (facts.event["receipt_id"], facts.event["application_id"]) == (ODD, ODD)
    assert (facts.rejections[0]["path"], facts.rejections[0]["detail"]) == (ODD, ODD)


def test_a_moment_without_zone_is_refused(desk: Desk) -> None:
    with pytest.raises(Exception, match="a moment needs its zone"):
        desk.add(message(1, due_at=NOW.replace(tzinfo=None)))
    assert desk.is_empty()


def another(desk: Desk) -> Outbox:
    """As another process has it: two processes wait for each other in the database only."""
    return Outbox(desk.store.engine, max_tries=8)


def test_the_same_delivery_from_many_processes_is_stored_once(desk: Desk) -> None:
    results = [message(n) for n in range(20)]
    receipts = at_once(
        [partial(another(desk).add, event(*named(results, n), event_id=f"try{n}"), NOW) for n in range(8)]
    )
    assert len({receipt.answer for receipt in receipts}) == 1
    assert sorted(receipt.replayed for receipt in receipts) == [False] + [True] * 7
    assert (desk.count(tables.events), desk.count(tables.messages)) == (1, 20)


def test_the_same_event_by_different_deliveries_is_one_message_per_endpoint(desk: Desk) -> None:
    results = [message(n) for n in range(50)]
    receipts = at_once([partial(another(desk).add, event(*named(results, n), n=n), NOW) for n in range(8)])
    named_ids = [[message_id for _, message_id in outcomes(receipt.answer)] for receipt in receipts]
    assert all(ids == named_ids[0] for ids in named_ids)
    assert sum(receipt.queued for receipt in receipts) == 50
    assert (desk.count(tables.events), desk.count(tables.messages)) == (8, 50)


def named(results: list[Message], n: int) -> list[Message]:
    """The same recipients, each with the message id that the n-th delivery gives it."""
    return [replace(one, message_id=f"{one.message_id}by{n}") for one in results]


def test_events_with_overlapping_recipients_in_opposite_order_do_not_block_each_other(desk: Desk) -> None:
    results = [message(n) for n in range(200)]
    orders = [results, results[::-1]] * 3
    receipts = at_once([partial(another(desk).add, event(*named(orders[n], n), n=n), NOW) for n in range(len(orders))])
    assert sum(receipt.queued for receipt in receipts) == 200
    assert desk.count(tables.messages) == 200


def test_keys_are_claimed_in_their_order_whatever_the_events(desk: Desk) -> None:
    """As any lock is: what the test above can only meet by chance."""
    desk.add(*(message(n) for n in (5, 1, 4, 2, 3)))
    place = "rowid" if desk.store.engine.dialect.name == "sqlite" else "ctid"
    with desk.store.engine.connect() as connection:
        keys = connection.exec_driver_sql(f"SELECT key FROM keys ORDER BY {place}").scalars().all()
    assert keys == sorted(keys)
    assert len(keys) == 5


def test_work_is_announced_after_the_commit_and_only_where_there_is_some(desk: Desk) -> None:
    seen: list[tuple[Work, list[str]]] = []

    def look(work: Work) -> None:
        with desk.store.engine.connect() as connection:
            seen.append((work, list(connection.execute(select(tables.messages.c.message_id)).scalars())))

    outbox = Outbox(desk.store.engine, max_tries=8, announce=look)
    outbox.add(event(message(1)), NOW)
    outbox.add(event(message(1)), NOW)
    outbox.add(event(rejection(1), message(1, message_id="other"), n=2), NOW)
    assert seen == [({NUMBER: Priority.NORMAL}, ["m00001"])]
