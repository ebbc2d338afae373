"""The ways a send can end other than accepted: one kind for each thing that the caller does about it. Pure.

    * SendError
      x Throttled      wait, then try again; does not count as a try
      x Unavailable    not accepted; back off and try again
      x Refused        will never be accepted; the message has failed
        x OptedOut     … because the recipient asked for no such messages
        x WrongDoor    … through this of the number's two calls; once, the other one is tried
      x Unauthorised   the token, the number or the account may not send now; it waits, its messages keep
      x Unanswered     may have been accepted; wait for the notification
      x NotSent        we held it back ourselves before a byte was written

Which code of Meta's is which kind stands in `errors.py`.
"""

from datetime import timedelta

from service.message import Outcome, Scope


class SendError(Exception):
    """An attempt that was not accepted, with Meta's facts about it.

    `scope` says whom it concerns, `wait` how long Meta's answer or the table asks to wait.
    """

    outcome: Outcome

    def __init__(
        self,
        title: str,
        *,
        details: str | None = None,
        code: int | None = None,
        http_status: int | None = None,
        fbtrace_id: str | None = None,
        wait: timedelta | None = None,
        scope: Scope = Scope.MESSAGE,
        subcode: int | None = None,
    ) -> None:
        super().__init__(title)
        self.title = title
        self.details = details
        self.code = code
        self.http_status = http_status
        self.fbtrace_id = fbtrace_id
        self.wait = wait
        self.scope = scope
        self.subcode = subcode


class Throttled(SendError):
    """A limit was reached. `scope` says whose."""

    outcome = Outcome.THROTTLED


class Unavailable(SendError):
    """Certainly not accepted, through nobody's lasting fault. `http_status` is None where Meta was not even reached."""

    outcome = Outcome.UNAVAILABLE


class Refused(SendError):
    """Will never be accepted as it is."""

    outcome = Outcome.REFUSED


class OptedOut(Refused):
    """The recipient stopped messages of this kind."""


class WrongDoor(Refused):
    """Meta takes this template through the other of the number's two calls only (`message.Door`)."""


class Unauthorised(SendError):
    """The token, the number or the account may not send now; with scope `token`, a new token mends it."""

    outcome = Outcome.UNAUTHORISED


class Unanswered(SendError):
    """The request was at least partly written and no usable answer came."""

    outcome = Outcome.UNANSWERED


class NotSent(SendError):
    """Held back by ourselves: the lease had run out, or the process was told to stop."""

    outcome = Outcome.NOT_SENT
