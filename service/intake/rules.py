"""What the parsers of every source are told by the settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from service.intake.draft import Draft
from service.message import Category, Template

ADDRESS_FIELDS = ("mobilePhoneNumber", "phoneNumber", "homePhoneNumber", "businessPhoneNumber")
"""The numbers of a Customer Profile, the likeliest to be on WhatsApp first. The names are those of AWS's standard profile
definition (Connect administrator guide, read in November 2026), in the camelCase that journeys write them in."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is known of a filled template: its category, and what Meta would refuse it for, in our code for a rejection."""

    category: Category | None = None
    code: str | None = None
    detail: str = ""


class Catalogue(Protocol):
    """The templates of the account that each phone number belongs to, as far as they are known."""

    def language(self, phone_number_id: str, name: str, wanted: str | None, default: str) -> str:
        """The language of the template that fits a person's locale best; `default` where nothing is known."""

    def judge(self, phone_number_id: str, template: Template) -> Judgement:
        """Whether Meta would take it; of an account whose templates are not known, everything passes."""


class Unknown:
    """The catalogue where no account is set up: nothing is checked."""

    def language(self, phone_number_id: str, name: str, wanted: str | None, default: str) -> str:  # noqa: ARG002
        """The default."""
        return default

    def judge(self, phone_number_id: str, template: Template) -> Judgement:  # noqa: ARG002
        """Passes."""
        return Judgement()


@dataclass(frozen=True, slots=True)
class Rules:
    """Defaults and limits for turning an event into messages.

    `applications` maps a Pinpoint application id to the phone number that serves it; every other event goes to
    `default_phone_number_id`. `duplicate_window` is how long a key holds where nothing names the run (journeys);
    `key_lifetime` how long it holds where something does. `messages` are the settings' named ones; `address_fields` are the
    fields of a Connect profile that may hold the address, in order of preference. `catalogue` is what is known of templates
    at this moment.
    """

    phone_number_ids: frozenset[str]
    default_phone_number_id: str | None = None
    applications: Mapping[str, str] = field(default_factory=dict)
    default_language: str = "en_US"
    time_to_live: timedelta = timedelta(days=1)
    duplicate_window: timedelta = timedelta(minutes=15)
    key_lifetime: timedelta = timedelta(days=90)
    messages: Mapping[str, Draft] = field(default_factory=dict)
    address_fields: tuple[str, ...] = ADDRESS_FIELDS
    catalogue: Catalogue = field(default_factory=Unknown)

    def phone_number_for(self, application_id: str | None, asked: str | None = None) -> str | None:
        """The phone number that serves the event, or None where no such number is set up."""
        chosen = asked or self.applications.get(application_id or "") or self.default_phone_number_id
        return chosen if chosen in self.phone_number_ids else None
