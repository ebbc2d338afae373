"""The form of a log line: one per event, facts as key=value, no message text, no token, no whole phone number."""

import logging
import sys


def set_up_logging(level: str) -> None:
    """Log to stderr; stdout is for metrics (`cloudwatch`). ECS takes both."""
    logging.basicConfig(
        level=level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s", force=True
    )
