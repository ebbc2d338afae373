"""A template's definition in; what it asks of a message, in words and as an example to send, out. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from service.whatsapp.templates import Bubble, Button, Definition, Text

TO = "+12025550123"
"""A number that nobody has: 555-01xx is kept for examples."""

_CODE = "123456"
_LINK = "https://example.com/file"
_PLACE = {"latitude": "52.5200", "longitude": "13.4050", "name": "Office", "address": "Example Street 1"}
_ENDS = 1_893_456_000_000
_MEDIA = ("IMAGE", "VIDEO", "GIF", "DOCUMENT")


def asks(definition: Definition) -> list[str]:
    """What a message of it has to give, a sentence each; nothing where it is fixed."""
    found = list(_of_bubble(definition.bubble))
    if definition.offer and definition.offer.expires is not False:
        found.append("The offer: the moment at which it ends.")
    if definition.cards:
        found.append(f"The carousel: each of its {len(definition.cards)} cards with its own header and values.")
    elif definition.cards is not None:
        found.append("The carousel: its cards, which the message chooses.")
    return found


def example(definition: Definition) -> dict[str, Any]:
    """The body of a `POST /v1/messages` that sends it."""
    template: dict[str, Any] = {"name": definition.name, "language": definition.language}
    params = _params(definition)
    return {"messages": [{"to": TO, "template": template | ({"params": params} if params else {})}]}


def components(definition: Definition) -> list[dict[str, Any]]:
    """What Meta would be given for it."""
    of_code = definition.category == "AUTHENTICATION"
    found = list(_parts(definition.bubble, named=definition.named, of_code=of_code))
    if definition.offer and definition.offer.expires is not False:
        offer = {"type": "limited_time_offer", "limited_time_offer": {"expiration_time_ms": _ENDS}}
        found.append({"type": "limited_time_offer", "parameters": [offer]})
    if definition.cards:
        cards = [
            {"card_index": n, "components": list(_parts(card, named=definition.named))}
            for n, card in enumerate(definition.cards)
        ]
        found.append({"type": "carousel", "cards": cards})
    return found


def _params(definition: Definition) -> list[Any] | dict[str, str]:
    """The shortest of the ways in which parameters can be given: where only the body has some, without components."""
    every = components(definition)
    if [one["type"] for one in every] != ["body"]:
        return every
    values = every[0]["parameters"]
    if definition.named:
        return {value["parameter_name"]: value["text"] for value in values}
    return [value["text"] for value in values]


def _of_bubble(bubble: Bubble) -> Iterator[str]:
    if bubble.header_format == "TEXT":
        yield from _values("header", bubble.header)
    elif bubble.header_format:
        kind = bubble.header_format.lower()
        how = ", by an https link or by its media id" if bubble.header_format in _MEDIA else ""
        yield f"The header: one {kind}{how}."
    if bubble.body:
        yield from _values("body", bubble.body)
    for n, button in enumerate(bubble.buttons):
        if what := _of_button(button):
            yield f"Button {n}, “{button.label}”: {what}."


def _values(part: str, text: Text) -> Iterator[str]:
    if text.placeholders:
        names = ", ".join(f"{{{{{name}}}}}" for name in text.placeholders)
        count = len(text.placeholders)
        yield f"The {part}: {count} value{'' if count == 1 else 's'}, for {names}."


def _of_button(button: Button) -> str:
    if button.kind == "OTP":
        return "the same code as the body"
    if button.url.placeholders:
        return f"the end of its address {button.url.text}"
    return {
        "COPY_CODE": "the code to copy, 1 to 15 letters and digits",
        "QUICK_REPLY": "a payload, if one is wanted",
    }.get(button.kind, "")


def _parts(bubble: Bubble, *, named: bool, of_code: bool = False) -> Iterator[dict[str, Any]]:
    header = _header(bubble, named=named)
    if header:
        yield {"type": "header", "parameters": header}
    if bubble.body and bubble.body.placeholders:
        yield {"type": "body", "parameters": _texts(bubble.body, named=named, of_code=of_code)}
    for n, button in enumerate(bubble.buttons):
        if part := _button_part(button, of_code=of_code):
            yield {"type": "button", "index": str(n), **part}


def _header(bubble: Bubble, *, named: bool) -> list[dict[str, Any]]:
    kind = bubble.header_format.lower()
    if bubble.header_format == "TEXT":
        return _texts(bubble.header, named=named)
    if bubble.header_format in _MEDIA:
        return [{"type": kind, kind: {"link": _LINK}}]
    return [{"type": kind, kind: _PLACE}] if bubble.header_format == "LOCATION" else []


def _texts(text: Text, *, named: bool, of_code: bool = False) -> list[dict[str, Any]]:
    return [
        {
            "type": "text",
            **({"parameter_name": name} if named else {}),
            "text": _CODE if of_code else f"value of {name}",
        }
        for name in text.placeholders
    ]


def _button_part(button: Button, *, of_code: bool) -> Mapping[str, Any]:
    if button.kind == "OTP" or button.url.placeholders:
        value = _CODE if of_code else "abc"
        return {"sub_type": "url", "parameters": [{"type": "text", "text": value}]}
    if button.kind == "COPY_CODE":
        return {"sub_type": "copy_code", "parameters": [{"type": "coupon_code", "coupon_code": "SAVE10"}]}
    return {}
