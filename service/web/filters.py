"""Which messages a call means: the fields of its body as a `Filter`, and a `Filter` in words."""

from dataclasses import fields as fields_of

from service.intake.address import HOW_TO_MEND, mask, parse_address
from service.message import Status
from service.outbox.search import Filter
from service.web.bodies import Fields

FILTERS = (
    *("status", "campaign_id", "event_id", "template", "phone_number_id", "to", "recipient", "reference", "code"),
    *("created_from", "created_until", "message_ids"),
)
"""The fields of a body that say which messages are meant."""

_SAID_IDS = 20
"""So many ids are named; more are counted."""
_MOST_IDS = 10_000
_LARGEST_CODE = 2**31 - 1
"""What the column of codes can hold."""


def filter_of(fields: Fields) -> Filter:
    """What the fields mean; what is wrong with them is kept there as faults."""
    return Filter(
        message_ids=fields.texts("message_ids", _MOST_IDS),
        statuses=_statuses(fields),
        event_id=fields.text("event_id"),
        campaign_id=fields.text("campaign_id"),
        template=fields.text("template"),
        phone_number_id=fields.text("phone_number_id"),
        to=_address(fields),
        recipient=fields.text("recipient"),
        reference=fields.text("reference"),
        code=fields.whole("code", 0, _LARGEST_CODE),
        created_from=fields.moment("created_from"),
        created_until=fields.moment("created_until"),
    )


def in_words(wanted: Filter) -> str:
    """What a filter says, for the audit: numbers are masked, also where a caller names people by them."""
    parts = []
    for one in fields_of(wanted):
        value = getattr(wanted, one.name)
        if one.name in {"to", "recipient", "reference"} and value:
            address = parse_address(value)
            value = mask(address) if address else value
        elif one.name in {"message_ids", "statuses"}:
            value = " ".join(sorted(value)) if len(value) <= _SAID_IDS else f"{len(value)} of them"
        if value not in {None, ""}:
            parts.append(f"{one.name} {value}")
    return ", ".join(parts)


def _statuses(fields: Fields) -> list[Status]:
    """One status or a list of them."""
    given = fields.given.get("status")
    names = [given] if isinstance(given, str) else fields.texts("status", len(Status))
    known = [name for name in names if name in set(Status)]
    if len(known) < len(names):
        fields.fault("status", "invalid_value", f"give one of {', '.join(Status)}, or a list of such")
    return [Status(name) for name in known]


def _address(fields: Fields) -> str | None:
    """The address as it is stored, from any usual way of writing it; what is none is not repeated."""
    written = fields.text("to")
    if written is None:
        return None
    address = parse_address(written)
    if address is None:
        fields.fault("to", "invalid_value", f"this {HOW_TO_MEND}")
    return address
