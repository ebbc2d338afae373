"""A template message as the person sees it. Pure.

`render` takes a template as Meta lists it and the `components` of a message, and hands on a `Bubble`. The message has been
accepted, but the sandbox's judgement passes some parts unread: what has another shape than expected is left out here.

Sources: Meta's pages on template components and on authentication templates, read in November 2026. Meta writes the text of
the latter itself, in the language of the template; here it is English.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, TypeAlias

from sandbox.phone.marks import Text, formatted, plain
from sandbox.templates import PLACEHOLDER, Template

Parameters: TypeAlias = Sequence[Mapping[str, Any]]

CODE_TEXT = "*{{1}}* is your verification code."
CODE_WARNING = " For your security, do not share this code."
CODE_EXPIRY = "This code expires in {} minutes."
DRAWN = {"HEADER", "BODY", "FOOTER", "BUTTONS"}
NAMES = {
    "IMAGE": "Photo",
    "VIDEO": "Video",
    "GIF": "GIF",
    "DOCUMENT": "Document",
    "LOCATION": "Location",
    "PRODUCT": "Product",
}


@dataclass(frozen=True, slots=True)
class Header:
    """A text, or what stands for media: its `name`, and whatever else is known of it."""

    kind: str
    text: Text = ()
    name: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Button:
    """A button at its place among all of the template.

    `value` is what a tap gives: the payload of a QUICK_REPLY, the address of a URL, the number of a PHONE_NUMBER, the code of
    a COPY_CODE; "" for what cannot be tapped here.
    """

    index: int
    kind: str
    label: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Bubble:
    """What the person sees. `left_out` names the parts of the template that are not drawn."""

    header: Header | None
    body: Text
    footer: str
    buttons: tuple[Button, ...]
    left_out: tuple[str, ...] = ()

    @property
    def preview(self) -> str:
        """The message in one line."""
        body = " ".join(plain(self.body).split())
        media = self.header.name if self.header and self.header.kind != "TEXT" else ""
        return " · ".join(part for part in (media, body) if part)


def render(template: Template, components: object) -> Bubble:
    """Draw a message of this template."""
    listed = {_upper(one.get("type")): one for one in _objects(template.listing.get("components"))}
    given = _objects(components)
    return Bubble(
        header=_header(template, listed.get("HEADER", {}), _parameters(given, "HEADER")),
        body=formatted(_filled(_body_text(template, listed.get("BODY", {})), _parameters(given, "BODY"))),
        footer=_footer(listed.get("FOOTER", {})),
        buttons=_buttons(template, listed.get("BUTTONS", {}), given),
        left_out=tuple(kind.replace("_", " ").lower() for kind in listed if kind not in DRAWN),
    )


def _header(template: Template, listed: Mapping[str, Any], parameters: Parameters) -> Header | None:
    if not template.header_format:
        return None
    if template.header_format == "TEXT":
        return Header("TEXT", formatted(_filled(_text(listed, "text"), parameters)))
    kind = template.header_format
    content = parameters[0].get(kind.lower()) if parameters else None
    return _media(kind, content if isinstance(content, dict) else {})


def _media(kind: str, content: Mapping[str, Any]) -> Header:
    """A placeholder: the sandbox loads nothing from elsewhere."""
    name = NAMES.get(kind, kind.title())
    if kind == "LOCATION":
        return Header(kind, name=_text(content, "name") or name, detail=_text(content, "address"))
    file_name = PurePosixPath(_text(content, "link").partition("?")[0]).name
    given = _text(content, "filename") or file_name
    detail = given or (f"media id {_text(content, 'id')}" if _text(content, "id") else "")
    return (
        Header(kind, name=given or name, detail=name) if kind == "DOCUMENT" else Header(kind, name=name, detail=detail)
    )


def _body_text(template: Template, listed: Mapping[str, Any]) -> str:
    text = _text(listed, "text")
    if text or template.category != "AUTHENTICATION":
        return text
    return CODE_TEXT + (CODE_WARNING if listed.get("add_security_recommendation") is True else "")


def _footer(listed: Mapping[str, Any]) -> str:
    minutes = _text(listed, "code_expiration_minutes")
    return CODE_EXPIRY.format(minutes) if minutes else _text(listed, "text")


def _buttons(template: Template, listed: Mapping[str, Any], given: Parameters) -> tuple[Button, ...]:
    placed = {_text(one, "index"): one for one in given if _upper(one.get("type")) == "BUTTON"}
    return tuple(
        _button(index, one, _first(placed.get(str(index), {})), of_code=template.category == "AUTHENTICATION")
        for index, one in enumerate(_objects(listed.get("buttons")))
    )


def _button(index: int, listed: Mapping[str, Any], parameter: Mapping[str, Any], *, of_code: bool) -> Button:
    label = _text(listed, "text")
    match _upper(listed.get("type")):
        case "QUICK_REPLY" as kind:
            return Button(index, kind, label, _text(parameter, "payload") or label)
        case "OTP" | "URL" if of_code:
            return Button(index, "COPY_CODE", label or _text(listed, "autofill_text") or "Copy code", _value(parameter))
        case "COPY_CODE" as kind:
            return Button(index, kind, label or "Copy offer code", _text(parameter, "coupon_code"))
        case "URL" as kind:
            address = PLACEHOLDER.sub(lambda _: _value(parameter), _text(listed, "url"))
            is_web = address.lower().startswith(("http://", "https://"))
            return Button(index, kind, label, address if is_web else "")
        case "PHONE_NUMBER" as kind:
            return Button(index, kind, label, _text(listed, "phone_number"))
        case kind:
            return Button(index, kind, label or kind.replace("_", " ").capitalize())


def _filled(text: str, parameters: Parameters) -> str:
    """The text with each placeholder filled; a parameter without name fills the placeholder of its position."""
    values = {
        _text(one, "parameter_name") or str(number): _value(one) for number, one in enumerate(parameters, start=1)
    }
    return PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), text)


def _value(parameter: Mapping[str, Any]) -> str:
    """What is shown of a parameter: its text, or the text Meta falls back to where it does not localise."""
    value = parameter.get(_upper(parameter.get("type")).lower())
    return _text(value, "fallback_value") if isinstance(value, dict) else _text(parameter, "text")


def _parameters(given: Parameters, place: str) -> Parameters:
    """The parameters of the header or of the body."""
    for component in given:
        if _upper(component.get("type")) == place and (parameters := _objects(component.get("parameters"))):
            return parameters
    return ()


def _first(component: Mapping[str, Any]) -> Mapping[str, Any]:
    parameters = _objects(component.get("parameters"))
    return parameters[0] if parameters else {}


def _objects(value: object) -> Parameters:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _text(holder: Mapping[str, Any], key: str) -> str:
    """The text or number under a key; "" for everything else."""
    value = holder.get(key)
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _upper(value: object) -> str:
    return value.upper() if isinstance(value, str) else ""
