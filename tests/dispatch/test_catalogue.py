"""The dispatcher keeps each account's templates as Meta lists them."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest

from service.dispatch.catalogue import CatalogueKeeper
from service.message import Pause, PauseReason, Scope
from service.outbox.catalogue import Catalogues, Standing
from service.secrets import Credentials, SecretProblem, Source
from service.whatsapp import catalogue
from service.whatsapp.catalogue import CatalogueUnreadable, TemplatesApi
from tests.conftest import Store
from tests.dispatch.cloud_api import CloudApi, drop, pages, refuse, serving, text
from tests.dispatch.stage import NUMBER, Secret, SteppedClock

WABA = "102290129340398"
ORDER: dict[str, object] = {"name": "order", "language": "en_US", "status": "APPROVED", "components": []}
SALE = {**ORDER, "name": "sale"}


class Keeping:
    """A keeper with a clock that is moved by hand, over a Cloud API that lists what it is told."""

    def __init__(self, store: Store, cloud_api: CloudApi, clock: SteppedClock, secret: Secret) -> None:
        self.kept = Catalogues(store.engine)
        self.clock = clock
        self.keeper = CatalogueKeeper(
            WABA,
            NUMBER,
            Source(secret.read, lambda: clock.seconds),
            store=self.kept,
            api=TemplatesApi(cloud_api.url, "v25.0"),
            lift=store.outbox.lift_notified,
            now=lambda: clock.time,
        )

    def look(self, *, serves: bool = True, **span: float) -> list[str]:
        """Let time pass, look, and tell the names that are kept then."""
        self.clock.step(**span)
        asyncio.run(self.keeper.look(serves=serves))
        return [one["name"] for one in self.kept.listings(WABA)]

    def standing(self) -> Standing:
        return self.kept.standings([WABA])[WABA]


@pytest.fixture
def keeping(store: Store, cloud_api: CloudApi, clock: SteppedClock, secret: Secret) -> Keeping:
    cloud_api.lists = pages([ORDER])
    return Keeping(store, cloud_api, clock, secret)


def asked(cloud_api: CloudApi) -> int:
    return sum("message_templates" in path for path in cloud_api.questions)


def test_templates_are_read_at_the_start_and_every_ten_minutes(keeping: Keeping, cloud_api: CloudApi) -> None:
    assert keeping.look() == ["order"]
    cloud_api.lists = pages([SALE])
    assert keeping.look(minutes=9, seconds=59) == ["order"]
    assert asked(cloud_api) == 1
    assert keeping.look(seconds=1) == ["sale"]


def test_templates_are_read_when_meta_says_that_one_changed(keeping: Keeping, cloud_api: CloudApi) -> None:
    keeping.look()
    cloud_api.lists = pages([ORDER, SALE])
    keeping.kept.want([WABA], keeping.clock.time + timedelta(seconds=1))
    assert keeping.look(seconds=2) == ["order", "sale"]
    keeping.look(seconds=2)
    assert asked(cloud_api) == 2


def test_a_template_that_is_listed_as_approved_waits_no_longer_for_news_of_it(
    keeping: Keeping, store: Store, cloud_api: CloudApi
) -> None:
    """Meta repeats itself in any order: a late `DISABLED` would else pause a template without end."""
    since = keeping.clock.time - timedelta(minutes=1)
    cloud_api.lists = pages([ORDER, {**SALE, "status": "PAUSED"}])
    for key, reason in (
        (f"order/{ORDER['language']}@{WABA}", PauseReason.NOTIFIED),
        (f"order/{ORDER['language']}", PauseReason.REFUSED),
        (f"sale/{SALE['language']}@{WABA}", PauseReason.NOTIFIED),
        ("other/en_US", PauseReason.NOTIFIED),
    ):
        store.outbox.pause(Pause(Scope.TEMPLATE, key, reason, "why", since))
    keeping.look()
    standing = {(one.key, one.reason) for one in store.report.pauses(keeping.clock.time)}
    assert standing == {
        (f"order/{ORDER['language']}", PauseReason.REFUSED),
        (f"sale/{SALE['language']}@{WABA}", PauseReason.NOTIFIED),
        ("other/en_US", PauseReason.NOTIFIED),
    }


def test_only_who_serves_the_number_reads_and_reads_at_once_when_it_comes_to_us(
    keeping: Keeping, cloud_api: CloudApi
) -> None:
    assert keeping.look(serves=False) == []
    assert asked(cloud_api) == 0
    keeping.look()
    keeping.look(serves=False, seconds=5)
    keeping.look(seconds=5)
    assert asked(cloud_api) == 2


FAULTS = {
    "a refused token": (refuse(190, 401), "190"),
    "no permission": (refuse(200, 403), "200"),
    "too many calls": (refuse(80007, 400), "80007"),
    "a wrong account": (refuse(100, 400, subcode=33), "100"),
    "HTML": (text(200, "<html>"), "no JSON object"),
    "a list": (text(200, "[]"), "no JSON object"),
    "no list of templates": (text(200, '{"data": {}}'), "no list of templates"),
    "a gateway's page": (text(502, "bad gateway"), "502"),
    "a dropped connection": (drop, "does not answer"),
    "deep nesting": (text(200, "[" * 100_000), "no JSON object"),
}


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_meta_does_not_list_leaves_what_is_known_and_is_tried_again_in_a_minute(
    keeping: Keeping, cloud_api: CloudApi, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    keeping.look()
    cloud_api.lists, words = FAULTS[name]
    assert keeping.look(minutes=10) == ["order"]
    problem = keeping.standing().problem
    assert problem is not None
    assert words in problem
    assert "token-1" not in problem + caplog.text
    cloud_api.lists = pages([SALE])
    assert keeping.look(seconds=59) == ["order"]
    assert keeping.look(seconds=1) == ["sale"]
    assert keeping.standing().problem is None


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_secret_that_cannot_be_read_is_the_problem(store: Store, cloud_api: CloudApi, clock: SteppedClock) -> None:
    def unreadable() -> Credentials:
        raise SecretProblem("secret x does not exist")

    source = Source(unreadable, lambda: clock.seconds)
    kept, api = Catalogues(store.engine), TemplatesApi(cloud_api.url, "v25.0")
    keeper = CatalogueKeeper(
        WABA, NUMBER, source, store=kept, api=api, lift=store.outbox.lift_notified, now=lambda: clock.time
    )
    asyncio.run(keeper.look(serves=True))
    assert kept.standings([WABA])[WABA].problem == "secret x does not exist"


# --- the list itself ----------------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[CloudApi]:
    with serving(CloudApi()) as running:
        yield running


def read(server: CloudApi) -> list[str]:
    return [one["name"] for one in TemplatesApi(server.url, "v25.0").read(WABA, "token-1")]


def test_every_page_is_read_from_our_own_address(server: CloudApi) -> None:
    server.lists = pages([ORDER], [], [SALE, ORDER])
    assert read(server) == ["order", "sale", "order"]
    assert [path.partition("?")[0] for path in server.questions] == [f"/v25.0/{WABA}/message_templates"] * 3


def test_what_is_no_template_is_left_out(server: CloudApi) -> None:
    odd = [None, 1, "order", {}, {"name": "x"}, {"name": 1, "language": "en"}, {"name": "", "language": "en"}]
    long = {"name": "x" * 513, "language": "en"}
    server.lists = pages([*odd, long, {"name": "nul\0", "language": "en"}, ORDER])
    assert read(server) == ["order"]


def test_a_list_without_end_is_given_up(server: CloudApi) -> None:
    server.lists = pages(*[[ORDER]] * (catalogue.MOST_PAGES + 1))
    with pytest.raises(CatalogueUnreadable, match="more than"):
        read(server)
