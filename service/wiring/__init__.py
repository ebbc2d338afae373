"""The only place that constructs: settings in, a web app or a dispatcher out.

moments       the clock and the ids
store         the open database
credentials   what reads tokens and keys
web           the Flask app, and what intake is told of the settings
dispatcher    the dispatcher, and what runs beside it
telling       what writes metrics for CloudWatch

Each is loaded when it is first asked for: a command starts in a fraction of the time that all of them take.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.wiring.credentials import accounts, key_entries, keys, sources, wabas
    from service.wiring.dispatcher import build_dispatcher, build_wakeup, publishers
    from service.wiring.moments import monotonic, new_id, now
    from service.wiring.store import Store, open_store
    from service.wiring.telling import telling
    from service.wiring.web import build_web_app, known_templates, reports, rules, web_app

_PARTS = {
    "credentials": ("accounts", "key_entries", "keys", "sources", "wabas"),
    "dispatcher": ("build_dispatcher", "build_wakeup", "publishers"),
    "moments": ("monotonic", "new_id", "now"),
    "store": ("Store", "open_store"),
    "telling": ("telling",),
    "web": ("build_web_app", "known_templates", "reports", "rules", "web_app"),
}
_PART_OF = {name: part for part, names in _PARTS.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _PART_OF:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(f"{__name__}.{_PART_OF[name]}"), name)


__all__ = [
    "Store",
    "accounts",
    "build_dispatcher",
    "build_wakeup",
    "build_web_app",
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
