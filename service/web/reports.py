"""`GET /v1/messages/{id}`, `GET /v1/events/{id}`, `GET /v1/campaigns/{id}`: what became of them. API key with scope `read`.

Facts come from the outbox's report, their public form from `report_forms`. Phone numbers are masked unless the key has the
scope `pii`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from flask import Blueprint, Response, g, jsonify
from werkzeug.routing import BaseConverter

from service.message import Pause, Scope, Status, Template
from service.outbox.pauses import PauseKey
from service.outbox.report import Facts, MessageFacts, Report
from service.outbox.search import Search
from service.web.auth import ApiKeys, needs_scope
from service.web.contract import Problem
from service.web.openapi import REPORTS, SPEC, Answers
from service.web.problems import problem
from service.web.report_contract import CampaignReport, EventReport, MessageReport
from service.web.report_forms import campaign_report, event_report, message_report
from service.whatsapp.pausing import Account, Place

__all__ = ["Anything", "Reports", "blueprint", "event_report", "is_id", "message_report"]

_ID = re.compile(r"[0-9A-Za-z]{1,64}")


def is_id(name: str) -> bool:
    """Whether this can be an id of ours; nothing else is looked up, since not every store can compare any character."""
    return _ID.fullmatch(name) is not None


class Anything(BaseConverter):
    """`<path:…>` for what may hold everything, also slashes at its ends: callers choose the ids of campaigns."""

    regex = "(?s:.+)"
    part_isolating = False
    weight = 200


@dataclass(frozen=True, slots=True)
class Reports:
    """What the handlers are given. `accounts`: what the settings say of each phone number."""

    report: Report
    search: Search
    now: Callable[[], datetime]
    accounts: Mapping[str, Account] = field(default_factory=dict)

    def waits_for(self, facts: MessageFacts) -> list[Pause]:
        """The pauses that hold a queued message back."""
        return self.report.pauses(self.now(), self._keys(facts.message)) if _is_queued(facts) else []

    def all_wait_for(self, messages: Sequence[MessageFacts]) -> list[list[Pause]]:
        """For each of these messages the pauses that hold it back."""
        standing = self.report.pauses(self.now()) if any(map(_is_queued, messages)) else []
        return [_among(standing, self._keys(facts.message)) if _is_queued(facts) else [] for facts in messages]

    def pause_of_campaign(self, campaign_id: str) -> Pause | None:
        """The pause of a whole campaign, if one stands."""
        return next(iter(self.report.pauses(self.now(), [(Scope.CAMPAIGN, campaign_id)])), None)

    def _keys(self, message: Facts) -> Sequence[PauseKey]:
        place = Place(
            message["phone_number_id"],
            Template(message["template_name"], message["language"]),
            self.accounts.get(message["phone_number_id"], Account()),
            message["country"],
            message["campaign_id"],
        )
        return place.keys()


def _is_queued(facts: MessageFacts) -> bool:
    return bool(facts.message["status"] == Status.QUEUED)


def _among(pauses: Sequence[Pause], keys: Sequence[PauseKey]) -> list[Pause]:
    return [pause for pause in pauses if (pause.scope, pause.key) in keys]


def blueprint(reports: Reports, keys: ApiKeys) -> Blueprint:
    """The routes of this file."""
    report = reports.report
    routes = Blueprint("reports", __name__)

    @routes.get("/v1/messages/<message_id>")
    @SPEC.validate(
        resp=Answers(HTTP_200=MessageReport, HTTP_401=None, HTTP_403=Problem, HTTP_404=Problem, HTTP_503=Problem),
        security={"api_key": []},
        tags=[REPORTS],
        skip_validation=True,
        operation_id="get_message",
        path_parameter_descriptions={"message_id": "from the answer to its event"},
    )
    @needs_scope(keys, "read")
    def message(message_id: str) -> Response:
        """Tell what became of one message.

        Its attempts with Meta's statuses and, where it failed, why and what to do. Scope `read`.
        """
        facts = report.message(message_id) if is_id(message_id) else None
        if facts is None:
            return problem(404, "No such message", "No message has this id; ids are in the answer to its event.")
        return jsonify(message_report(facts, reports.waits_for(facts), unmasked="pii" in g.api_key.scopes))

    @routes.get("/v1/events/<event_id>")
    @SPEC.validate(
        resp=Answers(HTTP_200=EventReport, HTTP_401=None, HTTP_403=Problem, HTTP_404=Problem, HTTP_503=Problem),
        security={"api_key": []},
        tags=[REPORTS],
        skip_validation=True,
        operation_id="get_event",
        path_parameter_descriptions={"event_id": "from its answer"},
    )
    @needs_scope(keys, "read")
    def event(event_id: str) -> Response:
        """Tell what became of one event.

        Its messages counted by status, failures by code, rejections by name; or why it was refused. Scope `read`.
        """
        facts = report.event(event_id) if is_id(event_id) else None
        if facts is None:
            return problem(404, "No such event", "No event has this id; ids are in the answer to the event.")
        return jsonify(event_report(facts))

    _add_campaigns(routes, reports, keys)
    return routes


def _add_campaigns(routes: Blueprint, reports: Reports, keys: ApiKeys) -> None:
    @routes.get("/v1/campaigns/<path:campaign_id>", merge_slashes=False)
    @SPEC.validate(
        resp=Answers(HTTP_200=CampaignReport, HTTP_401=None, HTTP_403=Problem, HTTP_404=Problem, HTTP_503=Problem),
        security={"api_key": []},
        tags=[REPORTS],
        skip_validation=True,
        operation_id="get_campaign",
        path_parameter_descriptions={"campaign_id": "of the campaign or the journey, percent-encoded"},
    )
    @needs_scope(keys, "read")
    def campaign(campaign_id: str) -> Response:
        """Tell what came of a campaign or a journey, over all its events.

        Its messages counted by status, failures by code, and whether it is paused. Rejections are named in each event's own
        report; messages without a campaign are summed up in their event's. Scope `read`.
        """
        facts = reports.search.campaign(campaign_id)
        if facts is None:
            hint = "No event names this campaign or journey; a direct call without campaign_id is found by its event."
            return problem(404, "No such campaign", hint)
        return jsonify(campaign_report(facts, reports.pause_of_campaign(facts.campaign_id)))
