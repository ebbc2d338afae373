"""Signing in to the console and out, and what nobody gets past."""

import logging
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Response, request
from sqlalchemy import select

from service.outbox import tables
from service.outbox.database import open_engine
from service.web.console.people import console_user_entry
from tests.web.console.visiting import ANNA, ANNAS, BORIS, BORISS, LOCAL, PUBLIC, Browser, Site, refusals

OUTSIDE = [
    "//evil.example",
    "/\\evil.example",
    "https://evil.example/console/",
    "https:evil.example",
    "javascript:alert(1)",
]


@pytest.fixture
def site(migrated: Path, tmp_path: Path) -> Iterator[Site]:
    engine = open_engine(f"sqlite:///{shutil.copy(migrated, tmp_path)}")
    yield Site(engine)
    engine.dispose()


@pytest.fixture
def browser(site: Site) -> Browser:
    return site.browser()


# --- in and out -------------------------------------------------------------------------------------------------------


def test_who_is_not_signed_in_is_sent_to_sign_in_and_then_to_where_they_wanted(browser: Browser) -> None:
    sent = browser.get("/console/act?page=2&of=a%20b")
    assert (sent.status_code, sent.location) == (302, "/console/sign-in?next=/console/act?page%3D2%26of%3Da%2520b")
    page = browser.get(sent.location)
    assert page.status_code == 200
    (to,) = re.findall(r'name="next" value="([^"]*)"', page.text)
    answer = browser.sign_in(next=to.replace("&amp;", "&"))
    assert (answer.status_code, answer.location) == (303, "/console/act?page=2&of=a%20b")
    assert browser.is_in()


def test_who_is_signed_in_needs_no_sign_in_page(browser: Browser) -> None:
    browser.sign_in()
    answer = browser.get("/console/sign-in?next=/console/act")
    assert (answer.status_code, answer.location) == (303, "/console/act")


def test_sign_out_ends_the_session_itself_not_only_the_cookie(site: Site, browser: Browser) -> None:
    browser.sign_in()
    cookie = browser.client.get_cookie("console", "localhost")
    assert cookie
    answer = browser.post("/console/sign-out", {"csrf": browser.csrf()})
    assert (answer.status_code, answer.location) == (303, "/console/sign-in")
    assert browser.client.get_cookie("console", "localhost") is None
    assert not browser.is_in()
    thief = site.browser()
    thief.client.set_cookie("console", cookie.value, domain="localhost")
    assert not thief.is_in()


def test_a_session_lasts_twelve_hours(site: Site, browser: Browser) -> None:
    browser.sign_in()
    site.pass_time(hours=12, seconds=-1)
    assert browser.is_in()
    site.pass_time(seconds=1)
    assert not browser.is_in()


def test_two_browsers_have_two_sessions(site: Site, browser: Browser) -> None:
    other = site.browser()
    browser.sign_in()
    other.sign_in()
    browser.post("/console/sign-out", {"csrf": browser.csrf()})
    assert other.is_in()


def test_a_part_that_is_looked_at_again_is_kept_by_this_browser_alone(site: Site, browser: Browser) -> None:
    def part() -> Response:
        answer = Response("the same as before", headers={"ETag": '"1"'})
        answer.make_conditional(request)
        return answer

    site.app.add_url_rule("/console/part", endpoint="console.part", view_func=site.guard.signed_in()(part))
    browser.sign_in()
    assert browser.get("/console/part").headers["Cache-Control"] == "private, no-cache"
    assert browser.get("/console/part", If_None_Match='"1"').status_code == 304


def test_pages_and_the_sign_in_page_stay_in_no_cache(browser: Browser) -> None:
    pages = [
        browser.get("/console/sign-in"),
        browser.sign_in(),
        browser.get("/console/"),
        browser.sign_in(password="x"),
    ]
    assert [page.headers["Cache-Control"] for page in pages] == ["no-store"] * 4


# --- the cookie -------------------------------------------------------------------------------------------------------


def test_over_https_the_cookie_belongs_to_this_host_alone(site: Site) -> None:
    visitor = site.browser(PUBLIC)
    cookie = visitor.sign_in().headers["Set-Cookie"]
    parts = sorted(part for part in cookie.split("; ") if not part.startswith("Expires="))
    assert parts == ["HttpOnly", "Max-Age=43200", "Path=/", "SameSite=Lax", "Secure", "__Host-console=token-0"]
    assert visitor.is_in()
    gone = visitor.post("/console/sign-out", {"csrf": visitor.csrf()}).headers["Set-Cookie"]
    assert {"Secure", "Path=/", "Max-Age=0"} <= set(gone.split("; ")), "else a browser would not take it away"


@pytest.mark.parametrize("base", [LOCAL, "http://127.0.0.1:8080", "http://[::1]:8080", "http://localhost"])
def test_over_plain_http_a_browser_on_this_machine_gets_a_cookie_too(site: Site, base: str) -> None:
    visitor = site.browser(base)
    parts = set(visitor.sign_in().headers["Set-Cookie"].split("; "))
    assert {"console=token-0", "HttpOnly", "SameSite=Lax", "Path=/"} <= parts
    assert "Secure" not in parts
    assert visitor.is_in()


@pytest.mark.parametrize("base", ["http://channel.example", "http://10.0.0.5:8080", "http://localhost.evil.example"])
def test_over_plain_http_nobody_signs_in_from_elsewhere(site: Site, base: str) -> None:
    visitor = site.browser(base)
    for answer in (visitor.get("/console/sign-in"), visitor.sign_in()):
        assert answer.status_code == 403
        assert "Open the console over https" in answer.text
        assert "Set-Cookie" not in answer.headers
    assert site.tokens == []


def test_over_https_the_cookie_of_plain_http_counts_for_nothing(site: Site, browser: Browser) -> None:
    browser.sign_in()
    visitor = site.browser(PUBLIC)
    visitor.client.set_cookie("console", "token-0", domain="channel.example")
    assert not visitor.is_in()
    visitor.client.set_cookie("__Host-console", "token-0", domain="channel.example")
    assert visitor.is_in()


def test_the_store_has_no_token(site: Site, browser: Browser) -> None:
    browser.sign_in()
    with site.engine.connect() as connection:
        (row,) = connection.execute(select(tables.sessions)).all()
    assert "token-0" not in repr(row)
    assert "argon2" not in repr(row)


def test_a_token_that_was_there_before_signing_in_is_worth_nothing_after(site: Site, browser: Browser) -> None:
    browser.client.set_cookie("console", "chosen by somebody else", domain="localhost")
    browser.sign_in()
    thief = site.browser()
    thief.client.set_cookie("console", "chosen by somebody else", domain="localhost")
    assert not thief.is_in()
    assert browser.is_in()


def test_signing_in_again_makes_a_new_token_and_ends_the_old_session(site: Site, browser: Browser) -> None:
    browser.sign_in()
    browser.sign_in("boris", BORISS)
    assert "boris" in browser.get("/console/").text
    thief = site.browser()
    thief.client.set_cookie("console", "token-0", domain="localhost")
    assert not thief.is_in()


@pytest.mark.parametrize("token", ["", "x", "token-0 ", "é", "\ud83d", "a" * 5000])
def test_a_cookie_that_is_none_of_ours_is_nobody(browser: Browser, token: str) -> None:
    browser.headers["Cookie"] = f"console={token}".encode("utf-8", "surrogatepass").decode("latin-1")
    assert not browser.is_in()


# --- what the settings say --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "entries",
    [
        [console_user_entry("anna", "operate", "a newer password", b"1" * 16)],
        [ANNA.replace(":operate:", ":look:")],
        [BORIS],
    ],
    ids=["another password", "another role", "gone"],
)
def test_what_changes_in_the_settings_ends_the_session(site: Site, browser: Browser, entries: list[str]) -> None:
    browser.sign_in()
    site.entries = entries
    site.pass_time(minutes=1)
    assert not browser.is_in()


def test_who_got_a_new_password_signs_in_with_it(site: Site, browser: Browser) -> None:
    site.entries = [console_user_entry("anna", "operate", "a newer password", b"1" * 16)]
    site.pass_time(seconds=10)
    assert browser.sign_in().status_code == 401
    assert browser.sign_in(password="a newer password").status_code == 303
    assert browser.is_in()


def test_without_people_the_page_says_how_to_name_one(site: Site, browser: Browser) -> None:
    assert "whatsapp-channel users new" not in browser.get("/console/sign-in").text
    site.entries = []
    site.pass_time(minutes=1)
    assert "whatsapp-channel users new NAME --role operate" in browser.get("/console/sign-in").text
    assert browser.sign_in().status_code == 401
    assert not browser.is_in()


def test_a_page_that_needs_another_role_says_so(site: Site, browser: Browser) -> None:
    browser.sign_in("boris", BORISS)
    answer = browser.get("/console/act")
    assert answer.status_code == 403
    assert "This needs the role operate; yours is look." in answer.text
    assert browser.post("/console/act", {"csrf": browser.csrf()}).status_code == 403
    assert site.acts == []


# --- failures ---------------------------------------------------------------------------------------------------------


def test_a_wrong_password_and_an_unknown_name_get_the_same_page(browser: Browser) -> None:
    pages = [
        browser.sign_in(*pair)
        for pair in (
            ("anna", "canary wrong"),
            ("nobody", ANNAS),
            ("carla@example.com", ANNAS),
            ("", ""),
            ("anna", BORISS),
        )
    ]
    assert {page.status_code for page in pages} == {401}
    assert {page.text for page in pages} == {pages[0].text}
    assert "That name and password do not fit." in pages[0].text
    assert not browser.is_in()


@pytest.mark.parametrize("name", ["anna", "nobody"])
def test_after_failures_one_waits_whether_one_is_listed_or_not(site: Site, browser: Browser, name: str) -> None:
    assert [browser.sign_in(name, "wrong").status_code for _ in range(5)] == [401, 401, 401, 401, 429]
    site.pass_time(seconds=2)
    assert [browser.sign_in(name.upper(), "wrong").status_code for _ in range(2)] == [401, 429]
    slowed = browser.sign_in(name, ANNAS)
    assert (slowed.status_code, slowed.headers["Retry-After"]) == (429, "4")
    assert "Too many attempts. Try again in 4 seconds." in slowed.text
    site.pass_time(seconds=3.5)
    assert "Try again in a second." in browser.sign_in(name, ANNAS).text


def test_who_waited_gets_in_and_starts_afresh(site: Site, browser: Browser) -> None:
    for _ in range(5):
        browser.sign_in(password="wrong")
    site.pass_time(seconds=2)
    assert browser.sign_in().status_code == 303
    assert [browser.sign_in(password="wrong").status_code for _ in range(4)] == [401] * 4


def test_passwords_are_checked_one_at_a_time_and_who_was_not_looked_at_has_not_failed(
    site: Site, browser: Browser
) -> None:
    for _ in range(3):
        browser.sign_in(password="wrong")
    with site.guard._checking:  # as another sign-in holds it
        busy = browser.sign_in()
    assert (busy.status_code, busy.headers["Retry-After"]) == (429, "1")
    assert [browser.sign_in(password="wrong").status_code for _ in range(2)] == [401, 429]


def test_nothing_that_was_typed_stands_in_the_page_or_the_log(
    browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for _ in range(5):
        assert "canary" not in browser.sign_in("canary-name", "canary-password").text
    browser.sign_in()
    assert "canary" not in caplog.text
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("service.")]
    assert lines == ["console.refused reason=password"] * 4 + [
        "console.refused reason=slowed seconds=2",
        "console.signed_in by=anna",
    ]


def test_each_refusal_is_counted(browser: Browser) -> None:
    before = refusals()
    for _ in range(5):
        browser.sign_in(password="wrong")
    assert refusals() - before == 5, "the fifth was not even looked at"
    other = browser.sign_in("boris", BORISS)
    assert other.status_code == 303
    assert browser.post("/console/act", {"csrf": "0" * 64}).status_code == 403
    assert refusals() - before == 6


# --- forms of others --------------------------------------------------------------------------------------------------


def test_a_form_with_the_sessions_own_field_is_taken(site: Site, browser: Browser) -> None:
    browser.sign_in()
    assert browser.post("/console/act", {"csrf": browser.csrf()}).text == "done"
    assert site.acts == ["anna"]


@pytest.mark.parametrize("csrf", [None, "", "0" * 64, "\ud83d", "é"])
def test_a_form_without_it_does_nothing(site: Site, browser: Browser, csrf: str | None) -> None:
    browser.sign_in()
    for path in ("/console/act", "/console/forgotten", "/console/sign-out"):
        answer = browser.post(path, {} if csrf is None else {"csrf": csrf.encode("utf-8", "surrogatepass")})
        assert answer.status_code == 403
        assert "Nothing was done" in answer.text
    assert site.acts == []
    assert browser.is_in()


def test_the_field_of_one_session_does_not_fit_another(site: Site, browser: Browser) -> None:
    other = site.browser()
    browser.sign_in()
    other.sign_in("boris", BORISS)
    assert browser.post("/console/act", {"csrf": other.csrf()}).status_code == 403
    assert browser.csrf() != other.csrf()
    assert "token" not in browser.csrf()


def test_nothing_can_be_posted_by_nobody_even_to_a_view_without_a_guard(site: Site, browser: Browser) -> None:
    for path in ("/console/act", "/console/forgotten", "/console/sign-out"):
        answer = browser.post(path, {"csrf": "0" * 64})
        assert (answer.status_code, answer.location) == (303, "/console/sign-in")
    assert site.acts == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "cross-site", "Origin": LOCAL},
        {"Sec_Fetch_Site": "", "Origin": "http://evil.example"},
        {"Sec_Fetch_Site": "", "Origin": "https://localhost:8080"},
        {"Sec_Fetch_Site": "", "Origin": "http://localhost:8090"},
        {"Sec_Fetch_Site": "", "Origin": "null"},
        {"Sec_Fetch_Site": ""},
    ],
)
def test_nobody_is_signed_in_by_another_sites_form(site: Site, browser: Browser, headers: dict[str, str]) -> None:
    answer = browser.post("/console/sign-in", {"name": "anna", "password": ANNAS}, **headers)
    assert answer.status_code == 403
    assert "The form came from another site" in answer.text
    assert site.tokens == []


@pytest.mark.parametrize("base", [LOCAL, PUBLIC])
def test_a_browser_that_only_tells_its_origin_can_sign_in(site: Site, base: str) -> None:
    visitor = site.browser(base)
    form = {"name": "anna", "password": ANNAS}
    assert visitor.post("/console/sign-in", form, Sec_Fetch_Site="", Origin=base).status_code == 303


# --- where to go next -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "to",
    [
        *OUTSIDE,
        "",
        "console/",
        "/",
        "/v1/messages",
        "/console",
        "/consoles/",
        "/console.evil.example/",
        "/console/\\evil.example",
        "/console/a b",
        "/console/é",
        "/console/\r\nSet-Cookie: console=mine",
        "/console/\nLocation: https://evil.example",
        "/console/\n",
        "/console/\t",
        "/console/<script>",
        '/console/"onload="',
        " /console/",
        "\x00/console/",
    ],
)
def test_signing_in_leads_to_the_console_only(site: Site, to: str) -> None:
    visitor = site.browser()
    page = visitor.client.get("/console/sign-in", query_string={"next": to}, base_url=LOCAL)
    assert re.findall(r'name="next" value="([^"]*)"', page.text) == ["/console/"]
    answer = visitor.sign_in(next=to)
    assert (answer.status_code, answer.location) == (303, "/console/")
    assert len(answer.headers.getlist("Set-Cookie")) == 1
    assert visitor.client.get("/console/sign-in", query_string={"next": to}, base_url=LOCAL).location == "/console/"


@pytest.mark.parametrize(
    "to", ["/console/", "/console/campaigns/a%0d%0ab?x=1&y=~(2)", "/console//evil.example", "/console/../x"]
)
def test_a_place_in_the_console_is_kept(browser: Browser, to: str) -> None:
    location = browser.sign_in(next=to).location
    assert location == to
    assert not location.startswith("//")


def _anything(name: str) -> str:
    return name


def test_an_odd_path_is_asked_for_again_as_it_was(site: Site, browser: Browser) -> None:
    site.app.add_url_rule("/console/x/<name>", endpoint="console.x", view_func=site.guard.signed_in()(_anything))
    sent = browser.get("/console/x/%0d%0aSet-Cookie:%20é")
    assert sent.status_code == 302
    assert "\r" not in sent.location
    page = browser.get(sent.location)
    assert re.findall(r'name="next" value="([^"]*)"', page.text) == ["/console/x/%0D%0ASet-Cookie%3A%20%C3%A9"]


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_can_be_used_without_a_mouse_or_a_screen(browser: Browser) -> None:
    page = browser.sign_in(password="wrong").text
    for name, kind in (("name", "username"), ("password", "current-password")):
        assert f'<label for="{name}">' in page
        assert re.search(rf'<input id="{name}" [^>]*autocomplete="{kind}"', page)
    assert re.search(r'aria-live="\w+"><p>That name', page)
    assert not re.findall(r"<script|style=| on\w+=", page)
