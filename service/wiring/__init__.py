"""The only place that constructs: settings in, a web app or a dispatcher out.

moments       the clock and the ids
store         the open database
credentials   what reads tokens and keys
web           the Flask app, and what intake is told of the settings
dispatcher    the dispatcher, and what runs beside it
"""

from service.wiring.credentials import accounts, key_entries, keys, sources, wabas
from service.wiring.dispatcher import build_dispatcher, build_wakeup, publishers
from service.wiring.moments import monotonic, new_id, now
from service.wiring.store import Store, open_store
from service.wiring.web import build_web_app, known_templates, reports, rules, web_app

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
    "wabas",
    "web_app",
]
