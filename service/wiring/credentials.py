"""Settings in, what reads the tokens and keys out: from Secrets Manager, or from the environment."""

from collections.abc import Sequence
from functools import partial

from pydantic import SecretStr

from service.config import Settings
from service.secrets import Credentials, KeyEntries, SecretProblem, SecretsManager, Source, credentials_of
from service.whatsapp.pausing import Account
from service.wiring.moments import monotonic


def sources(settings: Settings) -> dict[str, Source]:
    """Where each number's credentials come from: its own secret, the common one, or the environment."""
    manager = SecretsManager(settings.aws_region, settings.aws_endpoint_url)
    shared: dict[str, Source] = {}
    found = {}
    for phone_number_id, number in settings.numbers.items():
        arn = number.secret_arn or settings.secret_arn
        name = arn or "environment"
        if name not in shared:
            read = partial(manager.credentials, arn) if arn else partial(_from_environment, settings)
            shared[name] = Source(read, monotonic, name)
        found[phone_number_id] = shared[name]
    return found


def accounts(settings: Settings) -> dict[str, Account]:
    """What each number belongs to."""
    found = sources(settings)
    return {name: Account(number.waba_id, found[name].name) for name, number in settings.numbers.items()}


def wabas(settings: Settings) -> dict[str, str]:
    """Each number's account, of those that name one."""
    return {name: number.waba_id for name, number in settings.numbers.items() if number.waba_id}


def _from_environment(settings: Settings) -> Credentials:
    """As the secret's JSON would say it."""
    if settings.app_token is None:
        raise SecretProblem("no token: set FB_SECRET_ARN to the secret's ARN, or FB_APP_TOKEN on a laptop")
    document: dict[str, object] = {"FB_APP_TOKEN": settings.app_token.get_secret_value()}
    if app_secrets := _listed(settings.app_secret):
        document["FB_APP_SECRET"] = app_secrets
    if settings.verify_token:
        document["WEBHOOK_VERIFY_TOKEN"] = settings.verify_token.get_secret_value()
    return credentials_of(document, "the environment")


def _listed(value: SecretStr | None) -> list[str]:
    return [part.strip() for part in value.get_secret_value().split(",") if part.strip()] if value else []


def keys(settings: Settings, value: SecretStr | None) -> KeyEntries:
    """Keys as given, or as they stand in the secret whose ARN is given."""
    listed = _listed(value)
    if len(listed) != 1 or not listed[0].startswith("arn:"):
        return KeyEntries(lambda: listed)
    (arn,) = listed
    manager = SecretsManager(settings.aws_region, settings.aws_endpoint_url)
    return KeyEntries(lambda: _listed(SecretStr(manager.text(arn))), arn)


def key_entries(settings: Settings, value: SecretStr | None) -> Sequence[str]:
    """The keys as they stand now; raise SecretProblem."""
    return keys(settings, value).read()
