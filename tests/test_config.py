"""The settings: their defaults, where they may stand, and what is said about those that cannot be used."""

import traceback
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import SecretStr

from service.config import ConfigError, Settings
from service.message import Door
from service.settings_file import NumberSettings
from tests.conftest import SAMPLES

NUMBER = "106540352242922"
ARN = "arn:aws:secretsmanager:us-east-1:111122223333:secret:connect/whatsapp-AbCdEf"
SETTINGS_TOML = SAMPLES / "settings.toml"

DEFAULTS: dict[str, object] = {
    "DATABASE_URL": "sqlite:///var/channel.db",
    "FB_BUSINESS_PHONE_ID": None,
    "FB_SECRET_ARN": None,
    "FB_APP_TOKEN": None,
    "FB_APP_SECRET": None,
    "WEBHOOK_VERIFY_TOKEN": None,
    "WHATSAPP_BUSINESS_ACCOUNT_ID": None,
    "WHATSAPP_API_URL": "https://graph.facebook.com",
    "WHATSAPP_API_VERSION": "v25.0",
    "CHANNEL_SETTINGS": None,
    "MESSAGES_PER_SECOND": None,
    "RATE_SHARE": 0.9,
    "DAILY_RECIPIENT_LIMIT": None,
    "DEFAULT_LANGUAGE": "en_US",
    "DEFAULT_TTL_SECONDS": 86400,
    "MAX_ATTEMPTS": 8,
    "UNANSWERED_GRACE_SECONDS": 300,
    "DUPLICATE_WINDOW_SECONDS": 900,
    "RETENTION_DAYS": 90,
    "SIGNING_KEYS": None,
    "API_KEYS": None,
    "CONSOLE_USERS": None,
    "CONSOLE_ALB_ARN": None,
    "EVENT_BUS": None,
    "EVENT_BUS_PII": False,
    "CLOUDWATCH_NAMESPACE": None,
    "PORT": 8080,
    "WEB_WORKERS": 2,
    "DISPATCHER_PORT": 9090,
    "LOG_LEVEL": "INFO",
    "AWS_REGION": None,
    "AWS_ENDPOINT_URL": None,
}
"""As the contract has them."""

SECRET = ["FB_APP_TOKEN", "FB_APP_SECRET", "WEBHOOK_VERIFY_TOKEN", "SIGNING_KEYS", "API_KEYS", "CONSOLE_USERS"]


def read(**environment: str) -> Settings:
    return Settings.from_environment(environment)


def value(settings: Settings, alias: str) -> object:
    """A setting by its public name, secrets in clear."""
    name = next(name for name, field in Settings.model_fields.items() if field.alias == alias)
    found = getattr(settings, name)
    return found.get_secret_value() if isinstance(found, SecretStr) else found


def problems(environment: Mapping[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        Settings.from_environment(environment)
    return caught.value.problems


# --- defaults and places ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alias", DEFAULTS)
def test_a_setting_has_the_contracts_default(alias: str) -> None:
    assert value(read(), alias) == DEFAULTS[alias]


def test_every_setting_is_in_the_table_above_and_explained() -> None:
    fields = {field.alias: field for field in Settings.model_fields.values() if field.alias}
    assert set(fields) == set(DEFAULTS)
    assert all(field.description for field in fields.values())


@pytest.mark.parametrize("blank", ["", "   ", "\n"])
def test_an_empty_variable_is_not_set(blank: str) -> None:
    assert read(**dict.fromkeys(DEFAULTS, blank)) == read()


def test_a_setting_is_read_without_the_white_space_around_it() -> None:
    assert value(read(FB_APP_TOKEN=" EAAG1\n"), "FB_APP_TOKEN") == "EAAG1"


@pytest.mark.parametrize("alias", ["FB_APP_TOKEN", "SIGNING_KEYS", "DATABASE_URL", "MAX_ATTEMPTS"])
def test_a_setting_may_stand_in_a_file(alias: str, tmp_path: Path) -> None:
    (tmp_path / "setting").write_text(" 7\n")
    assert str(value(read(**{f"{alias}_FILE": str(tmp_path / "setting")}), alias)) == "7"


def test_the_variable_goes_before_its_file(tmp_path: Path) -> None:
    (tmp_path / "setting").write_text("from the file")
    file = str(tmp_path / "setting")
    assert value(read(FB_APP_TOKEN="from-here", FB_APP_TOKEN_FILE=file), "FB_APP_TOKEN") == "from-here"
    assert value(read(FB_APP_TOKEN="", FB_APP_TOKEN_FILE=file), "FB_APP_TOKEN") == "from the file"


def test_a_file_that_cannot_be_read_is_a_problem_with_its_name(tmp_path: Path) -> None:
    missing, binary = tmp_path / "missing", tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    found = problems({"FB_APP_TOKEN_FILE": str(missing), "API_KEYS_FILE": str(binary), "PORT_FILE": str(tmp_path)})
    assert sorted(found) == [
        f"API_KEYS_FILE: {binary} cannot be read (not UTF-8)",
        f"FB_APP_TOKEN_FILE: {missing} cannot be read (No such file or directory)",
        f"PORT_FILE: {tmp_path} cannot be read (Is a directory)",
    ]


def test_unknown_variables_are_none_of_our_business() -> None:
    assert read(PATH="/bin", HOME="/root", MAX_TRIES="x") == read()


# --- what cannot be used ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alias", "text"),
    [
        ("FB_BUSINESS_PHONE_ID", "+86 138 0013 8000"),
        ("FB_BUSINESS_PHONE_ID", "106540352242922/../1"),
        ("FB_BUSINESS_PHONE_ID", "1" * 65),
        ("WHATSAPP_API_URL", "graph.facebook.com"),
        ("WHATSAPP_API_URL", "ftp://graph.facebook.com"),
        ("WHATSAPP_API_URL", "https://"),
        ("WHATSAPP_API_URL", "http://[::1"),
        ("WHATSAPP_API_URL", "https://graph.facebook.com?to=evil.com"),
        ("WHATSAPP_API_URL", "https://graph.facebook.com#evil.com"),
        ("WHATSAPP_API_URL", "https://graph.facebook.com\\@evil.com"),
        ("WHATSAPP_API_URL", "https://graph.facebook.com\n.evil.com"),
        ("WHATSAPP_API_URL", "file:///etc/passwd"),
        ("AWS_ENDPOINT_URL", "secretsmanager.us-east-1.amazonaws.com"),
        ("AWS_ENDPOINT_URL", "http://secretsmanager.us-east-1.amazonaws.com"),
        ("AWS_ENDPOINT_URL", "http://169.254.169.254.evil.com"),
        ("AWS_ENDPOINT_URL", "file:///etc/passwd"),
        ("AWS_ENDPOINT_URL", "https://localhost:5000?x"),
        ("WHATSAPP_API_VERSION", "25.0"),
        ("WHATSAPP_API_VERSION", "v25"),
        ("WHATSAPP_API_VERSION", "v25.0/"),
        ("MESSAGES_PER_SECOND", "0"),
        ("MESSAGES_PER_SECOND", "inf"),
        ("MESSAGES_PER_SECOND", "nan"),
        ("MESSAGES_PER_SECOND", "many"),
        ("RATE_SHARE", "0"),
        ("RATE_SHARE", "1.01"),
        ("RATE_SHARE", "nan"),
        ("DAILY_RECIPIENT_LIMIT", "0"),
        ("DAILY_RECIPIENT_LIMIT", "250.5"),
        ("DAILY_RECIPIENT_LIMIT", "unlimited"),
        ("DEFAULT_LANGUAGE", "auto"),
        ("DEFAULT_LANGUAGE", "en-US"),
        ("DEFAULT_TTL_SECONDS", "0"),
        ("DEFAULT_TTL_SECONDS", "2592001"),
        ("DEFAULT_TTL_SECONDS", "1.5"),
        ("MAX_ATTEMPTS", "0"),
        ("UNANSWERED_GRACE_SECONDS", "0"),
        ("UNANSWERED_GRACE_SECONDS", "inf"),
        ("UNANSWERED_GRACE_SECONDS", "604801"),
        ("DUPLICATE_WINDOW_SECONDS", "-1"),
        ("DUPLICATE_WINDOW_SECONDS", "999999999999"),
        ("RETENTION_DAYS", "0"),
        ("RETENTION_DAYS", "3651"),
        ("CONSOLE_ALB_ARN", "channel-alb"),
        (
            "CONSOLE_ALB_ARN",
            "arn:aws:elasticloadbalancing:eu-central-1:111122223333:loadbalancer/net/channel/50dc6c495c0c",
        ),
        (
            "CONSOLE_ALB_ARN",
            "arn:aws:elasticloadbalancing:evil.example/:111122223333:loadbalancer/app/channel/50dc6c495c",
        ),
        ("CLOUDWATCH_NAMESPACE", "AWS/WhatsApp"),
        ("CLOUDWATCH_NAMESPACE", "WhatsApp channel"),
        ("CLOUDWATCH_NAMESPACE", "x" * 256),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("WEB_WORKERS", "0"),
        ("DISPATCHER_PORT", "http"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_what_cannot_be_used_is_named_and_explained(alias: str, text: str) -> None:
    (problem,) = problems({alias: text})
    description = next(field.description for field in Settings.model_fields.values() if field.alias == alias)
    assert problem.startswith(f"{alias}: ")
    assert f"({description})" in problem
    assert "Value error" not in problem


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    toml = '[numbers.abc]\n[numbers.1]\nmessages_per_second = 0\napplications = "x"'
    found = problems(
        {
            "PORT": "x",
            "LOG_LEVEL": "LOUD",
            "WHATSAPP_API_URL": "http://graph.facebook.com",
            "API_KEYS_FILE": str(tmp_path / "missing"),
            "CHANNEL_SETTINGS": toml,
        }
    )
    wanted = [
        "API_KEYS_FILE: ",
        "CHANNEL_SETTINGS: [numbers.1]: applications: ",
        "CHANNEL_SETTINGS: [numbers.1]: messages_per_second: ",
        "CHANNEL_SETTINGS: [numbers.abc]: ",
        "LOG_LEVEL: ",
        "PORT: ",
        "WHATSAPP_API_URL: ",
    ]
    assert [start for problem, start in zip(sorted(found), wanted, strict=True) if problem.startswith(start)] == wanted


def test_the_error_reads_as_one_sentence_a_line() -> None:
    with pytest.raises(ConfigError) as caught:
        read(PORT="x", WEB_WORKERS="0")
    assert str(caught.value).splitlines() == caught.value.problems


# --- plain http -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "localhost:8090",
        "127.0.0.1:8090",
        "127.8.8.8",
        "10.0.0.5",
        "172.16.0.1",
        "192.168.1.1:80",
        "[::1]:8090",
        "[fd00::1]",
        "[::ffff:10.0.0.1]",
        "sandbox:8090",
        "sandbox.internal",
        "sandbox.channel.local",
    ],
)
def test_plain_http_may_go_to_a_private_host(host: str) -> None:
    assert read(WHATSAPP_API_URL=f"http://{host}/").api_url == f"http://{host}"


@pytest.mark.parametrize(
    "host",
    [
        "graph.facebook.com",
        "8.8.8.8",
        "172.32.0.1",
        "[2606:4700::1111]",
        "[::ffff:8.8.8.8]",
        "134744072",
        "0x08080808",
        "010.8.8.8",
        "localhost.evil.com",
        "evil.com:80#.internal",
        "10.0.0.5@evil.com",
        "sandbox.internal.evil.com",
    ],
)
def test_plain_http_never_goes_to_a_public_host(host: str) -> None:
    (problem,) = problems({"WHATSAPP_API_URL": f"http://{host}"})
    assert "plain http" in problem
    if "#" not in host:
        assert read(WHATSAPP_API_URL=f"https://{host}").api_url == f"https://{host}"


def test_aws_may_be_this_machine_or_an_endpoint_in_the_vpc() -> None:
    endpoint = "https://vpce-0a1b.secretsmanager.us-east-1.vpce.amazonaws.com"
    for url in ("http://127.0.0.1:5000", "http://aws:5000", endpoint):
        assert read(AWS_ENDPOINT_URL=url).aws_endpoint_url == url


# --- the settings file ------------------------------------------------------------------------------------------------

FROM_THE_SAMPLE = NumberSettings(
    secret_arn=ARN,
    waba_id="102290129340398",
    messages_per_second=80,
    applications=("f190affea10b4ce2b4a2cbbd85976c96",),
)


@pytest.mark.parametrize("given", [str(SETTINGS_TOML), SETTINGS_TOML.read_text()], ids=["a path", "the text itself"])
def test_the_settings_file_adds_numbers(given: str) -> None:
    assert read(CHANNEL_SETTINGS=given).numbers == {NUMBER: FROM_THE_SAMPLE}


def test_the_settings_file_may_be_named_by_its_own_variable_too() -> None:
    assert read(CHANNEL_SETTINGS_FILE=str(SETTINGS_TOML)).numbers == {NUMBER: FROM_THE_SAMPLE}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("/nowhere/settings.toml", "/nowhere/settings.toml cannot be read (No such file or directory)"),
        ("/", "cannot be read (Is a directory)"),
        ("x" * 5000, "cannot be read (File name too long)"),
        ("[numbers.1]\nsecret_arn = ", "not valid TOML"),
        ("[numbers.1", "not valid TOML"),
        ("[numbers]\n1 = 5", "[numbers.1]"),
        ("numbers = 5\n[x]", "[numbers]"),
        ("[numbers.a1]\n", "[numbers.a1]: give the id that WhatsApp Manager shows"),
        ("[numbers.1]\nmessages_per_second = inf", "[numbers.1]: messages_per_second"),
        ("[numbers.1]\nmessages_per_second = -1", "[numbers.1]: messages_per_second"),
        ('[numbers.1]\nportfolio = " "', "[numbers.1]: portfolio"),
        (f'[numbers.1]\nportfolio = "{"x" * 513}"', "[numbers.1]: portfolio"),
        ("[numbers.1]\ndaily_recipient_limit = 0", "[numbers.1]: daily_recipient_limit"),
        ('[numbers.1]\ndoor = "marketing"', "[numbers.1]: door"),
        ('[numbers.1]\nproduct_policy = "strict"', "[numbers.1]: product_policy"),
        ('[numbers.1]\nmessage_activity_sharing = "perhaps"', "[numbers.1]: message_activity_sharing"),
    ],
)
def test_a_settings_file_that_cannot_be_used_is_explained(given: str, says: str) -> None:
    (problem,) = problems({"CHANNEL_SETTINGS": given})
    assert problem.startswith("CHANNEL_SETTINGS: ")
    assert says in problem


def test_a_settings_file_that_is_no_text_is_explained(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_bytes(b"\xff\xfe")
    (problem,) = problems({"CHANNEL_SETTINGS": str(tmp_path / "settings.toml")})
    assert "not UTF-8" in problem


def test_a_number_has_metas_own_defaults_and_what_the_file_says_of_it() -> None:
    toml = """
        [numbers.1]
        [numbers.2]
        portfolio = " sales "
        daily_recipient_limit = 2000
        door = "marketing_messages"
        product_policy = "STRICT"
        message_activity_sharing = false
    """
    plain, full = read(CHANNEL_SETTINGS=toml).numbers.values()
    assert (plain.portfolio, plain.daily_recipient_limit, plain.door) == ("default", None, Door.MESSAGES)
    assert (plain.product_policy, plain.message_activity_sharing) == (None, None)
    assert (full.portfolio, full.daily_recipient_limit, full.door) == ("sales", 2000, Door.MARKETING)
    assert (full.product_policy, full.message_activity_sharing) == ("STRICT", False)


# --- the number of the environment ------------------------------------------------------------------------------------


def test_without_a_number_there_is_none() -> None:
    assert read(FB_SECRET_ARN=ARN).numbers == {}


def test_the_articles_two_variables_are_one_number() -> None:
    settings = read(FB_BUSINESS_PHONE_ID=NUMBER, FB_SECRET_ARN=ARN, WHATSAPP_BUSINESS_ACCOUNT_ID="102")
    assert settings.numbers == {NUMBER: NumberSettings(secret_arn=ARN, waba_id="102")}


def test_the_environments_number_stands_beside_those_of_the_file() -> None:
    settings = read(FB_BUSINESS_PHONE_ID="222", CHANNEL_SETTINGS=str(SETTINGS_TOML))
    assert settings.numbers == {NUMBER: FROM_THE_SAMPLE, "222": NumberSettings()}


def test_what_the_file_says_of_the_number_goes_before_the_environment() -> None:
    toml = f'[numbers.{NUMBER}]\nsecret_arn = "the-files"\nmessages_per_second = 20'
    settings = read(
        FB_BUSINESS_PHONE_ID=NUMBER, FB_SECRET_ARN=ARN, WHATSAPP_BUSINESS_ACCOUNT_ID="102", CHANNEL_SETTINGS=toml
    )
    assert settings.numbers == {NUMBER: NumberSettings(secret_arn="the-files", waba_id="102", messages_per_second=20)}


# --- nothing private leaks (G10) --------------------------------------------------------------------------------------

CANARIES = {name: f"canary-{name.lower()}" for name in SECRET} | {
    "DATABASE_URL": "postgresql+psycopg://channel:canary-password@db/channel"
}


def test_no_secret_stands_in_a_repr() -> None:
    settings = read(FB_BUSINESS_PHONE_ID=NUMBER, **CANARIES)
    assert {value(settings, name) for name in CANARIES} == set(CANARIES.values())
    assert "canary" not in f"{settings!r} {settings} {settings.numbers!r}"


def test_no_secret_stands_in_an_error_or_its_traceback() -> None:
    environment = CANARIES | {"PORT": "x", "CHANNEL_SETTINGS": "[numbers.abc]\n[numbers.1]\nmessages_per_second = 0"}
    with pytest.raises(ConfigError) as caught:
        Settings.from_environment(environment)
    assert "canary" not in f"{caught.value!r} {caught.value}"
    assert "canary" not in "".join(traceback.format_exception(caught.value))


def test_settings_do_not_change_once_they_are_read() -> None:
    with pytest.raises(ValueError, match="frozen"):
        read().port = 1
