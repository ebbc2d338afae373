"""WhatsApp's own marks in a text: *bold*, _italic_, ~struck~, ```monospaced```. Pure.

`formatted` takes a text as it was sent and hands on runs, each with the HTML elements around it, outermost first. The
text of a run is not escaped: that is left to the page.

Source: WhatsApp's help page "How to format your messages", read in November 2026. As there, a mark counts only where a
word begins or ends, and not across lines; monospaced text holds no other marks.
"""

import re
from dataclasses import dataclass
from typing import TypeAlias

_MARK = r"(?<![^\W_]){sign}(?P<{element}>[^\s{sign}](?:[^{sign}\n]*[^\s{sign}])?){sign}(?![^\W_])"
_SIGNS = {"strong": r"\*", "em": "_", "s": "~"}
_MARKED = re.compile(
    "|".join(
        [
            r"```(?P<code>(?s:.+?))```",
            *(_MARK.format(sign=sign, element=element) for element, sign in _SIGNS.items()),
        ]
    )
)


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of text and the elements around it, outermost first."""

    text: str
    elements: tuple[str, ...] = ()


Text: TypeAlias = tuple[Run, ...]


def formatted(text: str, within: tuple[str, ...] = ()) -> Text:
    """The runs of a text. A mark does not repeat inside itself, so the depth ends by itself."""
    runs: list[Run] = []
    end = 0
    for found in _MARKED.finditer(text):
        element = found.lastgroup or ""
        inside = (*within, element)
        runs.append(Run(text[end : found.start()], within))
        runs += [Run(found[element], inside)] if element == "code" else formatted(found[element], inside)
        end = found.end()
    runs.append(Run(text[end:], within))
    return tuple(run for run in runs if run.text)


def plain(text: Text) -> str:
    """The text without its marks."""
    return "".join(run.text for run in text)
