"""Whether a message's components fit its template, by Meta's rules, before Meta is asked. Pure.

`check` takes a Definition and the components of a message and hands on every Misfit. What Meta has and we do not know (a
component, a button, a format of header) passes: Meta judges it. Buttons are in template_buttons.py, values in
template_values.py.

Source: Meta's pages on template components, media card carousels, limited-time offers and authentication templates, read in
November 2026.
"""

from collections.abc import Iterator

from service.whatsapp.template_buttons import check_buttons, codes
from service.whatsapp.template_values import Misfit, Part, Scope, check_code, check_text, counted, mismatch, sole
from service.whatsapp.templates import Bubble, Definition, Offer, position_of, reach, read_components, upper

HEADER_LENGTH = 60
BODY_LENGTH = 1024
OFFER_BODY_LENGTH = 600
CARD_BODY_LENGTH = 160
"""Characters with the values filled in (components, limited-time offer and media card carousel pages, read 2026-11)."""

_MEDIA = {"IMAGE", "VIDEO", "GIF", "DOCUMENT"}
_LOCATION_FIELDS = ("latitude", "longitude", "name", "address")
_FIRST_MILLISECOND = 10**12
"""September 2001. What is smaller is a time in seconds."""

_ONCE = {"HEADER", "BODY", "LIMITED_TIME_OFFER", "CAROUSEL"}
_FIXED = {"FOOTER", "BUTTONS"}
"""Parts of a template that are no component of a message."""

_UNSENDABLE = {
    "PAUSED": "wait until Meta lifts the pause, or edit it",
    "DISABLED": "Meta lets nobody use it again, so send another one",
    "REJECTED": "edit it and let Meta review it again, or send another one",
    "PENDING": "wait until Meta has reviewed it",
    "IN_APPEAL": "wait until Meta has decided, or send another one",
    "LIMIT_EXCEEDED": "the account has too many templates, so delete some or send another one",
    "ARCHIVED": "unarchive it in WhatsApp Manager",
    "PENDING_DELETION": "it is being deleted, so send another one",
    "DELETED": "send another one",
}


def check(definition: Definition, components: str) -> list[Misfit]:
    """Everything that Meta would refuse about a message of this template; [] when it fits. Nothing is raised.

    `components` is the text in `message.Template`. No detail quotes a value. A listing without status counts as approved.
    """
    return [*_check_status(definition), *_check_message(definition, components)]


def _check_status(definition: Definition) -> Iterator[Misfit]:
    status = definition.status
    if status not in {"APPROVED", ""}:
        advice = _UNSENDABLE.get(status, "only an approved one can be sent, so look it up in WhatsApp Manager")
        detail = f"template {definition.name} in {definition.language} is {status}: {advice}"
        yield Misfit("template_not_approved", "", detail)


def _check_message(definition: Definition, components: str) -> Iterator[Misfit]:
    items = read_components(components)
    if items is None:
        yield mismatch("", "the components are no JSON list: give a list of objects, each with its type")
        return
    limit = BODY_LENGTH if definition.offer is None else OFFER_BODY_LENGTH
    scope = Scope("", definition.named, limit, of_code=definition.category == "AUTHENTICATION")
    parts, faults = _parts(items, "components")
    yield from faults
    yield from _check_bubble(definition.bubble, parts, scope)
    yield from _check_offer(definition.offer, _only("LIMITED_TIME_OFFER", parts, scope))
    yield from _check_carousel(definition, _only("CAROUSEL", parts, scope))


def _parts(items: list[object], path: str) -> tuple[list[Part], list[Misfit]]:
    parts, faults = [], []
    for number, item in enumerate(items):
        part = _part(item, f"{path}[{number}]")
        if isinstance(part, Part):
            parts.append(part)
        else:
            faults.append(part)
    return parts, faults


def _part(item: object, path: str) -> Part | Misfit:
    if not isinstance(item, dict) or not upper(item.get("type")):
        return mismatch(path, "a component is an object with its type, such as body, header or button")
    parameters = item.get("parameters", [])
    if not isinstance(parameters, list) or not all(isinstance(one, dict) for one in parameters):
        return mismatch(f"{path}.parameters", "parameters are a list of objects, each with its type")
    return Part(path, upper(item["type"]), item, parameters)


def _only(kind: str, parts: list[Part], scope: Scope) -> Part:
    return next((part for part in parts if part.kind == kind), Part(scope.path, kind))


def _check_bubble(bubble: Bubble, parts: list[Part], scope: Scope) -> Iterator[Misfit]:
    yield from _check_kinds(parts)
    body = _only("BODY", parts, scope)
    buttons = [part for part in parts if part.kind == "BUTTON"]
    yield from _check_header(bubble, _only("HEADER", parts, scope), scope)
    yield from _check_body(bubble, body, scope)
    yield from check_buttons(bubble.buttons, buttons, scope)
    if scope.of_code:
        yield from check_code(body, codes(bubble.buttons, buttons))


def _check_kinds(parts: list[Part]) -> Iterator[Misfit]:
    seen: set[str] = set()
    for part in parts:
        if part.kind in _FIXED:
            yield mismatch(part.path, "the footer and the list of buttons are fixed in the template: leave this out")
        elif part.kind in _ONCE & seen:
            yield mismatch(part.path, f"the {part.name} is given twice: give it once, with all its parameters")
        seen.add(part.kind)


def _leave_out(part: Part) -> Iterator[Misfit]:
    if part.given:
        yield mismatch(part.path, f"the template has no {part.name} here: leave this component out")


def _check_body(bubble: Bubble, part: Part, scope: Scope) -> Iterator[Misfit]:
    if bubble.body is None:
        yield from _leave_out(part)
    else:
        yield from check_text(bubble.body, part, scope, scope.body_length)


def _check_header(bubble: Bubble, part: Part, scope: Scope) -> Iterator[Misfit]:
    match bubble.header_format:
        case "":
            yield from _leave_out(part)
        case "TEXT":
            yield from check_text(bubble.header, part, scope, HEADER_LENGTH)
        case "LOCATION":
            yield from _check_location(part)
        case kind if kind in _MEDIA:
            yield from _check_media(part, kind.lower())


def _check_media(part: Part, kind: str) -> Iterator[Misfit]:
    found = sole(part, "the header", kind)
    if isinstance(found, Misfit):
        yield found
        return
    path, parameter = found
    where, content = reach(parameter, kind)
    media_id, link = reach(content, "id")[1], reach(content, "link")[1]
    if not _is_filled(media_id) and not (isinstance(link, str) and link.lower().startswith("https://")):
        yield mismatch(path + where, f"the {kind} of the header needs a media id, or a link that begins with https://")


def _check_location(part: Part) -> Iterator[Misfit]:
    found = sole(part, "the header", "location")
    if isinstance(found, Misfit):
        yield found
        return
    path, parameter = found
    where, content = reach(parameter, "location")
    if missing := [name for name in _LOCATION_FIELDS if not _is_filled(reach(content, name)[1])]:
        yield mismatch(path + where, f"the location of the header has no {', '.join(missing)}: give all four fields")


def _is_filled(value: object) -> bool:
    return bool(value) if isinstance(value, str) else isinstance(value, int | float) and not isinstance(value, bool)


def _check_offer(offer: Offer | None, part: Part) -> Iterator[Misfit]:
    if offer is None:
        yield from _leave_out(part)
        return
    if not part.given and offer.expires is False:
        return
    found = sole(part, "the limited-time offer", "limited_time_offer")
    if isinstance(found, Misfit):
        yield found
        return
    path, parameter = found
    where, ends = reach(parameter, "limited_time_offer", "expiration_time_ms")
    if not isinstance(ends, int) or isinstance(ends, bool) or ends < _FIRST_MILLISECOND:
        detail = "the limited-time offer needs expiration_time_ms: a number, in milliseconds since 1970"
        yield mismatch(path + where, detail)


def _check_carousel(definition: Definition, part: Part) -> Iterator[Misfit]:
    expected = definition.cards
    if expected is None:
        yield from _leave_out(part)
        return
    if not expected:
        return
    where, cards = reach(part.fields, "cards")
    if not isinstance(cards, list) or len(cards) != len(expected):
        given = len(cards) if isinstance(cards, list) else 0
        detail = (
            f"the carousel takes {counted(len(expected), 'card')} and gets {given}: give one for each of the template"
        )
        yield mismatch(part.path + where, detail)
    seen: set[int] = set()
    for number, card in enumerate(cards if isinstance(cards, list) else ()):
        yield from _check_card(definition, card, f"{part.path}.cards[{number}]", seen)


def _check_card(definition: Definition, card: object, path: str, seen: set[int]) -> Iterator[Misfit]:
    """One card; its index joins those that are `seen`."""
    expected = definition.cards or ()
    where, index = reach(card, "card_index")
    position = position_of(index)
    if position is None or position >= len(expected) or position in seen:
        yield mismatch(path + where, f"each card needs its own card_index, from 0 to {len(expected) - 1}")
        return
    seen.add(position)
    where, items = reach(card, "components")
    if not isinstance(items, list):
        yield mismatch(path + where, "a card needs its components: a list of objects, each with its type")
        return
    parts, faults = _parts(items, f"{path}.components")
    yield from faults
    scope = Scope(path, definition.named, CARD_BODY_LENGTH)
    yield from _check_bubble(expected[position], parts, scope)
    for kind in ("LIMITED_TIME_OFFER", "CAROUSEL"):
        yield from _leave_out(_only(kind, parts, scope))
