"""Settings in, what intake is told of them out."""

from collections.abc import Mapping
from datetime import timedelta

from service.config import Settings
from service.intake.draft import Draft
from service.intake.rules import Catalogue, Rules, Unknown
from service.settings_file import NumberSettings


def rules(settings: Settings, catalogue: Catalogue | None = None) -> Rules:
    """What intake needs to know of the settings, and of templates; without `catalogue` nothing is checked."""
    return Rules(
        phone_number_ids=frozenset(settings.numbers),
        default_phone_number_id=settings.phone_number_id or _only(settings.numbers),
        applications={app: number for number, of in settings.numbers.items() for app in of.applications},
        default_language=settings.default_language,
        time_to_live=timedelta(seconds=settings.ttl_seconds),
        duplicate_window=timedelta(seconds=settings.duplicate_window_seconds),
        key_lifetime=timedelta(days=settings.retention_days),
        messages={
            name: Draft(of.template, of.params).but(of.language, of.priority, of.ttl_seconds)
            for name, of in settings.messages.items()
        },
        address_fields=settings.connect.address_fields,
        catalogue=catalogue or Unknown(),
    )


def _only(numbers: Mapping[str, NumberSettings]) -> str | None:
    """The number that serves everything where there is just one."""
    return next(iter(numbers)) if len(numbers) == 1 else None
