"""Suppressions in the console: the list, one person, adding, lifting, importing."""

import io
import re
from datetime import timedelta
from urllib.parse import unquote

import pytest
from werkzeug.test import TestResponse

from service.outbox.consent import Wanted
from service.people import Blocked, Suppression, SuppressionSource
from service.web import MAX_BODY_BYTES
from service.web.console import suppressed
from tests.web.console.visiting import House, Visitor, masked
from tests.web.serving import person

WRITTEN = person()["Address"]
PATH = "/console/suppressions"


def put(house: House, n: int, **changes: object) -> None:
    facts = {"blocked": Blocked.ALL, "source": SuppressionSource.STOP_REPLY, "reason": None} | changes
    since = house.service.now + timedelta(seconds=n)
    one = Suppression(person(n)["Address"], since=since, **facts)  # type: ignore[arg-type]
    house.consent.suppress([one], since)


def shown(html: str) -> list[str]:
    return re.findall(r'<th scope="row" class="tight">([^<]+)</th>', html)


def standing(house: House) -> list[tuple[str, str, str, str | None]]:
    found, _ = house.consent.search(Wanted(), 100)
    return sorted((one.to, one.blocked.value, one.source.value, one.reason) for one in found)


def upload(visitor: Visitor, body: bytes) -> TestResponse:
    return visitor.post(
        f"{PATH}/import", {"csrf": visitor.csrf(), "list": (io.BytesIO(body), "list.csv"), "back": PATH}
    )


def test_the_list_is_masked_and_the_newest_come_first(house: House, anna: Visitor) -> None:
    put(house, 0, reason="asked by phone")
    put(house, 1, blocked=Blocked.MARKETING, source=SuppressionSource.ERROR_131050)
    page = anna.get(PATH).text
    assert shown(page) == [masked(1), masked(0)]
    for fact in ("The person, by a reply", "asked by phone", "Meta, when we sent (131050)", ">Marketing<"):
        assert fact in page


def test_the_list_is_narrowed_by_kind_and_by_who_said_so(house: House, anna: Visitor) -> None:
    put(house, 0)
    put(house, 1, blocked=Blocked.MARKETING)
    put(house, 2, source=SuppressionSource.IMPORT)
    assert shown(anna.get(f"{PATH}?category=marketing").text) == [masked(1)]
    assert shown(anna.get(f"{PATH}?source=import").text) == [masked(2)]
    page = anna.get(f"{PATH}?category=marketing&source=import").text
    assert "Nobody is suppressed so" in page
    assert '<option value="marketing" selected>' in page
    assert shown(anna.get(f"{PATH}?category=&source=").text) == [masked(2), masked(1), masked(0)]


def test_pages_follow_each_other(house: House, anna: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suppressed, "PAGE", 2)
    for n in range(5):
        put(house, n)
    path, seen = f"{PATH}?category=all", []
    while path:
        page = anna.get(path).text
        seen.append(shown(page))
        following = re.search(r'rel="next" href="([^"]+)"', page)
        path = following[1].replace("&amp;", "&") if following else ""
        assert "8613800" not in unquote(path)
    assert seen == [[masked(4), masked(3)], [masked(2), masked(1)], [masked(0)]]


def test_one_person_is_looked_up_by_a_number_that_is_in_no_address(house: House, boris: Visitor) -> None:
    put(house, 0)
    put(house, 1)
    answer = boris.act(PATH, to="86 138 0010 0000")
    assert (answer.status_code, "Location" in answer.headers) == (200, False)
    assert shown(answer.text) == [masked(0)]
    assert WRITTEN[1:] not in answer.text
    assert "Nothing stands for this person" in boris.act(PATH, to="+4915112345678").text
    refused = boris.act(PATH, to="nonsense 123")
    assert refused.status_code == 400
    assert "with the country code" in refused.text
    assert "nonsense" not in refused.text


def test_a_person_is_added_with_a_reason_and_what_waits_for_them_does_not_go(house: House, anna: Visitor) -> None:
    (message_id,) = house.accept()
    answer = anna.act(f"{PATH}/add", to=WRITTEN, category="all", reason="asked by phone", back=PATH)
    assert answer.location == f"{PATH}?done=suppressed&n=1&m=0"
    assert standing(house) == [(WRITTEN, "all", "operator", "asked by phone")]
    assert house.status(message_id) == "suppressed"
    assert house.deeds() == [("anna", "suppress", masked(), "all, asked by phone")]


def test_what_stands_for_a_person_is_lifted_with_a_reason(house: House, anna: Visitor) -> None:
    put(house, 0)
    put(house, 0, blocked=Blocked.MARKETING)
    answer = anna.act(f"{PATH}/lift", to=WRITTEN, reason="wants them again", back=PATH)
    assert answer.location == f"{PATH}?done=lifted&n=2&m=0"
    assert standing(house) == []
    assert house.deeds() == [("anna", "lift", masked(), "wants them again")]


@pytest.mark.parametrize("fields", [{"to": "x", "reason": "y"}, {"to": WRITTEN, "reason": " "}, {}])
def test_what_is_not_whole_changes_nothing(house: House, anna: Visitor, fields: dict[str, str]) -> None:
    for what in ("add", "lift"):
        assert anna.act(f"{PATH}/{what}", **fields).status_code == 400
    assert (standing(house), house.deeds()) == ([], [])


def test_a_list_is_imported_whole(house: House, anna: Visitor) -> None:
    (message_id,) = house.accept()
    answer = upload(anna, f"to,category,reason\n{WRITTEN},all,old list\n+4915112345678,marketing,\n".encode())
    assert answer.location == f"{PATH}?done=imported&n=2&m=0"
    assert standing(house) == [
        ("+4915112345678", "marketing", "import", None),
        (WRITTEN, "all", "import", "old list"),
    ]
    assert house.status(message_id) == "suppressed"
    assert house.deeds() == [("anna", "import", "suppressions", "2 people, 0 bad lines")]


def test_lines_that_cannot_be_used_are_told_one_by_one(house: House, anna: Visitor) -> None:
    answer = upload(anna, b"to,category\n+4915112345678,all\n<script>,all\n+4915112345679,nonsense\n")
    assert answer.status_code == 200
    assert "Imported: 1" in answer.text
    assert "Lines that could not be used: 2" in answer.text
    assert re.findall(r'<th scope="row" class="n">(\d+)</th>', answer.text) == ["3", "4"]
    assert "4915112345678" not in answer.text
    assert [one[0] for one in standing(house)] == ["+4915112345678"]
    assert anna.get(f"{PATH}/import").location == PATH


@pytest.mark.parametrize("body", [b"", b"name\nx\n", b"\xff\xfe", b"to,to\n"])
def test_what_is_no_list_says_what_one_is(house: House, anna: Visitor, body: bytes) -> None:
    answer = upload(anna, body)
    assert answer.status_code == 400
    assert "CSV" in answer.text or "first line" in answer.text
    assert house.deeds() == []


def test_a_list_that_is_too_large_is_a_page_that_says_so(house: House, anna: Visitor) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="list"; filename="list.csv"\r\n\r\n'
    body, kind = head + b"x" * MAX_BODY_BYTES + b"\r\n--x--\r\n", "multipart/form-data; boundary=x"
    answer = anna.client.post(f"{PATH}/import", base_url=anna.base, data=body, content_type=kind)
    assert answer.status_code == 413
    assert "import it in parts" in answer.text
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert house.deeds() == []
