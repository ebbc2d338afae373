"""What each of Meta's codes has to lead to: a reading of Meta's page of its own, made without looking at the table in the code.

From Meta's error codes of 2025-12-12 and the notes on it; where Meta says only "try again later" the wait is this project's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from service.message import Scope

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


class Fate(StrEnum):
    """What becomes of the message itself."""

    FAILS = "fails"
    STAYS = "stays in the queue; what it waits for is lifted by time or by a person; no try"
    BACKS_OFF = "goes again with growing distance; a try"
    WAITS = "goes again when the wait is over; no try"
    SWITCHES = "goes through the other call"
    IN_DOUBT = "may have been taken"


@dataclass(frozen=True, slots=True)
class Wanted:
    """`pauses`: what waits with it; `wait`: for how long. `http`: Meta's status, 400 where Meta documents none."""

    fate: Fate
    http: int = 400
    pauses: Scope | None = None
    wait: timedelta | None = None
    subcode: int | None = None


def _waits(pauses: Scope | None, wait: timedelta | None, http: int = 400) -> Wanted:
    return Wanted(Fate.WAITS, http, pauses, wait)


def _stays(pauses: Scope, wait: timedelta | None, http: int = 400) -> Wanted:
    return Wanted(Fate.STAYS, http, pauses, wait)


def _fails(http: int = 400, pauses: Scope | None = None, wait: timedelta | None = None) -> Wanted:
    return Wanted(Fate.FAILS, http, pauses, wait)


def _backs_off(http: int, wait: timedelta | None = None) -> Wanted:
    return Wanted(Fate.BACKS_OFF, http, wait=wait)


_QUARTER = 15 * MINUTE
_ELSEWHERE = Wanted(Fate.SWITCHES)
_NUMBER = _stays(Scope.NUMBER, _QUARTER)
_ACCOUNT = _stays(Scope.WABA, _QUARTER, 403)
_TOKEN_LIMIT = _waits(Scope.TOKEN, MINUTE)

CODES: Mapping[int, Wanted] = {
    # the token: what only another token mends has no end, what a permission mends is looked at again
    0: _stays(Scope.TOKEN, None, 401),
    102: _stays(Scope.TOKEN, None, 401),
    104: _stays(Scope.TOKEN, None, 401),
    190: _stays(Scope.TOKEN, None, 401),
    3: _stays(Scope.TOKEN, _QUARTER, 500),
    10: _stays(Scope.TOKEN, _QUARTER, 403),
    200: _stays(Scope.TOKEN, _QUARTER, 403),
    131005: _stays(Scope.TOKEN, _QUARTER, 403),
    # limits
    4: _TOKEN_LIMIT,
    17: _TOKEN_LIMIT,
    32: _TOKEN_LIMIT,
    613: _TOKEN_LIMIT,
    80007: _waits(Scope.WABA, MINUTE),
    80008: _waits(Scope.WABA, MINUTE),
    130429: _waits(None, SECOND),  # only slower
    131056: _waits(None, SECOND),  # only this recipient; 4^0 s
    131048: _waits(Scope.NUMBER, HOUR),
    131064: _stays(Scope.WABA, HOUR),
    133016: _waits(Scope.NUMBER, HOUR),
    # the account and the number: a person mends it
    368: _ACCOUNT,
    131031: _ACCOUNT,
    131042: _stays(Scope.WABA, _QUARTER),
    131044: _stays(Scope.WABA, _QUARTER),
    130497: _fails(403, Scope.COUNTRY),
    131045: _stays(Scope.NUMBER, _QUARTER, 500),
    131037: _NUMBER,
    131057: _waits(Scope.NUMBER, MINUTE, 500),
    2494100: _waits(Scope.NUMBER, MINUTE),
    33: _NUMBER,
    131070: _NUMBER,
    133000: _stays(Scope.NUMBER, _QUARTER, 500),
    133005: _NUMBER,
    133006: _NUMBER,
    133008: _NUMBER,
    133009: _NUMBER,
    133010: _NUMBER,
    133015: _NUMBER,
    134011: _fails(),
    # the template, or the values in it
    132001: _fails(404, Scope.TEMPLATE, 5 * MINUTE),
    132007: _fails(pauses=Scope.TEMPLATE),
    132015: _fails(pauses=Scope.TEMPLATE, wait=3 * HOUR),
    132016: _fails(pauses=Scope.TEMPLATE),
    132068: _fails(pauses=Scope.TEMPLATE),
    132069: _waits(Scope.TEMPLATE, HOUR),
    **dict.fromkeys((132000, 132005, 132008, 132012, 132018, 100, 131008, 131009, 135000), _fails()),
    **dict.fromkeys((131051, 131052, 1752041), _fails()),
    131053: _backs_off(400),
    134101: _backs_off(400, 10 * MINUTE),
    131055: _ELSEWHERE,
    131061: _ELSEWHERE,
    131063: _ELSEWHERE,
    134100: _ELSEWHERE,
    134102: Wanted(Fate.SWITCHES, 500),
    # the recipient
    **dict.fromkeys((131026, 131021, 131030, 130403, 131047, 131049, 131050), _fails()),
    **dict.fromkeys((130472, 131062, 137000, 131020, 131041, 131200), _fails()),
    # Meta itself
    1: _fails(),
    2: Wanted(Fate.IN_DOUBT, 503),
    131000: _backs_off(500),
    131016: _backs_off(500),
    133004: _backs_off(503),
    131043: _fails(),
}

WALK: Mapping[str, tuple[int, Wanted]] = {
    **{str(code): (code, wanted) for code, wanted in CODES.items()},
    "250": (250, CODES[200]),
    "100-33": (100, Wanted(Fate.STAYS, 400, Scope.NUMBER, _QUARTER, subcode=33)),
    "1-on-500": (1, Wanted(Fate.IN_DOUBT, 500)),
    "2-on-400": (2, _backs_off(400)),
    "unknown": (139999, _fails()),
    "unknown-on-401": (139999, _stays(Scope.TOKEN, _QUARTER, 401)),
    "unknown-on-429": (139999, Wanted(Fate.WAITS, 429, wait=SECOND)),
    "unknown-on-500": (139999, Wanted(Fate.IN_DOUBT, 500)),
}

ON_BOTH = (
    "190",
    "80007",
    "131048",
    "130497",
    "132015",
    "132069",
    "130429",
    "131056",
    "131063",
    "131016",
    "2",
    "132000",
)
"""One for each way that it can go; the others are walked on SQLite only."""
PLACES = [(name, "sqlite") for name in WALK] + [(name, "postgresql") for name in ON_BOTH]
