"""What the parsers of every source are told by the settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from service.intake.draft import Draft

ADDRESS_FIELDS = ("mobilePhoneNumber", "phoneNumber", "homePhoneNumber", "businessPhoneNumber")
"""The numbers of a Customer Profile, the likeliest to be on WhatsApp first. The names are those of AWS's standard profile
definition (Connect administrator guide, read in November 2026), in the camelCase that journeys write them in."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Defaults and limits for turning an event into messages.

    `applications` maps a Pinpoint application id to the phone number that serves it; every other event goes to
    `default_phone_number_id`. `duplicate_window` is how long a key holds where nothing names the run (journeys);
    `key_lifetime` how long it holds where something does. `messages` are the settings' named ones; `address_fields` are the
    fields of a Connect profile that may hold the address, in order of preference.
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

    def phone_number_for(self, application_id: str | None, asked: str | None = None) -> str | None:
        """The phone number that serves the event, or None where no such number is set up."""
        chosen = asked or self.applications.get(application_id or "") or self.default_phone_number_id
        return chosen if chosen in self.phone_number_ids else None
