"""Event in, signed POST out, answer back: handler.py → adapters.py (event ↔ HTTP) → forward.py (the call; parking)."""
