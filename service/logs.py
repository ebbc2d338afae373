"""The form of a log line: one per event, facts as key=value, no message text, no token, no whole phone number."""

import logging
import re
import sys

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class OneLine(logging.Formatter):
    """Whatever stands in a fact, such as a campaign's id that a caller made up: nobody writes a line that is not ours."""

    def format(self, record: logging.LogRecord) -> str:
        """The line; what would end it or move the cursor is written as its escape."""
        return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), super().format(record))


def set_up_logging(level: str) -> None:
    """Log to stderr; stdout is for metrics (`cloudwatch`). ECS takes both.

    Libraries say no more than at INFO: at DEBUG boto3 writes down secrets as it reads them.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level="INFO" if level == "DEBUG" else level, handlers=[handler], force=True)
    logging.getLogger("service").setLevel(level)
