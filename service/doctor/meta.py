"""What `doctor` asks outside: Meta about its tokens, numbers, accounts and clock; the webhook as Meta would.

Each check yields findings; a refusal is told in the words of the table of codes (`whatsapp/asking.py`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import requests

from service.config import ConfigError, Settings
from service.doctor.finding import Findings, fine, note, problem, warning
from service.message import Scope
from service.secrets import Credentials, Source
from service.settings_file import NumberSettings
from service.whatsapp.account import AccountApi, Number, Token
from service.whatsapp.asking import why_not_told, words_for
from service.whatsapp.errors import verdict_on
from service.whatsapp.send_error import SendError, Unauthorised

SENDS, MANAGES = "whatsapp_business_messaging", "whatsapp_business_management"
WARNED_BEFORE = timedelta(days=7)
SKEW_WARNED, SKEW_FATAL = 60.0, 240.0
"""Seconds. A signature of the shim holds for five minutes either way."""
TIMEOUT = (2.0, 5.0)

_LOCAL = {"localhost", "127.0.0.1", "::1"}
_GRANT = "give it to the system user's token in the app's settings"


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that could be read, or the environment, with the numbers that use it."""

    name: str
    credentials: Credentials
    numbers: Mapping[str, NumberSettings]

    @property
    def where(self) -> str:
        """In a sentence."""
        return "the environment" if self.name == "environment" else f"secret {self.name}"


def readable(settings: Settings, sources: Mapping[str, Source]) -> list[Secret]:
    """Each secret that was read, once, with the numbers that use it; the others have their finding already."""
    numbers: dict[str, dict[str, NumberSettings]] = {}
    for phone_number_id, source in sources.items():
        own = settings.numbers[phone_number_id]
        rate = own.messages_per_second or settings.messages_per_second
        numbers.setdefault(source.name, {})[phone_number_id] = own.model_copy(update={"messages_per_second": rate})
    read = {source.name: source.cached for source in sources.values() if source.cached is not None}
    return [Secret(name, read[name], of) for name, of in numbers.items() if name in read]


def meta_findings(api: AccountApi, secrets: Sequence[Secret], now: Callable[[], datetime]) -> Findings:
    """Everything that Meta is asked. Where it does not answer at all, once is enough."""
    try:
        skew = api.clock_skew(now)
    except SendError as error:
        yield problem(f"Meta could not be asked: {why_not_told(error)}")
        return
    yield from skew_findings(skew)
    for secret in secrets:
        yield from _secret_findings(api, secret, now())


def _secret_findings(api: AccountApi, secret: Secret, now: datetime) -> Findings:
    whose = f"the token in {secret.where}"
    token = secret.credentials.token
    try:
        facts = api.token(token)
    except SendError as error:
        if _is_refused(error):
            yield problem(f"{whose} is refused: {why_not_told(error)}")
            return
        yield note(f"Meta does not tell until when {whose} is valid: {why_not_told(error)}")
        facts = Token(is_valid=True)
    yield from token_findings(whose, facts, now)
    if not facts.is_valid:
        return
    for phone_number_id, number in secret.numbers.items():
        yield from _number(api, phone_number_id, number, token, may_send=SENDS in (facts.scopes or ()))
    for waba_id in dict.fromkeys(number.waba_id for number in secret.numbers.values() if number.waba_id):
        yield from _subscription(api, waba_id, token, facts.app_id)


def token_findings(whose: str, facts: Token, now: datetime) -> Findings:
    """Whether a token is valid, until when, and whether it may do what it is needed for."""
    if not facts.is_valid:
        yield problem(f"{whose} is not valid: {words_for(facts.code, facts.subcode)}")
        return
    scopes = {SENDS, MANAGES} if facts.scopes is None else facts.scopes
    if SENDS not in scopes:
        yield problem(f"{whose} lacks the permission {SENDS}, so nothing can be sent; {_GRANT}")
    if MANAGES not in scopes:
        yield warning(f"{whose} lacks the permission {MANAGES}, so templates cannot be read; {_GRANT}")
    ends = facts.expires_at
    if ends is not None and ends <= now:
        yield problem(f"{whose} ended at {_day(ends)}; {_RENEW}")
    elif ends is not None and ends - now <= WARNED_BEFORE:
        yield warning(f"{whose} ends at {_day(ends)}; {_RENEW}")
    else:
        yield fine(f"{whose} is valid{f' until {_day(ends)}' if ends else ''}")


_RENEW = "put a new one into the secret before sending stops; a system user's token can be made to last"


def _number(api: AccountApi, phone_number_id: str, number: NumberSettings, token: str, *, may_send: bool) -> Findings:
    try:
        facts = api.number(phone_number_id, token)
    except SendError as error:
        level = warning if may_send and error.scope is Scope.TOKEN else problem
        yield level(f"number {phone_number_id} cannot be looked at: {why_not_told(error)}")
        return
    yield from number_findings(phone_number_id, number, facts)


def number_findings(phone_number_id: str, number: NumberSettings, facts: Number) -> Findings:
    """How Meta rates a number, what it lets it send, and whether the settings ask for more than that."""
    name, limits = f"number {phone_number_id}", facts.limits
    details = f": {'; '.join(facts.troubles)}" if facts.troubles else "; look at it in WhatsApp Manager"
    if facts.can_send == "BLOCKED":
        yield problem(f"{name} cannot send{details}")
    elif facts.can_send == "LIMITED":
        yield warning(f"{name} can send with limits only{details}")
    if facts.status not in {None, "CONNECTED"}:
        yield problem(
            f"{name} is {facts.status}, not CONNECTED; open it in WhatsApp Manager and mend what is named there"
        )
    if facts.quality_rating in {"YELLOW", "RED"}:
        yield warning(
            f"{name} has the quality rating {facts.quality_rating}: people block or report its messages; "
            "send to those who asked for it, and look at the templates with the most blocks in WhatsApp Manager"
        )
    wanted = number.messages_per_second
    if wanted and limits.per_second and wanted > limits.per_second:
        yield warning(
            f"{name} is set to {wanted:g} messages a second, but Meta takes {limits.per_second:g}; "
            "lower MESSAGES_PER_SECOND, or leave it out: then Meta's own limit is used"
        )
    people = "any number of" if limits.unlimited else f"{limits.people_a_day:,}" if limits.people_a_day else "?"
    speed = f"{limits.per_second:g}" if limits.per_second else "?"
    yield note(
        f"{name} ({facts.verified_name}): quality {facts.quality_rating}, {speed} messages a second, "
        f"{people} people in 24 h"
    )


def _subscription(api: AccountApi, waba_id: str, token: str, app_id: str | None) -> Findings:
    try:
        apps = api.subscribed_apps(waba_id, token)
    except SendError as error:
        yield warning(f"who gets the notifications of account {waba_id} cannot be seen: {why_not_told(error)}")
        return
    mend = "subscribe the app: POST /{waba_id}/subscribed_apps with its token, and the field messages in its dashboard"
    if not apps:
        yield problem(f"no app is subscribed to account {waba_id}, so nothing is known after Meta's accepted; {mend}")
    elif app_id is not None and app_id not in apps:
        yield warning(f"the token's app is not subscribed to account {waba_id}, another one is; {mend}")
    else:
        yield fine(f"the app is subscribed to account {waba_id}")


def skew_findings(seconds: float | None) -> Findings:
    """How our clock stands to Meta's; `seconds` is by how much it is ahead."""
    if seconds is None or abs(seconds) <= SKEW_WARNED:
        return
    where = "ahead of" if seconds > 0 else "behind"
    words = f"this machine's clock is {abs(seconds):.0f} s {where} Meta's"
    if abs(seconds) > SKEW_FATAL:
        yield problem(f"{words}, so signed events are refused; have it set by NTP")
    else:
        yield warning(f"{words}; have it set by NTP, since from five minutes on signed events are refused")


def webhook_findings(url: str, secrets: Sequence[Secret], challenge: str) -> Findings:
    """Whether what answers at a URL takes each verify token, asked as Meta asks. Raise ConfigError for no URL."""
    parts = urlsplit(url)
    if not parts.hostname or parts.scheme not in {"http", "https"}:
        raise ConfigError(["--webhook-url: give the whole URL, such as https://channel.example.com/webhooks/whatsapp"])
    where = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"
    if parts.scheme == "http" and parts.hostname not in _LOCAL:
        yield problem(f"{where} is not https, which is all that Meta calls; it was not asked")
        return
    for secret in secrets:
        if secret.credentials.verify_token:
            yield from _challenge(where, secret.where, secret.credentials.verify_token, challenge)


def _challenge(where: str, name: str, verify_token: str, challenge: str) -> Findings:
    query = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": verify_token}
    try:
        answer = requests.get(where, params=query, timeout=TIMEOUT, allow_redirects=False)
    except requests.RequestException as error:
        yield problem(f"{where} does not answer ({type(error).__name__}); check the address, DNS, TLS and the network")
        return
    if answer.status_code == 200 and answer.text == challenge:
        yield fine(f"{where} takes the verify token in {name}")
    elif answer.status_code == 403:
        yield problem(f"{where} does not take the verify token in {name}; the service there has another one")
    else:
        yield problem(
            f"{where} answered {answer.status_code} and not with the challenge; "
            "it must lead to the service's /webhooks/whatsapp"
        )


def _is_refused(error: SendError) -> bool:
    """The token itself, and not only this question."""
    return isinstance(error, Unauthorised) and verdict_on(error.code, error.subcode).http_status == 401


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
