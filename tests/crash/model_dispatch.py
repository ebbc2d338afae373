"""Two real dispatchers that can die or lose their number at any moment, and the promises that they must keep all the same.

`World` moves the clock, the notifications and the operator, and lets a dispatcher do one round at a time, while something
happens to it (`model_mortal`). `check` after each step, and `calm` at the end, hold the store against what `Meta` knows:

    nothing is lost        what was accepted is there, and comes to its end
    nothing goes twice     Meta gets a message again only where the attempt before left an excuse (`Meta._judge`)
    nobody intrudes        who has lost the number writes no request
    nothing is pretended   no message is said to be sent that Meta did not take
    nothing goes back      moves are those of `message.MOVES`; what was told of an attempt stays
"""

import itertools
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import select

from service.message import MOVES, Status, StatusUpdate
from service.outbox import tables
from service.outbox.decisions import Decision, Undecidable
from service.outbox.outbox import Outbox
from tests.conftest import MAX_TRIES, Store
from tests.crash.model_meta import GRACE, READ, Fate, Meta, Story
from tests.crash.model_mortal import Died, Happening, Life, Moment, MortalClient, MortalOutbox
from tests.crash.playing import empty
from tests.dispatch.cloud_api import CloudApi
from tests.dispatch.stage import Secret, Stage, SteppedClock
from tests.outbox.making import event, message
from tests.outbox.recounting import check_counts

TIME_TO_LIVE = timedelta(hours=6)
LEASE_AND_MORE = 16.0
"""Seconds after which a lease has run out, for its holder's own clock too."""
IN_ORDER = (Status.ACCEPTED, Status.SENT, Status.DELIVERED, Status.READ)
WITHOUT_META = {Status.FAILED, Status.EXPIRED, Status.CANCELLED, Status.UNANSWERED}


class World:
    """Two dispatchers, one store, one Meta, one operator, one clock."""

    def __init__(self, store: Store, server: CloudApi) -> None:
        self.engine = store.engine
        self._store = store
        self._server = server
        self.outbox = Outbox(store.engine, max_tries=MAX_TRIES)
        self.clock = SteppedClock()
        self.meta = Meta(self.clock)
        self.secret = Secret()
        self.accepted: set[str] = set()
        self.decided: set[str] = set()
        """Messages of which an operator has said what became of them, or that they go again."""
        self.met: Counter[str] = Counter()
        """How often what happened at which moment."""
        self._names = itertools.count(1)
        self._serving: dict[int, tuple[Stage, Life]] = {}
        self._before: dict[str, tuple[Status, int]] = {}
        self._moments: dict[tuple[str, int, str], datetime] = {}
        server.answers(then=self.meta.reply)
        empty(store.engine)

    def close(self) -> None:
        for stage, _ in self._serving.values():
            stage.close()
        self._serving.clear()

    def stage(self, who: int) -> Stage:
        """This dispatcher; a new process, where the one before has died."""
        if who not in self._serving:
            life = Life()
            store = replace(self._store, outbox=MortalOutbox(self._store.engine, life, self.meta))
            client = MortalClient(self._server.url, life, self.meta)
            name = f"dispatcher-{next(self._names)}"
            self._serving[who] = Stage(store, self._server, self.clock, self.secret, name, client), life
        return self._serving[who][0]

    def round(
        self,
        who: int,
        fates: Sequence[Fate] = (),
        story: Story = READ,
        moment: Moment | None = None,
        nth: int = 1,
        happening: Happening = Happening.DIES,
    ) -> int:
        """Claim, send and settle once, while something happens at the nth such moment. How many were attempted."""
        stage = self.stage(who)
        life = self._serving[who][1]
        self.meta.fates, self.meta.story = deque(fates), story
        life.expect(moment, nth, lambda: self._happen(happening, who, life, f"{moment}: {happening}"))
        self.pass_time(1)
        attempted = 0
        try:
            attempted = stage.run_once()
        except Died:
            assert life.is_over
        life.expect(None, 0, lambda: None)
        life.has_lost = False
        if life.is_over:
            self.bury(who)
        return attempted

    def _happen(self, happening: Happening, who: int, life: Life, what: str) -> None:
        self.met[what] += 1
        match happening:
            case Happening.DIES:
                life.is_over = True
            case Happening.NEWS:
                self.tell_what_is_older(timedelta(0))
            case Happening.LOSES | Happening.DOUBLES:
                self.pass_time(LEASE_AND_MORE)
                life.has_lost = True
                other = self.stage(1 - who)
                other.take_over()
                if happening is Happening.DOUBLES:
                    for message_id in sorted(self.accepted):
                        self.decide(message_id, Decision.RESEND)
                other.run_once()

    def bury(self, who: int) -> None:
        """It leaves what it has claimed, written and heard, wherever each stands."""
        if who in self._serving:
            self._serving.pop(who)[0].close()

    def pass_time(self, seconds: float) -> None:
        """Meta's promise goes with it: within the grace it tells of all that it took."""
        self.clock.step(seconds=seconds)
        self.tell_what_is_older(GRACE)

    def decide(self, message_id: str, decision: Decision) -> None:
        """As an operator, where there is anything to decide."""
        try:
            self.outbox.decide(message_id, decision, self.clock.time)
        except Undecidable:
            return
        self.decided.add(message_id)
        if decision is Decision.RESEND:
            self.meta.excuse(message_id)

    def add(self, n: int, receipt: int, numbers: Sequence[int]) -> None:
        """The n-th event, posted under this receipt; the first posting is the one that counts."""
        now, is_new = self.clock.time, f"m{numbers[0]}r{n}" not in self.accepted
        assert not is_new or receipt == n
        ends = now + TIME_TO_LIVE
        given = [message(one, message_id=f"m{one}r{receipt}", due_at=now, expires_at=ends) for one in numbers]
        window = {"received_at": now, "keys_expire_at": now + timedelta(days=9)}
        name = {"event_id": f"e{next(self._names)}", "receipt_id": f"evt_{receipt}", "body_sha256": f"{n}"}
        told = self.outbox.add(event(*given, n=n, **window, **name), now)
        assert told.queued == (len(given) if is_new else 0), "the same recipients of the same event are accepted once"
        if is_new:
            self.accepted |= {one.message_id for one in given}

    def send_all(self, who: int) -> int:
        """Without faults, as long as there is anything to send now. How many were attempted."""
        attempted = [0]
        while (now := self.round(who)) and len(attempted) < 50:
            attempted.append(now)
        return sum(attempted)

    def calm(self) -> None:
        """One dispatcher, no faults, everything told, nothing paused, and time enough: all is at its end."""
        self.secret.token = "token-of-the-end"
        for minutes in (0, 10, 60, 7 * 60, 1):
            self.pass_time(60 * minutes)
            stage = self.stage(0)
            stage.take_over()
            for pause in stage.pauses():
                stage.resume(pause.scope, pause.key)
            stage.tidy()
            self.send_all(0)
            self.tell_what_is_older(timedelta(0))
            self.check()
        self.outbox.forget_unmatched(self.clock.time)
        self.check()
        self._check_ends()
        check_counts(self.engine)

    def tell_what_is_older(self, than: timedelta) -> None:
        late = [news for taken_at, news in self.meta.untold if self.clock.time - taken_at >= than]
        self.meta.untold = [(at, news) for at, news in self.meta.untold if self.clock.time - at < than]
        if late:
            self.tell(late)

    def tell(self, news: Sequence[StatusUpdate]) -> None:
        """One notification of Meta's."""
        self.meta.has_told(news)
        self.outbox.apply_statuses(news, self.clock.time)

    def check(self) -> None:
        """Hold the store against the truth."""
        assert not self.meta.accusations, "; ".join(self.meta.accusations)
        with self.engine.connect() as connection:
            messages = connection.execute(select(tables.messages)).all()
            attempts = connection.execute(select(tables.attempts)).all()
            moves = connection.execute(select(tables.moves.c.origin, tables.moves.c.target).distinct()).all()
        for origin, target in moves:
            if origin:
                assert Status(target) in MOVES[Status(origin)], f"from {origin} to {target} there is no way"
        assert {row.message_id for row in messages} == self.accepted, "what was accepted is there, and nothing else"
        for row in messages:
            self._check_message(row.message_id, Status(row.status), row.attempts)
        for row in attempts:
            for name in ("sent_at", "delivered_at", "read_at", "failed_at"):
                tells, key = getattr(row, name), (row.message_id, row.attempt, name)
                assert self._moments.get(key, tells) == tells, f"{key} was told, and is told otherwise"
                if tells is not None:
                    self._moments[key] = tells

    def _check_message(self, message_id: str, status: Status, attempt: int) -> None:
        taken = any(known.taken for known in self.meta.attempts[message_id].values())
        if status in IN_ORDER or status is Status.HELD:
            assert taken or message_id in self.decided, f"{message_id} is only said to be {status}"
        before, of_attempt = self._before.get(message_id, (Status.QUEUED, 0))
        if of_attempt == attempt and before in IN_ORDER and status in IN_ORDER:
            assert IN_ORDER.index(before) <= IN_ORDER.index(status), f"{message_id} went back from {before} to {status}"
        self._before[message_id] = status, attempt

    def _check_ends(self) -> None:
        """All is quiet, Meta has told everything, and all time to live is over."""
        for message_id, (status, _) in self._before.items():
            known = self.meta.attempts[message_id]
            if message_id in self.decided:
                assert status in {*WITHOUT_META, *IN_ORDER[1:]}, f"{message_id} was decided, and is left at {status}"
                continue
            standing = [one for one in known.values() if one.stands]
            allowed = {standing[0].story[-1][0]} if standing else WITHOUT_META
            assert status in allowed, f"{message_id} is left at {status}: {known}"
            if status is Status.UNANSWERED:
                assert any(one.in_doubt for one in known.values()), f"{message_id} is no longer in doubt: {known}"
