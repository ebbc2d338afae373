"""All checks in their order, and what they find with the worst first."""

from dataclasses import dataclass

from service.doctor.at_home import Home, home_findings
from service.doctor.finding import Finding, Findings, note, worst_first
from service.doctor.meta import meta_findings, readable, webhook_findings
from service.whatsapp.account import AccountApi


@dataclass(frozen=True, slots=True)
class Webhook:
    """A URL to ask as Meta does, and the challenge that it must answer with."""

    url: str
    challenge: str


def examine(home: Home, meta: AccountApi | None, webhook: Webhook | None = None) -> list[Finding]:
    """Everything that is found; takes seconds, since Meta is asked where `meta` is given.

    Raise ConfigError for a webhook that is no URL.
    """
    return worst_first([*home_findings(home), *_outside(home, meta, webhook)])


def _outside(home: Home, meta: AccountApi | None, webhook: Webhook | None) -> Findings:
    secrets = readable(home.settings, home.sources)
    if meta is None:
        yield note("Meta was not asked (--offline)")
    else:
        yield from meta_findings(meta, secrets, home.now)
    if webhook:
        yield from webhook_findings(webhook.url, secrets, webhook.challenge)
    elif meta is not None:
        yield note(
            "the webhook was not asked whether it takes the verify token; give its public URL with --webhook-url"
        )
