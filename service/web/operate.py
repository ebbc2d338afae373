"""What an operator does by API: replay, cancel, decide, pause and resume a campaign. API key with scope `operate`.

Replay and cancel take a filter and change nothing until the body says `"confirm": true`; before that they say how many it
would be. Each action is logged with the name of the key and with numbers, never with a filter; before it is done, it is written
into the audit with what it means, numbers masked.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, Response, g, jsonify

from service.message import Pause, PauseReason, Scope, printable
from service.outbox.audit import Audit, Deed
from service.outbox.cancel import cancellable
from service.outbox.decisions import Decision, Undecidable, UnknownMessage
from service.outbox.outbox import Outbox
from service.outbox.replay import Replayed, replayable
from service.outbox.report import Report
from service.outbox.search import Filter
from service.web.auth import ApiKeys, needs_scope
from service.web.bodies import Fields, answer_bad_bodies, read_fields, unusable
from service.web.contract import Problem
from service.web.filters import FILTERS, filter_of, in_words
from service.web.openapi import OPERATE, SPEC, Answers
from service.web.operate_contract import (
    CancelAnswer,
    CancelRequest,
    DecideAnswer,
    DecideRequest,
    PausedCampaign,
    PauseRequest,
    ReplayAnswer,
    ReplayRequest,
    ResumedCampaign,
)
from service.web.problems import problem
from service.web.report_forms import pause_report
from service.web.reports import is_id
from service.whatsapp.errors import NEVER, NOT_BEFORE

_LONGEST_ID = 600
"""What the key of a pause can hold."""
_LONGEST_REASON = 1_000

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Operating:
    """What the handlers are given."""

    outbox: Outbox
    report: Report
    audit: Audit
    now: Callable[[], datetime]

    def note(self, action: str, subject: str, detail: str = "") -> None:
        """Write down that the key does this; raise StoreUnavailable, and then it had better not be done."""
        self.audit.record(Deed(self.now(), g.api_key.name, "api", action, subject, detail))


def blueprint(operating: Operating, keys: ApiKeys) -> Blueprint:
    """The routes of this file."""
    routes = Blueprint("operate", __name__)
    answer_bad_bodies(routes)
    for add in (_add_replay, _add_cancel, _add_decide, _add_pause, _add_resume):
        add(routes, operating, keys)
    return routes


def _add_replay(routes: Blueprint, operating: Operating, keys: ApiKeys) -> None:
    @routes.post("/v1/messages/replay")
    @SPEC.validate(
        json=ReplayRequest,
        resp=Answers(
            HTTP_200=ReplayAnswer,
            HTTP_400=Problem,
            HTTP_401=None,
            HTTP_403=Problem,
            HTTP_413=Problem,
            HTTP_422=Problem,
            HTTP_503=Problem,
        ),
        security={"api_key": []},
        tags=[OPERATE],
        skip_validation=True,
        operation_id="replay_messages",
    )
    @needs_scope(keys, "operate")
    def replay() -> Response:
        """Send again what failed or expired, and what was never answered where the body asks for it.

        Each message gets its tries and its time to live anew. Where Meta asks for a wait after a code, it goes after that. What
        has arrived, what Meta still has and what the recipient stopped is left out. Many take several transactions: after a
        503 the same call takes what is left. Scope `operate`.
        """
        wanted, do_it = _meant(replayable)
        if not do_it:
            would = operating.outbox.preview_replay(wanted, operating.now(), NOT_BEFORE, NEVER)
            return jsonify({"count": would.queued, **_replay_facts(would), "preview": True})
        operating.note("replay", in_words(wanted))
        done = operating.outbox.replay(wanted, operating.now(), NOT_BEFORE, NEVER)
        log.info("operate.replayed by=%s queued=%d left_out=%d", g.api_key.name, done.queued, done.left_out.total())
        return jsonify({"queued": done.queued, **_replay_facts(done), "preview": False})


def _add_cancel(routes: Blueprint, operating: Operating, keys: ApiKeys) -> None:
    @routes.post("/v1/messages/cancel")
    @SPEC.validate(
        json=CancelRequest,
        resp=Answers(
            HTTP_200=CancelAnswer,
            HTTP_400=Problem,
            HTTP_401=None,
            HTTP_403=Problem,
            HTTP_413=Problem,
            HTTP_422=Problem,
            HTTP_503=Problem,
        ),
        security={"api_key": []},
        tags=[OPERATE],
        skip_validation=True,
        operation_id="cancel_messages",
    )
    @needs_scope(keys, "operate")
    def cancel() -> Response:
        """Call off what is queued, also what waits for a pause. A cancelled message never goes.

        What is being sent just now still goes; where that fails for the moment it is queued again, and can be called off then.
        Many take several transactions: after a 503 the same call takes what is left. Scope `operate`.
        """
        wanted, do_it = _meant(cancellable)
        if not do_it:
            return jsonify({"count": operating.outbox.preview_cancel(wanted), "preview": True})
        operating.note("cancel", in_words(wanted))
        number = operating.outbox.cancel(wanted, operating.now())
        log.info("operate.cancelled by=%s cancelled=%d", g.api_key.name, number)
        return jsonify({"cancelled": number, "preview": False})


def _add_decide(routes: Blueprint, operating: Operating, keys: ApiKeys) -> None:
    @routes.post("/v1/messages/<message_id>/decide")
    @SPEC.validate(
        json=DecideRequest,
        resp=Answers(
            HTTP_200=DecideAnswer,
            HTTP_400=Problem,
            HTTP_401=None,
            HTTP_403=Problem,
            HTTP_404=Problem,
            HTTP_409=Problem,
            HTTP_413=Problem,
            HTTP_422=Problem,
            HTTP_503=Problem,
        ),
        security={"api_key": []},
        tags=[OPERATE],
        skip_validation=True,
        operation_id="decide_message",
        path_parameter_descriptions={"message_id": "from the answer to its event"},
    )
    @needs_scope(keys, "operate")
    def decide(message_id: str) -> Response:
        """Settle a message that is unanswered, as sent or failed, or send it again; one that is held, as sent or failed.

        Meta's later notifications still count. Scope `operate`.
        """
        decision = _decision(read_fields(("decision",)))
        unknown = problem(404, "No such message", "No message has this id; ids are in the answer to its event.")
        if not is_id(message_id):
            return unknown
        operating.note("decide", f"message {message_id}", decision.value)
        try:
            status = operating.outbox.decide(message_id, decision, operating.now())
        except UnknownMessage:
            return unknown
        except Undecidable as error:
            return problem(409, "Nothing to decide", str(error))
        log.info("operate.decided by=%s message_id=%s decision=%s", g.api_key.name, message_id, decision)
        return jsonify({"message_id": message_id, "status": status.value})


def _add_pause(routes: Blueprint, operating: Operating, keys: ApiKeys) -> None:
    @routes.post("/v1/campaigns/<path:campaign_id>/pause", merge_slashes=False)
    @SPEC.validate(
        json=PauseRequest,
        resp=Answers(
            HTTP_200=PausedCampaign,
            HTTP_400=Problem,
            HTTP_401=None,
            HTTP_403=Problem,
            HTTP_413=Problem,
            HTTP_422=Problem,
            HTTP_503=Problem,
        ),
        security={"api_key": []},
        tags=[OPERATE],
        skip_validation=True,
        operation_id="pause_campaign",
        path_parameter_descriptions={"campaign_id": "of the campaign or the journey, percent-encoded"},
    )
    @needs_scope(keys, "operate")
    def pause(campaign_id: str) -> Response:
        """Let a campaign's or a journey's messages wait until it is resumed, also those that come later.

        A campaign of which nothing has come yet can be paused, too; `waiting` is 0 then. What is being sent just now still
        goes. A message that expires meanwhile is not sent. Scope `operate`.
        """
        detail = _reason(read_fields(("reason",), may_be_empty=True))
        wanted = Pause(Scope.CAMPAIGN, _campaign_key(campaign_id), PauseReason.OPERATOR, detail, since=operating.now())
        operating.note("pause", f"{wanted.scope} {wanted.key}", detail)
        operating.outbox.pause(wanted)
        waiting = operating.report.waiting_for(wanted.scope, wanted.key)
        log.info("operate.paused by=%s waiting=%d", g.api_key.name, waiting)
        return jsonify({**pause_report(wanted), "waiting": waiting})


def _add_resume(routes: Blueprint, operating: Operating, keys: ApiKeys) -> None:
    @routes.post("/v1/campaigns/<path:campaign_id>/resume", merge_slashes=False)
    @SPEC.validate(
        resp=Answers(HTTP_200=ResumedCampaign, HTTP_401=None, HTTP_403=Problem, HTTP_422=Problem, HTTP_503=Problem),
        security={"api_key": []},
        tags=[OPERATE],
        skip_validation=True,
        operation_id="resume_campaign",
        path_parameter_descriptions={"campaign_id": "of the campaign or the journey, percent-encoded"},
    )
    @needs_scope(keys, "operate")
    def resume(campaign_id: str) -> Response:
        """Let a paused campaign or journey go on, whoever paused it.

        Takes no body. Scope `operate`.
        """
        key = _campaign_key(campaign_id)
        operating.note("resume", f"{Scope.CAMPAIGN} {key}")
        resumed = operating.outbox.resume([(Scope.CAMPAIGN, key)], even_an_operators=True)
        log.info("operate.resumed by=%s resumed=%d", g.api_key.name, resumed)
        return jsonify({"resumed": resumed})


def _meant(rule: Callable[[Filter], Filter]) -> tuple[Filter, bool]:
    """The messages that the body means, for an action with this rule, and whether it is to be done; raise BadBody."""
    fields = read_fields((*FILTERS, "confirm", "preview"))
    wanted, confirm, preview = filter_of(fields), fields.flag("confirm"), fields.flag("preview")
    if confirm and preview:
        fields.fault("preview", "invalid_value", "the call is confirmed and asks for a preview; say one of them")
    fields.check()
    try:
        return rule(wanted), confirm
    except ValueError as error:
        raise unusable("status" if wanted.is_narrow else "", "invalid_value", str(error)) from error


def _replay_facts(replayed: Replayed) -> dict[str, object]:
    left_out = {reason.value: number for reason, number in sorted(replayed.left_out.items())}
    return {"later": replayed.later, "left_out": left_out}


def _decision(fields: Fields) -> Decision:
    """What the body decides; raise BadBody."""
    given = fields.given.get("decision")
    if isinstance(given, str) and given in {decision.value for decision in Decision}:
        return Decision(given)
    raise unusable("decision", "invalid_value", f"give one of {', '.join(Decision)}")


def _reason(fields: Fields) -> str:
    """Why, in the caller's words; raise BadBody."""
    reason = printable(fields.text("reason") or "")
    if len(reason) > _LONGEST_REASON:
        fields.fault("reason", "invalid_value", f"give {_LONGEST_REASON:,} characters at most")
    fields.check()
    return reason


def _campaign_key(campaign_id: str) -> str:
    """The campaign as its messages name it; raise BadBody."""
    key = printable(campaign_id)
    if len(key) > _LONGEST_ID:
        raise unusable(
            "campaign_id", "invalid_value", f"the path's id has over {_LONGEST_ID} characters; none has so many"
        )
    return key
