"""Every setting: name, default, help, check. The only reader of the environment.

`X_FILE` reads X from a file. The settings file (`CHANNEL_SETTINGS`) adds numbers to the one in the environment, and named
messages. What holds a secret is a SecretStr, so that no repr shows it.
"""

import os
import tomllib
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from service.cloudwatch.lines import usable_namespace
from service.intake.draft import MessageName
from service.settings_file import (
    TABLES,
    ConnectSettings,
    ConsentSettings,
    MessageSettings,
    NumberSettings,
    PhoneNumberId,
    in_its_table,
)


def environment() -> Mapping[str, str]:
    """The process's environment."""
    return os.environ


class ConfigError(Exception):
    """Settings that cannot be used: one sentence each, with the setting's name first."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Settings(BaseModel):
    """All settings. `from_environment` reads them; the aliases are the public names (contract)."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=False)

    database_url: Annotated[
        str,
        Field(
            alias="DATABASE_URL",
            description="SQLAlchemy URL; SQLite or PostgreSQL 14 and newer",
            repr=False,  # it may hold a password
        ),
    ] = "sqlite:///var/channel.db"
    phone_number_id: Annotated[
        PhoneNumberId | None,
        Field(alias="FB_BUSINESS_PHONE_ID", description="the phone number's id in WhatsApp Manager"),
    ] = None
    secret_arn: Annotated[
        str | None, Field(alias="FB_SECRET_ARN", description="Secrets Manager secret with FB_APP_TOKEN in its JSON")
    ] = None
    app_token: Annotated[
        SecretStr | None, Field(alias="FB_APP_TOKEN", description="access token; only without FB_SECRET_ARN")
    ] = None
    app_secret: Annotated[
        SecretStr | None,
        Field(alias="FB_APP_SECRET", description="Meta app secret, checks notifications; comma-separated for rotation"),
    ] = None
    verify_token: Annotated[
        SecretStr | None,
        Field(alias="WEBHOOK_VERIFY_TOKEN", description="what Meta is told to send when the webhook is subscribed"),
    ] = None
    waba_id: Annotated[
        str | None, Field(alias="WHATSAPP_BUSINESS_ACCOUNT_ID", description="the account that owns the templates")
    ] = None
    api_url: Annotated[
        str, Field(alias="WHATSAPP_API_URL", description="Cloud API without version; plain http only to a private host")
    ] = "https://graph.facebook.com"
    api_version: Annotated[
        str, Field(alias="WHATSAPP_API_VERSION", description="Graph API version", pattern=r"^v[0-9]+\.[0-9]+$")
    ] = "v25.0"
    channel_settings: Annotated[
        str | None,
        Field(alias="CHANNEL_SETTINGS", description="TOML with numbers, named messages: a path, or the text itself"),
    ] = None
    messages_per_second: Annotated[
        float | None,
        Field(
            alias="MESSAGES_PER_SECOND",
            description="Meta's limit for the number; where not set, what Meta says of it, else 80",
            gt=0,
            allow_inf_nan=False,
        ),
    ] = None
    rate_share: Annotated[
        float, Field(alias="RATE_SHARE", description="the part of that limit which is used", gt=0, le=1)
    ] = 0.9
    daily_recipient_limit: Annotated[
        int | None,
        Field(
            alias="DAILY_RECIPIENT_LIMIT",
            description="how many different people may be written to in 24 hours; where not set, what Meta says",
            gt=0,
        ),
    ] = None
    default_language: Annotated[
        str,
        Field(
            alias="DEFAULT_LANGUAGE",
            description="language of a template when the event names none",
            pattern=r"^[A-Za-z]{2,3}(_[A-Za-z0-9]{2,8}){0,3}$",
        ),
    ] = "en_US"
    ttl_seconds: Annotated[
        int, Field(alias="DEFAULT_TTL_SECONDS", description="how long a message is worth sending", gt=0, le=2_592_000)
    ] = 86400
    max_attempts: Annotated[
        int, Field(alias="MAX_ATTEMPTS", description="how often a message is tried before it has failed", gt=0, le=100)
    ] = 8
    unanswered_grace_seconds: Annotated[
        float,
        Field(
            alias="UNANSWERED_GRACE_SECONDS",
            description="how long Meta may take to tell by notification what became of an unanswered request",
            gt=0,
            le=604_800,
        ),
    ] = 300
    duplicate_window_seconds: Annotated[
        int,
        Field(
            alias="DUPLICATE_WINDOW_SECONDS",
            description="how long the same journey event counts as the same, from its receipt",
            gt=0,
            le=2_592_000,
        ),
    ] = 900
    retention_days: Annotated[
        int,
        Field(
            alias="RETENTION_DAYS",
            description="for how many days keys and finished messages are kept; then personal data is erased",
            gt=0,
            le=3650,
        ),
    ] = 90
    signing_keys: Annotated[
        SecretStr | None,
        Field(
            alias="SIGNING_KEYS", description="Standard Webhooks keys of the shim, comma-separated, or a secret's ARN"
        ),
    ] = None
    api_keys: Annotated[
        SecretStr | None,
        Field(alias="API_KEYS", description="entries name:scope+scope:sha256, comma-separated, or a secret's ARN"),
    ] = None
    console_users: Annotated[
        SecretStr | None,
        Field(
            alias="CONSOLE_USERS",
            description="the console's people: entries name:role:argon2 or name:role:oidc, comma-separated, or a secret's ARN",
        ),
    ] = None
    console_alb_arn: Annotated[
        str | None,
        Field(
            alias="CONSOLE_ALB_ARN",
            description="ARN of the Application Load Balancer that signs the console's people in; none: its header is not read",
            pattern=r"^arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:[0-9]{12}:loadbalancer/app/[A-Za-z0-9-]+/[0-9a-f]+$",
        ),
    ] = None
    event_bus: Annotated[
        str | None,
        Field(
            alias="EVENT_BUS",
            description="EventBridge bus (name or ARN) that is told what became of each message and who replied; none: nobody",
        ),
    ] = None
    event_bus_pii: Annotated[
        bool,
        Field(alias="EVENT_BUS_PII", description="whether phone numbers whole and texts of replies go to that bus"),
    ] = False
    cloudwatch_namespace: Annotated[
        Annotated[str, AfterValidator(usable_namespace)] | None,
        Field(
            alias="CLOUDWATCH_NAMESPACE",
            description="CloudWatch namespace for metrics, written to stdout each minute; none: Prometheus only",
        ),
    ] = None
    port: Annotated[int, Field(alias="PORT", description="where the web service listens", ge=0, le=65535)] = 8080
    web_workers: Annotated[int, Field(alias="WEB_WORKERS", description="gunicorn worker processes", gt=0)] = 2
    dispatcher_port: Annotated[
        int,
        Field(alias="DISPATCHER_PORT", description="the dispatcher's own /healthz and /metrics", ge=0, le=65535),
    ] = 9090
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], Field(alias="LOG_LEVEL", description="how much is logged")
    ] = "INFO"
    aws_region: Annotated[
        str | None, Field(alias="AWS_REGION", description="region, where a secret's ARN does not name one")
    ] = None
    aws_endpoint_url: Annotated[
        str | None, Field(alias="AWS_ENDPOINT_URL", description="another address for AWS, for tests on one machine")
    ] = None

    numbers: Mapping[PhoneNumberId, NumberSettings] = Field(default_factory=dict, exclude=True)
    messages: Mapping[MessageName, MessageSettings] = Field(default_factory=dict, exclude=True)
    connect: ConnectSettings = Field(default_factory=ConnectSettings, exclude=True)
    consent: ConsentSettings = Field(default_factory=ConsentSettings, exclude=True)

    @field_validator("api_url", "aws_endpoint_url")
    @classmethod
    def _encrypted_or_private(cls, url: str | None) -> str | None:
        """A token never crosses a public network in the clear, nor does a secret."""
        if url is None:
            return None
        parts = urlsplit(url)
        is_base = url.isprintable() and not set(url) & set(" ?#\\")
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("give a URL such as https://graph.facebook.com")
        if parts.scheme == "http" and not _is_private(parts.hostname):
            raise ValueError("plain http is allowed to this machine or a private network only; use https")
        if not is_base:
            raise ValueError("paths are added to it: give it without spaces, query and fragment")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _applications_have_one_number(self) -> "Settings":
        served: dict[str, str] = {}
        for phone_number_id, number in self.numbers.items():
            for application in number.applications:
                if served.setdefault(application, phone_number_id) != phone_number_id:
                    raise ValueError(f"application {application} is listed under two numbers; keep one")
        return self

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read and check everything; raise ConfigError with all problems at once."""
        problems: list[str] = []
        values: dict[str, Any] = {}
        for field in cls.model_fields.values():
            if field.alias:
                _read(environment, field.alias, values, problems)
        document = _settings_file(values.get("CHANNEL_SETTINGS"), problems)
        values |= {name: document[name] for name in TABLES if name in document}
        try:
            settings = cls.model_validate(values)
        except ValidationError as error:
            raise ConfigError(problems + [_sentence(problem) for problem in error.errors()]) from None
        if problems:
            raise ConfigError(problems)
        return settings.with_its_number()

    def with_its_number(self) -> "Settings":
        """FB_BUSINESS_PHONE_ID as one of `numbers`; the environment adds what the settings file does not say of it."""
        if not self.phone_number_id:
            return self
        own = self.numbers.get(self.phone_number_id) or NumberSettings()
        added = {"secret_arn": own.secret_arn or self.secret_arn, "waba_id": own.waba_id or self.waba_id}
        number = own.model_copy(update=added)
        return self.model_copy(update={"numbers": {**self.numbers, self.phone_number_id: number}})


def _read(environment: Mapping[str, str], name: str, values: dict[str, Any], problems: list[str]) -> None:
    """An empty variable counts as not set: that is how compose files leave one out."""
    text = environment.get(name, "").strip()
    path = environment.get(f"{name}_FILE", "").strip()
    if path and not text:
        try:
            text = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{name}_FILE: {path} cannot be read ({_why(error)})")
    if text:
        values[name] = text


def _settings_file(value: str | None, problems: list[str]) -> dict[str, Any]:
    """CHANNEL_SETTINGS: what has several lines or begins with `[` is the TOML itself, anything else a path."""
    if not value:
        return {}
    is_text = "\n" in value or value.startswith("[")
    try:
        return tomllib.loads(value if is_text else Path(value).read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        problems.append(f"CHANNEL_SETTINGS: not valid TOML: {error}")
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"CHANNEL_SETTINGS: {value} cannot be read ({_why(error)}); give a path or the TOML text")
    return {}


def _why(error: OSError | UnicodeDecodeError) -> str:
    return "not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror or type(error).__name__


def _sentence(problem: Any) -> str:
    """What is wrong with a setting, its name first; what concerns the whole is about the numbers."""
    name, *place = [str(part) for part in problem["loc"] if part != "[key]"] or ["numbers"]
    message = problem["msg"].removeprefix("Value error, ")
    if name in TABLES:
        return f"CHANNEL_SETTINGS: {in_its_table(message, name, place)}"
    description = next(field.description for field in Settings.model_fields.values() if field.alias == name)
    return f"{name}: {message} ({description})"


def _is_private(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        # a bare name is a neighbour: a compose service, a sidecar; a bare number is an address in disguise
        is_bare = "." not in host and not host[0].isdigit()
        return is_bare or host.endswith((".internal", ".local"))
    return address.is_private or address.is_loopback
