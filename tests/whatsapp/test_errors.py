"""Meta's codes: every row of the table, held against a second reading of Meta's page."""

from datetime import timedelta

import pytest

from service.message import Outcome, Scope
from service.whatsapp.errors import (
    CODES,
    GROUPS,
    META,
    RANGES,
    SUBCODES,
    UNKNOWN,
    UNKNOWN_401,
    Verdict,
    retry_late,
    verdict_on,
    what_we_do,
)
from service.whatsapp.send_error import (
    NotSent,
    OptedOut,
    Refused,
    SendError,
    Throttled,
    Unanswered,
    Unauthorised,
    Unavailable,
    WrongDoor,
)
from service.whatsapp.webhook import parse_notification
from tests.whatsapp.answering import error

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)

WANTED: dict[int, tuple[int | None, type[SendError], str, timedelta | None, bool]] = {
    # authorisation
    0: (401, Unauthorised, "token", None, True),
    3: (500, Unauthorised, "token", 15 * MINUTE, True),
    10: (403, Unauthorised, "token", 15 * MINUTE, True),
    102: (401, Unauthorised, "token", None, True),
    104: (401, Unauthorised, "token", None, True),
    190: (401, Unauthorised, "token", None, True),
    200: (403, Unauthorised, "token", 15 * MINUTE, True),
    131005: (403, Unauthorised, "token", 15 * MINUTE, True),
    # limits
    4: (400, Throttled, "token", MINUTE, True),
    17: (None, Throttled, "token", MINUTE, True),
    32: (None, Throttled, "token", MINUTE, True),
    613: (None, Throttled, "token", MINUTE, True),
    80007: (400, Throttled, "waba", MINUTE, True),
    80008: (400, Throttled, "waba", MINUTE, True),
    130429: (400, Throttled, "number", SECOND, False),
    131048: (400, Throttled, "number", HOUR, True),
    131056: (400, Throttled, "recipient", None, False),
    131064: (400, Unauthorised, "waba", HOUR, True),
    133016: (400, Throttled, "number", HOUR, True),
    # account and number
    33: (400, Unauthorised, "number", 15 * MINUTE, True),
    368: (403, Unauthorised, "waba", 15 * MINUTE, True),
    130497: (403, Refused, "country", None, True),
    131031: (403, Unauthorised, "waba", 15 * MINUTE, True),
    131037: (400, Unauthorised, "number", 15 * MINUTE, True),
    131042: (400, Unauthorised, "waba", 15 * MINUTE, True),
    131044: (None, Unauthorised, "waba", 15 * MINUTE, True),
    131045: (500, Unauthorised, "number", 15 * MINUTE, True),
    131057: (500, Throttled, "number", MINUTE, True),
    133000: (500, Unauthorised, "number", 15 * MINUTE, True),
    133005: (400, Unauthorised, "number", 15 * MINUTE, True),
    133006: (400, Unauthorised, "number", 15 * MINUTE, True),
    133008: (400, Unauthorised, "number", 15 * MINUTE, True),
    133009: (400, Unauthorised, "number", 15 * MINUTE, True),
    133010: (400, Unauthorised, "number", 15 * MINUTE, True),
    133015: (400, Unauthorised, "number", 15 * MINUTE, True),
    134011: (400, Refused, "message", None, False),
    # templates and requests
    100: (400, Refused, "message", None, False),
    131008: (400, Refused, "message", None, False),
    131009: (400, Refused, "message", None, False),
    131051: (400, Refused, "message", None, False),
    131052: (400, Refused, "message", None, False),
    131053: (400, Unavailable, "message", None, False),
    131055: (400, WrongDoor, "message", None, False),
    131061: (400, WrongDoor, "message", None, False),
    131063: (400, WrongDoor, "message", None, False),
    132000: (400, Refused, "message", None, False),
    132001: (404, Refused, "template", 5 * MINUTE, True),
    132005: (400, Refused, "message", None, False),
    132007: (400, Refused, "template", None, True),
    132008: (None, Refused, "message", None, False),
    132012: (400, Refused, "message", None, False),
    132015: (400, Refused, "template", 3 * HOUR, True),
    132016: (400, Refused, "template", None, True),
    132018: (400, Refused, "message", None, False),
    132068: (400, Refused, "template", None, True),
    132069: (400, Throttled, "template", HOUR, True),
    134100: (400, WrongDoor, "message", None, False),
    134101: (400, Unavailable, "message", 10 * MINUTE, False),
    134102: (500, WrongDoor, "message", None, False),
    135000: (400, Refused, "message", None, False),
    1752041: (400, Refused, "message", None, False),
    # recipients
    130403: (None, Refused, "recipient", None, False),
    130472: (400, Refused, "recipient", None, False),
    131020: (None, Refused, "recipient", None, False),
    131021: (400, Refused, "recipient", None, False),
    131026: (400, Refused, "recipient", None, False),
    131030: (400, Refused, "recipient", None, False),
    131041: (None, Refused, "recipient", None, False),
    131047: (400, Refused, "recipient", None, False),
    131049: (400, Refused, "recipient", 24 * HOUR, False),
    131050: (400, OptedOut, "recipient", None, False),
    131062: (None, Refused, "recipient", None, False),
    131070: (None, Unauthorised, "number", 15 * MINUTE, True),
    131200: (None, Refused, "recipient", None, False),
    137000: (None, Refused, "recipient", None, False),
    # Meta's servers, and what only older lists have
    1: (400, Refused, "message", None, False),
    2: (503, Unavailable, "message", None, False),
    131000: (500, Unavailable, "message", None, False),
    131016: (500, Unavailable, "message", None, False),
    131043: (None, Refused, "message", None, False),
    133004: (503, Unavailable, "message", None, False),
    2494100: (None, Throttled, "number", MINUTE, True),
}
"""Of every code: Meta's HTTP status, what it is, whom it concerns, how long to wait, whether all of those wait."""

UNCERTAIN = {1, 2}
"""On a 5xx Meta may have taken the message all the same (design, G4)."""

NOT_ON_METAS_PAGE = {17, 32, 102, 104, 613, 80008, 130403, 131020, 131041, 131043, 131044, 131061, 131062, 131063} | {
    131064, 131070, 131200, 132008, 132018, 137000, 2494100
}  # fmt: skip

VERDICTS = [*CODES.values(), *SUBCODES.values(), UNKNOWN, UNKNOWN_401]
NAMES = [*map(str, CODES), *map(str, SUBCODES), "unknown", "unknown on a 401"]


# --- every row --------------------------------------------------------------------------------------------------------


def test_every_code_of_the_table_is_walked_here() -> None:
    assert set(WANTED) == set(CODES)
    assert len(CODES) == sum(len(rows) for rows in GROUPS.values()), "no code stands in two groups"


@pytest.mark.parametrize("code", WANTED)
def test_a_row_is_what_metas_page_says(code: int) -> None:
    verdict = CODES[code]
    assert (verdict.http_status, verdict.kind, verdict.scope, verdict.wait, verdict.pauses) == WANTED[code]
    assert (verdict.source == META) is (code not in NOT_ON_METAS_PAGE)
    assert verdict.doubtful is (code in UNCERTAIN)


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 500, 503])
@pytest.mark.parametrize("code", WANTED)
def test_a_code_means_the_same_under_every_status(code: int, status: int) -> None:
    _, kind, scope, wait, _ = WANTED[code]
    found = error(code, status)
    uncertain = code in UNCERTAIN and not 400 <= status < 500
    assert type(found) is (Unanswered if uncertain else kind)
    assert (found.code, found.scope, found.wait, found.http_status) == (code, scope, wait, status)


@pytest.mark.parametrize("code", WANTED)
def test_a_notified_failure_goes_again_only_where_the_message_is_not_at_fault(code: int) -> None:
    _, kind, _, wait, _ = WANTED[code]
    status = {"id": "wamid.1", "status": "failed", "timestamp": "1791486000", "errors": [{"code": code}]}
    change = {"field": "messages", "value": {"statuses": [status]}}
    (update,) = parse_notification({"entry": [{"changes": [change]}]}).statuses
    if kind in {Throttled, Unavailable, Unauthorised}:
        assert update.retry_after == max(MINUTE, wait or MINUTE)
    else:
        assert update.retry_after is None


@pytest.mark.parametrize("code", [131999, 300, -1, None])
def test_a_notified_failure_that_nobody_knows_does_not(code: int | None) -> None:
    assert retry_late(code) is None


@pytest.mark.parametrize(
    ("code", "wait"),
    [(190, MINUTE), (250, 15 * MINUTE), (130429, MINUTE), (131048, HOUR), (134101, 10 * MINUTE), (131049, None)],
)
def test_how_long_a_notified_failure_waits(code: int, wait: timedelta | None) -> None:
    assert retry_late(code) == wait


# --- its words --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", VERDICTS, ids=NAMES)
def test_every_verdict_says_what_it_means_what_we_do_and_what_to_do(verdict: Verdict) -> None:
    assert verdict.title[0].isupper()
    assert not verdict.title.endswith(".")
    for sentence in (verdict.explanation, what_we_do(verdict), verdict.next_step):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert ". " not in sentence, "one sentence"
        assert "|" not in sentence, "it goes into a table"
    assert verdict.source


TAKEN = "because Meta may have taken it."
AGAIN = "the message goes again then and counts as no try."
LIFTED = "an operator lifts the pause"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (132000, "The message fails."),
        (131050, "The message fails."),
        (131049, "The message fails; sent again within 24 h, it fails again."),
        (131063, "The message goes once through the number's other call; refused there too, it fails."),
        (132015, "The message fails; the template waits for 3 h or until Meta or an operator lifts the pause."),
        (132016, "The message fails; the template waits until Meta or an operator lifts the pause."),
        (130497, "The message fails; the country waits until an operator lifts the pause."),
        (131000, "The message goes again with growing distance and counts as a try."),
        (134101, "The message goes again after 10 min with growing distance and counts as a try."),
        (
            2,
            f"The message goes again with growing distance and counts as a try; on a 5xx it stands as unanswered, {TAKEN}",
        ),
        (1, f"The message fails; on a 5xx it stands as unanswered, {TAKEN}"),
        (130429, "The message goes again after 1 s and counts as no try; the number slows down."),
        (131056, "The message goes again with growing distance and counts as no try."),
        (132069, f"The template waits for 1 h or until Meta or {LIFTED}; {AGAIN}"),
        (368, f"The account waits for 15 min or until {LIFTED}; {AGAIN}"),
        (4, f"The token waits for 1 min or until {LIFTED}; {AGAIN}"),
        (190, f"The token waits until the secret holds another or until {LIFTED}; {AGAIN}"),
        (10, f"The token waits for 15 min or until the secret holds another or until {LIFTED}; {AGAIN}"),
    ],
)
def test_what_we_do_follows_from_kind_scope_and_wait(code: int, words: str) -> None:
    assert what_we_do(verdict_on(code)) == words


def test_what_we_do_about_an_unknown_code_depends_on_the_status() -> None:
    before, after = what_we_do(UNKNOWN).split(" on a 429 ")
    assert before == "The message fails on a 4xx other than 401;"
    assert after == f"it goes again and the number slows down; on anything else it stands as unanswered, {TAKEN}"


# --- kinds, ranges, subcodes ------------------------------------------------------------------------------------------


def test_every_kind_of_error_has_its_own_outcome() -> None:
    kinds = [Throttled, Unavailable, Refused, Unauthorised, Unanswered, NotSent]
    assert [kind.outcome for kind in kinds] == [
        Outcome.THROTTLED,
        Outcome.UNAVAILABLE,
        Outcome.REFUSED,
        Outcome.UNAUTHORISED,
        Outcome.UNANSWERED,
        Outcome.NOT_SENT,
    ]
    assert OptedOut.outcome is WrongDoor.outcome is Outcome.REFUSED


@pytest.mark.parametrize(("row", "codes"), RANGES.items())
def test_a_row_stands_for_its_range(row: int, codes: range) -> None:
    assert all(verdict_on(code) is CODES[row] for code in codes)


@pytest.mark.parametrize("code", [200, 201, 250, 299])
def test_200_to_299_are_missing_permissions(code: int) -> None:
    assert type(error(code, 403)) is Unauthorised


@pytest.mark.parametrize("code", [199, 300, 5, 131199, 131300, 131999, -1, 2**31 - 1])
def test_the_neighbours_of_known_codes_are_unknown(code: int) -> None:
    assert verdict_on(code) is UNKNOWN


def test_100_with_subcode_33_is_about_the_number() -> None:
    verdict = SUBCODES[100, 33]
    assert set(SUBCODES) == {(100, 33)}
    assert (verdict.kind, verdict.scope, verdict.wait, verdict.pauses) == (
        Unauthorised,
        Scope.NUMBER,
        15 * MINUTE,
        True,
    )
    assert verdict_on(100, 33) is verdict


@pytest.mark.parametrize(("code", "subcode"), [(100, None), (100, 34), (190, 463), (190, 33), (200, 33)])
def test_a_subcode_without_a_row_changes_nothing(code: int, subcode: int | None) -> None:
    assert verdict_on(code, subcode) is CODES[code]
    assert verdict_on(None, subcode) is UNKNOWN
