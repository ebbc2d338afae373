"""What is over and old is erased, what is not stays, and the counts are as before."""

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event, insert, select, update

from service.message import Event, Refusal, Status
from service.outbox import retention, tables, tally
from service.outbox.database import StoreUnavailable, open_engine
from service.outbox.inbound import Inbox
from service.outbox.outbox import Outbox
from service.outbox.report import Report
from service.outbox.retention import META_DONE_AFTER, RECEIPTS_KEPT, REPLIES_KEPT, Retention, first_id
from service.outbox.search import Filter, Search
from service.people import Inbound
from service.web.events import _OLDEST_RECEIPT
from service.wiring import moments
from tests.conftest import MAX_TRIES, Store
from tests.outbox.making import NOW, NUMBER, PORTFOLIO, Desk, at_once, later, message, news, rejection
from tests.outbox.recounting import counted
from tests.outbox.test_plans import analyse, explained

KEEP = timedelta(days=90)
OLD = NOW - KEEP - timedelta(seconds=1)
YOUNG = NOW - KEEP + timedelta(seconds=1)
BEYOND_META = NOW - max(KEEP, META_DONE_AFTER) - timedelta(days=1)


def made(at: datetime, n: int = 1) -> str:
    """An id of that moment."""
    return f"{int(first_id(at), 16) + n:032x}"


@dataclass
class Archive:
    """An outbox with a past, and what erases it."""

    desk: Desk
    keep: timedelta = KEEP
    _ids: int = 0
    retention: Retention = field(init=False)

    def __post_init__(self) -> None:
        self.retention = Retention(self.desk.store.engine, self.keep)

    @property
    def engine(self) -> Engine:
        return self.desk.store.engine

    def put(self, at: datetime = OLD, status: Status = Status.READ, number: int = 1, **changes: Any) -> list[str]:
        """An event of that moment with a rejection and so many messages, which stand at `status` since then; their ids."""
        ids = [made(at, self._ids + n) for n in range(1, number + 1)]
        facts = {"due_at": at, "expires_at": at + timedelta(days=1)} | changes
        items = [message(self._ids + n, message_id=name, **facts) for n, name in enumerate(ids, start=1)]
        own = {"event_id": made(at, self._ids), "received_at": at, "keys_expire_at": at + self.keep}
        self._ids += number + 1
        campaign = changes.get("campaign_id")
        self.desk.add(*items, rejection(), now=at, campaign_id=campaign, **own)
        attempt = {"attempt": 1, "phone_number_id": NUMBER, "started_at": at}
        with self.engine.begin() as connection:
            mine = tables.messages.c.message_id.in_(ids)
            connection.execute(update(tables.messages).where(mine).values(status=status.value, status_at=at))
            connection.execute(insert(tables.attempts), [{"message_id": name, **attempt} for name in ids])
        return ids

    def reply(self, wamid: str, at: datetime) -> None:
        Inbox(self.engine).take([Inbound(wamid, NUMBER, "+8613800000001", "text", at, text="hello")], {}, [], at)

    def erase(self, now: datetime = NOW) -> Counter[str]:
        erased = Counter[str]()
        for what, number in self.retention.steps(now):
            erased[what] += number
        return +erased

    def left(self) -> dict[str, int]:
        kept = (
            tables.messages,
            tables.attempts,
            tables.keys,
            tables.events,
            tables.rejections,
            tables.inbound_messages,
        )
        return {table.name: number for table in kept if (number := self.desk.count(table))}

    def ids(self) -> set[str]:
        with self.engine.connect() as connection:
            return set(connection.execute(select(tables.messages.c.message_id)).scalars())

    def counts(self) -> dict[str, tally.Tally]:
        with self.engine.connect() as connection:
            names = set(connection.execute(select(tables.tallies.c.campaign_id)).scalars())
            names |= set(connection.execute(select(tables.moves.c.campaign_id)).scalars())
            return tally.by_campaign(connection, names)


@pytest.fixture
def archive(store: Store) -> Archive:
    lease = store.outbox.acquire_lease(NUMBER, "the first")
    assert lease is not None
    return Archive(Desk(store, lease))


# --- what goes and what stays -----------------------------------------------------------------------------------------

ENDED = (Status.READ, Status.DELIVERED, Status.FAILED, Status.EXPIRED, Status.SUPPRESSED, Status.CANCELLED)
WITH_META = (Status.ACCEPTED, Status.SENT, Status.HELD)
NOT_OVER = (Status.SENDING, Status.UNANSWERED)


def test_every_status_is_in_one_of_the_rows_below() -> None:
    assert Counter([*ENDED, *WITH_META, *NOT_OVER, Status.QUEUED]) == Counter(Status)


@pytest.mark.parametrize("status", ENDED)
def test_what_has_ended_goes_after_its_time_with_all_that_belongs_to_it(archive: Archive, status: Status) -> None:
    archive.put(OLD, status)
    young = archive.put(YOUNG, status)
    assert archive.erase() == {"messages": 1, "events": 1}
    assert archive.left() == {"messages": 1, "attempts": 1, "keys": 1, "events": 1, "rejections": 1}
    assert archive.ids() == set(young)


@pytest.mark.parametrize("status", WITH_META)
def test_what_meta_has_goes_once_meta_can_tell_nothing_more_of_it(archive: Archive, status: Status) -> None:
    archive = Archive(archive.desk, keep=timedelta(days=1))
    archive.put(NOW - META_DONE_AFTER - timedelta(seconds=1), status)
    young = archive.put(NOW - META_DONE_AFTER + timedelta(seconds=1), status)
    assert archive.erase()["messages"] == 1
    assert archive.ids() == set(young)


@pytest.mark.parametrize("status", NOT_OVER)
def test_what_is_not_over_stays_however_old_it_is_and_so_does_its_event(archive: Archive, status: Status) -> None:
    archive.put(NOW - timedelta(days=3000), status)
    assert archive.erase() == {}
    assert archive.left() == {"messages": 1, "attempts": 1, "keys": 1, "events": 1, "rejections": 1}


def test_what_is_queued_goes_once_its_time_to_live_is_over_for_so_long_and_counts_as_expired(archive: Archive) -> None:
    archive.put(OLD - timedelta(days=1), Status.QUEUED, expires_at=OLD)
    young = archive.put(OLD - timedelta(days=1), Status.QUEUED, expires_at=YOUNG)
    assert archive.erase()["messages"] == 1
    assert archive.ids() == set(young)
    assert archive.counts()[""].statuses == {"queued": 1, "expired": 1}


def test_what_was_sent_again_is_as_young_as_that(archive: Archive) -> None:
    (again,) = archive.put(OLD, Status.FAILED)
    with archive.engine.begin() as connection:
        connection.execute(update(tables.messages).values(status="read", status_at=NOW))
    assert archive.erase() == {}
    assert archive.ids() == {again}


def test_an_event_stays_until_the_last_of_its_messages_is_gone(archive: Archive) -> None:
    first, _ = archive.put(OLD, number=2)
    with archive.engine.begin() as connection:
        mine = tables.messages.c.message_id == first
        connection.execute(update(tables.messages).where(mine).values(status="unanswered"))
    assert archive.erase() == {"messages": 1}
    assert archive.left() == {"messages": 1, "attempts": 1, "keys": 1, "events": 1, "rejections": 1}


def test_a_refused_event_goes_with_its_body(archive: Archive) -> None:
    outbox = archive.desk.store.outbox
    for at in (OLD, YOUNG):
        facts = Event(made(at), "pinpoint", at, at, receipt_id=f"evt_{at}")
        outbox.refuse(Refusal(facts, []), 422, "{}", '{"to": "+8613800138000"}', at)
    assert archive.erase() == {"events": 1}
    assert [row.event_id for row in archive.desk.store.report.refused(10)] == [made(YOUNG)]


def test_a_receipt_is_known_for_as_long_as_the_shim_may_deliver_it_whatever_the_settings_say(archive: Archive) -> None:
    assert RECEIPTS_KEPT > _OLDEST_RECEIPT
    archive = Archive(archive.desk, keep=timedelta(days=1))
    archive.put(NOW - RECEIPTS_KEPT + timedelta(minutes=1))
    assert archive.erase() == {"messages": 1}
    assert archive.erase(later(minutes=2)) == {"events": 1}


def test_replies_go_by_their_own_age_and_not_while_meta_may_repeat_them(archive: Archive) -> None:
    archive.reply("wamid.old", OLD)
    archive.reply("wamid.young", YOUNG)
    assert archive.erase() == {"replies": 1}
    archive = Archive(archive.desk, keep=timedelta(days=1))
    archive.reply("wamid.of-this-week", NOW - REPLIES_KEPT + timedelta(seconds=1))
    assert archive.erase() == {"replies": 1}
    assert archive.left() == {"inbound_messages": 1}


def test_a_key_that_another_message_holds_by_now_stays(archive: Archive) -> None:
    archive.put(OLD, key="the same")
    (second,) = archive.put(later(seconds=1), key="the same")
    assert archive.erase(later(seconds=2)) == {"messages": 1, "events": 1}
    assert archive.ids() == {second}
    assert archive.left()["keys"] == 1


def test_people_who_count_no_longer_are_forgotten_where_nothing_is_sent_any_more(archive: Archive) -> None:
    archive.desk.allow(10)
    archive.desk.add(message(1))
    archive.desk.claim(portfolio=PORTFOLIO)
    assert archive.desk.used() == 1
    assert archive.erase(later(hours=23)) == {}
    assert archive.erase(later(hours=24)) == {"people": 1}
    assert (archive.desk.used(), archive.desk.count(tables.daily_recipients)) == (0, 0)
    archive.desk.add(message(2, expires_at=later(days=3)))
    archive.desk.claim(now=later(hours=24), portfolio=PORTFOLIO)
    assert archive.desk.used() == 1


def test_what_was_never_published_goes_too(publishing: Desk) -> None:
    archive = Archive(publishing)
    archive.put(OLD)
    archive.reply("wamid.old", OLD)
    (name,) = archive.ids()
    with archive.engine.begin() as connection:
        connection.execute(insert(tables.outcomes).values(kind="status", subject=name, status="read", at=OLD))
    assert publishing.count(tables.outcomes) == 2
    archive.erase()
    assert publishing.count(tables.outcomes) == 0


def test_suppressions_audit_and_campaigns_stay(archive: Archive) -> None:
    kept = {"suppressions", "audit", "tallies", "moves", "campaigns", "templates", "numbers", "pauses"}
    assert kept <= set(tables.metadata.tables)
    archive.put(OLD, campaign_id="summer")
    with archive.engine.begin() as connection:
        facts = {"to": "+8613800000001", "blocked": "all", "source": "stop_reply", "since": OLD, "added_at": OLD}
        connection.execute(insert(tables.suppressions).values(**facts))
        deed = {"at": OLD, "who": "anna", "via": "console", "action": "pause", "subject": "summer", "detail": ""}
        connection.execute(insert(tables.audit).values(**deed))
    archive.desk.store.outbox.fold_moves()
    archive.erase()
    assert [archive.desk.count(t) for t in (tables.suppressions, tables.audit, tables.campaigns)] == [1, 1, 1]


# --- what others see of it --------------------------------------------------------------------------------------------


def test_the_counts_are_as_before(archive: Archive) -> None:
    for n, status in enumerate(Status):
        archive.put(BEYOND_META - timedelta(minutes=n), status, number=n + 1, campaign_id=f"c{n % 3}")
    with archive.engine.connect() as connection:
        before = counted(connection)
    archive.erase()
    after = archive.counts()
    for name, one in before.items():
        one.statuses["expired"] += one.statuses.pop("queued", 0)
        assert (after[name].recipients, after[name].messages, after[name].rejected) == (
            one.recipients,
            one.messages,
            one.rejected,
        )
        assert +after[name].statuses == +one.statuses


@pytest.mark.parametrize("folded", [False, True])
def test_a_campaign_is_told_from_its_counts_once_its_events_are_gone(archive: Archive, folded: bool) -> None:
    search = Search(archive.engine)
    archive.put(OLD - timedelta(days=3), Status.FAILED, number=3, campaign_id="summer")
    archive.put(OLD, Status.READ, number=2, campaign_id="summer")
    before = search.campaign("summer")
    if folded:
        archive.desk.store.outbox.fold_moves()
    archive.erase()
    after = search.campaign("summer")
    assert before is not None
    assert after is not None
    assert (after.events, after.recipients, after.rejected, after.counts) == (0, 7, 2, before.counts)
    assert timedelta() <= before.received_at - after.received_at < tally.QUARTER
    assert timedelta() <= before.last_received_at - after.last_received_at < tally.QUARTER
    row = archive.desk.store.report.campaign("summer")
    assert row is not None
    assert (row.tally.messages, row.template, row.source) == (5, None, None)
    assert archive.desk.store.report.campaigns(10)[0].campaign_id == "summer"


def test_a_campaign_whose_first_events_are_gone_began_when_it_began(archive: Archive) -> None:
    archive.put(OLD, campaign_id="summer")
    archive.put(NOW, campaign_id="summer")
    archive.erase()
    facts = Search(archive.engine).campaign("summer")
    assert facts is not None
    assert (facts.events, facts.last_received_at) == (1, NOW)
    assert timedelta() <= OLD - facts.received_at < tally.QUARTER


def test_what_is_gone_is_found_nowhere_and_its_late_news_fit_nothing(archive: Archive) -> None:
    (name,) = archive.put(OLD)
    (event_id,) = [row.event_id for row in archive.desk.store.report.batches(10)]
    archive.erase()
    report = archive.desk.store.report
    assert (report.message(name), report.event(event_id), report.batches(10)) == (None, None, [])
    assert Search(archive.engine).page(Filter(message_ids=[name]), 10).messages == []
    assert archive.desk.tell(news(f"{name}.1", Status.READ)).unmatched == 1


# --- how it is done ---------------------------------------------------------------------------------------------------


def test_an_id_sorts_by_the_moment_it_was_made() -> None:
    before = moments.now()
    name = moments.new_id()
    assert first_id(before - timedelta(milliseconds=1)) < name < first_id(moments.now() + timedelta(milliseconds=2))


def test_each_transaction_is_bounded_and_nothing_is_left_of_many(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "MESSAGES_AT_ONCE", 7)
    monkeypatch.setattr(retention, "EVENTS_AT_ONCE", 2)
    for n in range(5):
        archive.put(OLD - timedelta(minutes=n), number=6)
        archive.reply(f"wamid.{n}", OLD)
    steps = list(archive.retention.steps(NOW))
    assert max(number for what, number in steps if what == "messages") == 7
    assert max(number for what, number in steps if what == "events") == 2
    assert archive.left() == {}


def test_nothing_due_writes_nothing(archive: Archive) -> None:
    archive.put(YOUNG, number=3)
    archive.put(OLD, Status.UNANSWERED)
    began: list[bool] = []

    def begin(connection: Any) -> None:
        began.append(bool(connection.get_execution_options().get("read_only")))

    event.listen(archive.engine, "begin", begin)
    archive.erase()
    event.remove(archive.engine, "begin", begin)
    assert began
    assert all(began)


def test_a_walk_goes_on_where_it_ended_and_sees_what_it_left_a_day_later(archive: Archive) -> None:
    archive.put(OLD, Status.UNANSWERED)
    archive.erase()
    with archive.engine.begin() as connection:
        connection.execute(update(tables.messages).values(status="failed", status_at=OLD))
    assert archive.erase(later(hours=23)) == {}
    assert archive.erase(later(hours=24)) == {"messages": 1, "events": 1}


def test_a_clock_that_was_set_back_begins_anew(archive: Archive) -> None:
    archive.put(OLD)
    assert archive.erase(later(days=400)) == {"messages": 1, "events": 1}
    archive.put(OLD - timedelta(hours=1))
    assert archive.erase(NOW) == {"messages": 1, "events": 1}


def test_a_store_that_goes_away_in_between_loses_nothing(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "MESSAGES_AT_ONCE", 2)
    archive.put(OLD, number=6)
    steps = archive.retention.steps(NOW)
    next(steps)

    def fail(*_: Any) -> None:
        raise StoreUnavailable("gone")

    with monkeypatch.context() as broken:
        broken.setattr(retention, "_unpublish", fail)
        with pytest.raises(StoreUnavailable):
            next(steps)
    assert archive.left()["messages"] == archive.left()["attempts"] == archive.left()["keys"] == 4
    archive.erase()
    assert archive.left() == {}


def test_two_at_once_erase_everything_and_nothing_twice(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "MESSAGES_AT_ONCE", 20)
    monkeypatch.setattr(retention, "EVENTS_AT_ONCE", 3)
    for n in range(10):
        archive.put(OLD - timedelta(minutes=n), number=30, campaign_id="summer")
    before = archive.counts()
    erased = at_once([Archive(archive.desk).erase, Archive(archive.desk).erase])
    rest = Archive(archive.desk).erase()
    assert sum((one["messages"] for one in erased), rest["messages"]) == 300
    assert archive.left() == {}
    assert archive.counts() == before


def test_a_message_that_another_is_at_is_passed_over(archive: Archive) -> None:
    if archive.engine.dialect.name == "sqlite":
        pytest.skip("it has one writer")
    busy, idle = archive.put(OLD, number=2)
    with archive.engine.begin() as connection:
        connection.execute(select(tables.messages).where(tables.messages.c.message_id == busy).with_for_update())
        assert archive.erase() == {"messages": 1}
    assert archive.ids() == {busy}
    assert idle not in archive.ids()
    assert archive.erase(later(days=1)) == {"messages": 1, "events": 1}


@given(
    past=st.lists(
        st.tuples(
            st.sampled_from(Status), st.integers(0, 200), st.integers(0, 100), st.integers(1, 3), st.sampled_from("abc")
        ),
        max_size=8,
    ),
    days=st.integers(1, 120),
    few=st.integers(1, 4),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_past_only_what_is_over_goes_and_counts_stay(
    tmp_path_factory: pytest.TempPathFactory, migrated: Path, past: Any, days: int, few: int
) -> None:
    url = f"sqlite:///{shutil.copy(migrated, tmp_path_factory.mktemp('past'))}"
    engine = open_engine(url)
    store = Store(url, engine, Outbox(engine, max_tries=MAX_TRIES), Report(engine))
    lease = store.outbox.acquire_lease(NUMBER, "the first")
    assert lease is not None
    archive = Archive(Desk(store, lease), keep=timedelta(days=days))
    stay: set[str] = set()
    before_meta = max(days, META_DONE_AFTER.days)
    for status, age, moved, number, campaign_id in past:
        moved_ago = min(age, moved)
        ids = archive.put(NOW - timedelta(days=age, hours=1), status, number, campaign_id=campaign_id)
        with engine.begin() as connection:
            at = NOW - timedelta(days=moved_ago, hours=1)
            mine = tables.messages.c.message_id.in_(ids)
            values = {"status_at": at, "expires_at": at}
            connection.execute(update(tables.messages).where(mine).values(values))
        over = {
            **dict.fromkeys((*ENDED, Status.QUEUED), moved_ago >= days),
            **dict.fromkeys(WITH_META, moved_ago >= before_meta),
        }.get(status, False)
        stay |= set() if over else set(ids)
    before = {name: (one.recipients, one.messages, one.rejected) for name, one in archive.counts().items()}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(retention, "MESSAGES_AT_ONCE", few)
        archive.erase()
    assert archive.ids() == stay
    assert {name: (one.recipients, one.messages, one.rejected) for name, one in archive.counts().items()} == before
    with engine.connect() as connection:
        attempts = set(connection.execute(select(tables.attempts.c.message_id)).scalars())
        held = set(connection.execute(select(tables.keys.c.message_id)).scalars())
    assert attempts == held == stay
    assert archive.erase() == {}
    engine.dispose()


# --- what it reads ----------------------------------------------------------------------------------------------------

MANY = 10_000


@pytest.fixture
def full(archive: Archive) -> Archive:
    """Many messages and replies, of which a hundredth is old enough."""
    moments_of = [NOW - timedelta(days=91 if n % 100 == 0 else 30, seconds=n) for n in range(MANY)]
    ids = [made(at, n) for n, at in enumerate(moments_of)]
    for first in range(0, MANY, 100):
        some = (message(n, message_id=ids[n]) for n in range(first, first + 100))
        archive.desk.add(*some, event_id=made(OLD, first), now=OLD)
    facts = {"attempt": 1, "phone_number_id": NUMBER}
    reply = {"phone_number_id": NUMBER, "sender": "+8613800000001", "kind": "text"}
    with archive.engine.begin() as connection:
        connection.execute(update(tables.messages).values(status="read", status_at=OLD, attempts=1))
        connection.execute(
            insert(tables.attempts),
            [{"message_id": n, "started_at": at, **facts} for n, at in zip(ids, moments_of, strict=True)],
        )
        rows = [{"wamid": f"w{n}", "at": at, "received_at": at, **reply} for n, at in enumerate(moments_of)]
        connection.execute(insert(tables.inbound_messages), rows)
        people = [{"portfolio": PORTFOLIO, "to": f"+49{n}", "at": NOW, "message_id": None} for n in range(MANY)]
        connection.execute(insert(tables.portfolios).values(portfolio=PORTFOLIO, used=MANY))
        connection.execute(insert(tables.daily_recipients), people)
    analyse(archive.desk)
    return archive


def whole_tables(plans: list[str]) -> Iterator[str]:
    """The lines of plans that read a whole table; of events and portfolios there are few here."""
    for line in "\n".join(plans).splitlines():
        for name in ("messages", "attempts", "keys", "inbound_messages", "daily_recipients", "outcomes"):
            if f"Seq Scan on {name}" in line or line.startswith(f"SCAN {name}"):
                yield line


def test_it_never_reads_a_whole_table(full: Archive) -> None:
    with explained(full.engine) as plans:
        erased = full.erase()
    assert erased == {"messages": 100, "replies": 100}
    assert len(plans) > 5
    assert list(whole_tables(plans)) == []


def test_nothing_due_among_many_is_a_handful_of_looks_at_an_index(full: Archive) -> None:
    full.erase()
    with explained(full.engine) as plans:
        assert full.erase() == {}
    assert 1 <= len(plans) <= 5
    assert list(whole_tables(plans)) == []
