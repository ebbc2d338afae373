"""What is the same for every recipient of an event, and what one of them gets of it: a Message or a Rejection."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

from service.intake.address import country_of
from service.intake.draft import Draft, table
from service.intake.personalise import MAX_LENGTH, Lookup, PlaceholderMissing, TooLarge, as_text
from service.intake.rules import Rules
from service.message import Event, Message, Priority, Rejection, Template, printable


@dataclass(frozen=True, slots=True)
class Order:
    """One draft for all recipients of an event. `key_facts` is what their keys have in common (G3).

    `content_path` is where the event says what is to be sent.
    """

    event: Event
    rules: Rules
    draft: Draft
    phone_number_id: str | None
    key_facts: tuple[str, ...]
    new_id: Callable[[], str]
    content_path: str = ""

    def fill(
        self,
        recipient: str,
        to: str,
        own_key: tuple[str, ...],
        lookup: Lookup,
        path: str,
        locale: str | None = None,
    ) -> Message | Rejection:
        """The message for one recipient, or why the content cannot be filled with what `lookup` finds under `path`.

        `locale` is what the event says of the recipient's language, such as `de_DE`.
        """
        try:
            components = self.draft.content.components_for(lookup)
        except PlaceholderMissing as missing:
            name = printable(missing.placeholder)[:128]
            hint = f"set {name} for this recipient, or write a default into the parameter: {{{{{name}|…}}}}"
            return Rejection(recipient, "placeholder_missing", f"{path}.{name}", hint)
        except TooLarge:
            hint = f"filled with this recipient's values the params have over {MAX_LENGTH:,} characters; shorten them"
            return Rejection(recipient, "too_large", path, hint)
        assert self.phone_number_id is not None
        template = Template(self.draft.template, self._language(locale), components)
        judgement = self.rules.catalogue.judge(self.phone_number_id, template)
        if judgement.code:
            return Rejection(recipient, judgement.code, self.content_path, judgement.detail)
        draft, event, rules = self.draft, self.event, self.rules
        return Message(
            message_id=self.new_id(),
            recipient=recipient,
            to=to,
            phone_number_id=self.phone_number_id,
            template=template,
            due_at=event.received_at,
            expires_at=event.received_at + (draft.time_to_live or rules.time_to_live),
            key=key_of(*self.key_facts, *own_key),
            priority=Priority.NORMAL if draft.priority is None else draft.priority,
            campaign_id=event.campaign_id or event.journey_id,
            country=country_of(to),
            category=judgement.category,
            path=path,
        )

    def _language(self, locale: str | None) -> str:
        """`auto` is the recipient's locale where the template is known to have it."""
        asked, default = self.draft.language, self.rules.default_language
        if asked != "auto":
            return asked or default
        assert self.phone_number_id is not None
        return self.rules.catalogue.language(self.phone_number_id, self.draft.template, locale, default)


def fact(value: object) -> str | None:
    """An id or a name of the event, as the store keeps it and the key has it; None for what is none."""
    text = as_text(value)
    return printable(text)[:256] if text else None


def unknown_message(recipient: str, name: str, path: str) -> Rejection:
    """The event names a message that the settings do not have; mended, the same event can be handed over again."""
    missing = table("messages", printable(name)[:128])
    hint = f"add {missing} with its template to CHANNEL_SETTINGS, restart the service, and send it again"
    return Rejection(recipient, "unknown_message", path, hint)


def key_of(*facts: str) -> str:
    """The key of a message from what makes it the same (G3)."""
    return hashlib.blake2b(json.dumps(facts).encode(), digest_size=16).hexdigest()
