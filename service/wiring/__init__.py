"""The only place that constructs: settings in, a web app or a dispatcher out.

moments       the clock and the ids
store         the open database
credentials   what reads tokens and keys
intake        what intake is told of the settings
web           the Flask app
console       what its console is made of
dispatcher    the dispatcher, and what runs beside it
doctor        what examines all of it
cloudwatch    what writes metrics for CloudWatch

Each is loaded when it is first asked for: a command starts in a fraction of the time that all of them take.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.wiring.cloudwatch import telling
    from service.wiring.console import build_console
    from service.wiring.credentials import accounts, key_entries, keys, sources, wabas
    from service.wiring.dispatcher import build_dispatcher, build_wakeup, publishers
    from service.wiring.doctor import examiner
    from service.wiring.intake import rules
    from service.wiring.moments import monotonic, new_id, now
    from service.wiring.store import Store, open_store
    from service.wiring.web import build_web_app, known_templates, reports, web_app

_PARTS = {
    "cloudwatch": ("telling",),
    "console": ("build_console",),
    "credentials": ("accounts", "key_entries", "keys", "sources", "wabas"),
    "dispatcher": ("build_dispatcher", "build_wakeup", "publishers"),
    "doctor": ("examiner",),
    "intake": ("rules",),
    "moments": ("monotonic", "new_id", "now"),
    "store": ("Store", "open_store"),
    "web": ("build_web_app", "known_templates", "reports", "web_app"),
}
_PART_OF = {name: part for part, names in _PARTS.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _PART_OF:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(f"{__name__}.{_PART_OF[name]}"), name)


__all__ = [
    "Store",
    "accounts",
    "build_console",
    "build_dispatcher",
    "build_wakeup",
    "build_web_app",
    "examiner",
    "key_entries",
    "keys",
    "known_templates",
    "monotonic",
    "new_id",
    "now",
    "open_store",
    "publishers",
    "reports",
    "rules",
    "sources",
    "telling",
    "wabas",
    "web_app",
]
