"""Meta in the model of a dispatcher: what it took, what it answers, what it has yet to tell. It knows the truth.

    request ──► Fate: taken or not ──► the answer, or none ──► news (StatusUpdate), in any order, some time

Each request is judged as it arrives: no message comes again unless what became of it before is an excuse for that.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from service.message import Status, StatusUpdate
from service.whatsapp.errors import retry_late
from tests.dispatch.cloud_api import CloudApi, Handler, Reply, drop, refuse, serving, text
from tests.dispatch.stage import SteppedClock

GRACE = timedelta(minutes=5)
PEERS, NEAR = 20, timedelta(minutes=1)
"""So many others, taken so near to it and told of, are evidence that Meta tells of all that it took."""

Story = tuple[tuple[Status, int | None], ...]
READ: Story = ((Status.SENT, None), (Status.DELIVERED, None), (Status.READ, None))
STORIES: tuple[Story, ...] = (
    READ,
    ((Status.SENT, None), (Status.DELIVERED, None)),
    ((Status.FAILED, 131016),),
    ((Status.SENT, None), (Status.FAILED, 131016)),
    ((Status.FAILED, 131026),),
    ((Status.SENT, None), (Status.FAILED, 131026)),
)
"""What Meta tells of one attempt: it arrives, it fails for a moment (131016), it fails for good (131026)."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one request. `is_clear`: whoever reads the answer knows whether Meta took it."""

    name: str
    taken: bool
    is_clear: bool
    answer: Reply

    def __repr__(self) -> str:
        return f"<{self.name}>"


def _messages(state: str | None) -> Reply:
    """A 200; without a state also without the wamid."""

    def reply(handler: Handler) -> None:
        one = {"id": wamid(handler.asked.attempt), "message_status": state}
        handler.reply(200, {"messages": [one] if state else []})

    return reply


def wamid(attempt: str) -> str:
    """Meta's name for what it took."""
    return f"wamid.{attempt}"


ACCEPTED = Fate("accepted", True, True, _messages("accepted"))
FATES = (
    ACCEPTED,
    Fate("held", True, True, _messages("held_for_quality_assessment")),
    Fate("taken, no wamid", True, False, _messages(None)),
    Fate("taken, reset", True, False, drop),
    Fate("taken, a proxy's page", True, False, text(502, "<html>bad gateway</html>")),
    Fate("taken, code 1 on 500", True, False, refuse(1, 500)),
    Fate("taken, code 2 on 503", True, False, refuse(2, 503)),
    Fate("lost, reset", False, False, drop),
    Fate("lost, a proxy's page", False, False, text(504, "<html>time-out</html>")),
    Fate("lost, code 2 on 500", False, False, refuse(2, 500)),
    Fate("the number is too fast", False, True, refuse(130429, 429)),
    Fate("the pair is too fast", False, True, refuse(131056)),
    Fate("unavailable", False, True, refuse(131016, 500)),
    Fate("the token is refused", False, True, refuse(190, 401)),
    Fate("refused", False, True, refuse(132000)),
)


@dataclass(slots=True)
class Known:
    """One attempt, as it really is."""

    claimed_at: datetime
    fate: Fate | None = None
    """None as long as no request has arrived."""
    story: Story = ()
    settled: bool = False
    """Its dispatcher lived to write down what it heard."""
    told: set[Status] = field(default_factory=set)
    may_go_again: bool = False
    """Meta has told that it failed, and would have worked later."""

    @property
    def taken(self) -> bool:
        return self.fate is not None and self.fate.taken

    @property
    def in_doubt(self) -> bool:
        """Nobody could know, without news, whether Meta took it."""
        return not self.told and not (self.settled and (self.fate is None or self.fate.is_clear))

    @property
    def stands(self) -> bool:
        """Meta has it, and it has not failed in a way that lets it go again."""
        return self.taken and not self.may_go_again


class _Prompt(Handler):
    """Head and body of an answer need not wait for each other: 40 ms less a request."""

    disable_nagle_algorithm = True


@contextmanager
def meta_answers() -> Iterator[CloudApi]:
    """A socket for `Meta.reply`."""
    server = CloudApi()
    server.RequestHandlerClass = _Prompt
    with serving(server):
        yield server


class Meta:
    """Answers as fated, keeps the truth of every attempt by its message and number, and accuses."""

    def __init__(self, clock: SteppedClock) -> None:
        self._clock = clock
        self.fates: deque[Fate] = deque()
        self.story: Story = READ
        self.attempts: dict[str, dict[int, Known]] = defaultdict(dict)
        self.untold: list[tuple[datetime, StatusUpdate]] = []
        self.excused: dict[str, int] = {}
        """The newest attempt of a message at the moment when an operator had it sent again."""
        self.accusations: list[str] = []
        self.came: dict[str, Callable[[], None]] = {}
        """What happens when this attempt's request has come and has no answer yet."""

    def of(self, attempt: str) -> Known:
        message_id, _, number = attempt.partition(".")
        return self.attempts[message_id][int(number)]

    def excuse(self, message_id: str) -> None:
        """An operator wants it sent again, whatever became of it so far."""
        self.excused[message_id] = max(self.attempts[message_id], default=0)

    def claimed(self, attempt: str, at: datetime) -> None:
        message_id, _, number = attempt.partition(".")
        self.attempts[message_id][int(number)] = Known(at)

    def reply(self, handler: Handler) -> None:
        """One request: judged, taken or not, answered or not."""
        attempt, fate = handler.asked.attempt, self.fates.popleft() if self.fates else ACCEPTED
        self._judge(attempt)
        known = self.of(attempt)
        if known.fate is not None:
            self.accusations.append(f"{attempt} was written twice")
        known.fate = fate
        if fate.taken:
            known.story = self.story
            self._will_tell(attempt, known.story)
        self.came.pop(attempt, lambda: None)()
        fate.answer(handler)

    def _judge(self, attempt: str) -> None:
        message_id, _, number = attempt.partition(".")
        for n, earlier in self.attempts[message_id].items():
            if not self.excused.get(message_id, 0) < n < int(number):
                continue
            if earlier.stands:
                self.accusations.append(f"{attempt} was sent, though Meta has {message_id}.{n} ({earlier.fate})")
            elif earlier.in_doubt and not self._has_evidence(earlier):
                self.accusations.append(f"{attempt} was sent while {message_id}.{n} was in doubt, without evidence")

    def _has_evidence(self, doubtful: Known) -> bool:
        """Seen from outside: Meta had its time, and enough of what it took around it was told of."""
        if self._clock.time - doubtful.claimed_at < GRACE:
            return False
        everything = (known for attempts in self.attempts.values() for known in attempts.values())
        near = (one for one in everything if abs(one.claimed_at - doubtful.claimed_at) <= NEAR)
        return sum(one.taken and bool(one.told) for one in near) >= PEERS

    def _will_tell(self, attempt: str, story: Story) -> None:
        now = self._clock.time
        for n, (status, code) in enumerate(story, 1):
            wait = retry_late(code) if code else None
            at = now + timedelta(seconds=n)
            self.untold.append((now, StatusUpdate(status, at, wamid(attempt), attempt, code, retry_after=wait)))

    def has_told(self, news: Sequence[StatusUpdate]) -> None:
        """From here on the channel may know it."""
        for one in news:
            known = self.of(str(one.callback_data))
            known.told.add(one.status)
            known.may_go_again |= one.retry_after is not None
