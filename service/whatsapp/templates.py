"""A template as Meta lists it → what it asks of a message, and what the person sees of one. Pure.

    listing ── parse_definition ──> Definition ── template_check.check ──> list[Misfit]
                                              └── render ──> Rendered

Source: Meta's pages on template components and on authentication templates, read in November 2026.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z0-9_]+)\s*\}\}")
_VALUES = {"TEXT": ("text",), "CURRENCY": ("currency", "fallback_value"), "DATE_TIME": ("date_time", "fallback_value")}
"""Where the text of a parameter is, by its type."""

_INDEX = re.compile(r"[0-9]{1,2}")

_CODE = "{{1}} is your verification code."
_CODE_WARNING = " For your security, do not share this code."
_CODE_EXPIRY = "This code expires in {} minutes."
"""Meta writes these in the template's language; a listing need not hold them."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text with its placeholders: each once, in the order in which a message's parameters fill them."""

    text: str = ""
    placeholders: tuple[str, ...] = ()

    def filled(self, values: Mapping[str, str]) -> str:
        """The text with these values by placeholder; one without a value stays as `{{1}}`."""
        return _PLACEHOLDER.sub(lambda found: values.get(found[1], f"{{{{{found[1]}}}}}"), self.text)


@dataclass(frozen=True, slots=True)
class Button:
    """A button at its place among all of the template. `kind` is Meta's type in upper case, whichever it is."""

    kind: str
    label: str = ""
    url: Text = Text()


@dataclass(frozen=True, slots=True)
class Bubble:
    """The message, or one card of its carousel. `header_format` is "" without a header; `header` is that of format TEXT."""

    header_format: str = ""
    header: Text = Text()
    body: Text | None = None
    footer: str = ""
    buttons: tuple[Button, ...] = ()


@dataclass(frozen=True, slots=True)
class Offer:
    """A limited-time offer. `expires` is None where the listing does not say whether the end is shown."""

    expires: bool | None = None


@dataclass(frozen=True, slots=True)
class Definition:
    """What one listed template asks of a message.

    `status` is "" where the listing has none. `cards` is None without a carousel, and empty for one whose cards the message
    chooses (products) or whose listing is not understood: such a carousel is not judged.
    """

    name: str
    language: str
    status: str
    category: str | None
    named: bool
    bubble: Bubble
    cards: tuple[Bubble, ...] | None = None
    offer: Offer | None = None


@dataclass(frozen=True, slots=True)
class Rendered:
    """What the person sees. A header of another format than text is named: `[image]`. Of a carousel, one for each card."""

    header: str | None
    body: str
    footer: str | None
    buttons: list[str]
    cards: list["Rendered"] = field(default_factory=list)


def parse_definition(listing: object) -> Definition | None:
    """Read one item of Meta's list of templates; None for what is no template. Whatever it is given, nothing is raised."""
    match listing:
        case {"name": str(name), "language": str(language), "components": list(parts), **rest} if name and language:
            return _definition(name, language, _by_kind(parts), rest)
    return None


def render(definition: Definition, components: str) -> Rendered:
    """What the person sees of a message with these components; a placeholder without a value stays as `{{1}}`.

    Nothing is raised, whether or not they fit. What Meta writes itself (authentication) is in English here.
    """
    items = read_components(components) or []
    cards = reach(_first(items, "CAROUSEL"), "cards")[1]
    by_index = {position_of(card.get("card_index")): card for card in _objects(cards)}
    drawn = [
        _drawn(card, reach(by_index.get(number), "components")[1], named=definition.named)
        for number, card in enumerate(definition.cards or ())
    ]
    return _drawn(definition.bubble, items, named=definition.named, cards=drawn)


def pick_language(languages: Collection[str], wanted: str | None, default: str) -> str | None:
    """Which of a template's languages a person with the locale `wanted` (`de_DE`, `zh-Hans-CN`) gets.

    That locale itself, else without its script, else the plain language, else the first by name of the same tongue, else
    `default`; None when not even that is there. Case does not count, and `-` is `_`.
    """
    listed = {_key(language): language for language in sorted(languages, reverse=True)}
    tongue, *rest = _key(wanted or "").split("_")
    kin = sorted(key for key in listed if tongue and key.split("_")[0] == tongue)
    choices = ["_".join([tongue, *rest]), "_".join([tongue, *rest[-1:]]), tongue, *kin[:1], _key(default)]
    return next((listed[key] for key in choices if key in listed), None)


def read_components(components: str) -> list[object] | None:
    """The components of a message, [] for ""; None where the text is no JSON list."""
    try:
        items = json.loads(components or "[]")
    except (ValueError, RecursionError):
        return None
    return items if isinstance(items, list) else None


def reach(value: object, *keys: str) -> tuple[str, object]:
    """The path of what is under these keys (`.currency.code`), and what it is.

    Where a key is missing, the path of the last that is there, and None.
    """
    path = ""
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            return path, None
        path, value = f"{path}.{key}", value[key]
    return path, value


def value_of(parameter: object) -> tuple[str, object]:
    """The path, within the parameter, of what it puts in the place of its placeholder, and that; None when it has nothing."""
    return reach(parameter, *_VALUES.get(upper(reach(parameter, "type")[1]), ("text",)))


def values_of(text: Text, parameters: Iterable[object], *, named: bool) -> dict[str, str]:
    """The values by placeholder, as far as there are any."""
    given = list(parameters)
    names = [reach(parameter, "parameter_name")[1] for parameter in given] if named else text.placeholders
    found = ((name, value_of(parameter)[1]) for name, parameter in zip(names, given, strict=False))
    return {name: value for name, value in found if isinstance(name, str) and isinstance(value, str)}


def position_of(index: object) -> int | None:
    """The place a button or card is given for: Meta takes `0` and `"0"`."""
    if isinstance(index, str) and _INDEX.fullmatch(index):
        return int(index)
    return index if isinstance(index, int) and not isinstance(index, bool) and index >= 0 else None


def upper(value: object) -> str:
    """Meta takes types in any case; what is no string is no type."""
    return value.upper() if isinstance(value, str) else ""


def _definition(
    name: str, language: str, parts: Mapping[str, dict[str, object]], rest: Mapping[object, object]
) -> Definition:
    category = upper(rest.get("category")) or None
    return Definition(
        name=name,
        language=language,
        status=upper(rest.get("status")),
        category=category,
        named=upper(rest.get("parameter_format")) == "NAMED",
        bubble=_bubble(parts, of_code=category == "AUTHENTICATION"),
        cards=_cards(parts["CAROUSEL"]) if "CAROUSEL" in parts else None,
        offer=_offer(parts["LIMITED_TIME_OFFER"]) if "LIMITED_TIME_OFFER" in parts else None,
    )


def _objects(value: object) -> list[dict[str, object]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _by_kind(components: object) -> dict[str, dict[str, object]]:
    return {upper(one.get("type")): one for one in _objects(components)}


def _first(items: object, kind: str) -> dict[str, object]:
    return next((one for one in _objects(items) if upper(one.get("type")) == kind), {})


def _string(fields: Mapping[str, object], key: str) -> str:
    value = fields.get(key)
    return value if isinstance(value, str) else ""


def _text(fields: Mapping[str, object], key: str) -> Text:
    """Placeholders that are numbers are filled in their order; others, by name, in that of the text."""
    text = _string(fields, key)
    names = dict.fromkeys(_PLACEHOLDER.findall(text))
    return Text(text, tuple(sorted(names, key=lambda name: (len(name), name) if name.isdigit() else (0, ""))))


def _bubble(parts: Mapping[str, dict[str, object]], *, of_code: bool = False) -> Bubble:
    header, footer = parts.get("HEADER"), parts.get("FOOTER", {})
    buttons = parts.get("BUTTONS", {}).get("buttons")
    return Bubble(
        header_format="" if header is None else upper(header.get("format")) or "TEXT",
        header=_text(header or {}, "text"),
        body=_body(parts.get("BODY"), of_code=of_code),
        footer=_string(footer, "text") or _expiry(footer.get("code_expiration_minutes")),
        buttons=tuple(_button(one) for one in buttons) if isinstance(buttons, list) else (),
    )


def _body(body: Mapping[str, object] | None, *, of_code: bool) -> Text | None:
    if of_code and not _string(body or {}, "text"):
        warned = body is not None and body.get("add_security_recommendation") is True
        return Text(_CODE + (_CODE_WARNING if warned else ""), ("1",))
    return None if body is None else _text(body, "text")


def _expiry(minutes: object) -> str:
    """Meta allows 1 to 90 minutes."""
    return _CODE_EXPIRY.format(minutes) if minutes in range(1, 91) else ""


def _button(listed: object) -> Button:
    if not isinstance(listed, dict):
        return Button("")
    kind = upper(listed.get("type"))
    label = _string(listed, "text") or _string(listed, "autofill_text") or kind.replace("_", " ").capitalize()
    return Button(kind, label, _text(listed, "url"))


def _cards(carousel: Mapping[str, object]) -> tuple[Bubble, ...]:
    cards = carousel.get("cards")
    if not isinstance(cards, list) or not all(isinstance(reach(card, "components")[1], list) for card in cards):
        return ()
    bubbles = tuple(_bubble(_by_kind(card["components"])) for card in cards)
    return () if any(bubble.header_format == "PRODUCT" for bubble in bubbles) else bubbles


def _offer(listed: Mapping[str, object]) -> Offer:
    expires = reach(listed, "limited_time_offer", "has_expiration")[1]
    return Offer(expires if isinstance(expires, bool) else None)


def _key(language: str) -> str:
    return language.strip().replace("-", "_").lower()


def _drawn(bubble: Bubble, items: object, *, named: bool, cards: Iterable[Rendered] = ()) -> Rendered:
    def filled(text: Text, kind: str) -> str:
        return text.filled(values_of(text, _objects(_first(items, kind).get("parameters")), named=named))

    media = f"[{bubble.header_format.lower()}]" if bubble.header_format else None
    return Rendered(
        header=filled(bubble.header, "HEADER") if bubble.header_format == "TEXT" else media,
        body=filled(bubble.body, "BODY") if bubble.body else "",
        footer=bubble.footer or None,
        buttons=[button.label for button in bubble.buttons],
        cards=list(cards),
    )
