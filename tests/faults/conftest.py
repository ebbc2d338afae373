"""What the faults share: the campaign that goes on coming, an AWS account on this machine, and the table they end in."""

from collections.abc import Callable

import pytest
from _pytest.terminal import TerminalReporter

from tests.crash.conftest import aws, sample
from tests.faults import rows

__all__ = ["aws", "sample"]


@pytest.fixture
def record(record_property: Callable[[str, object], None]) -> Callable[[rows.Row], None]:
    """Put a row into the table; a row with a loss or a second send fails the test."""

    def keep(row: rows.Row) -> None:
        record_property(rows.PROPERTY, row.as_json())
        print("\n" + rows.as_table([row]))
        assert (row.lost, row.twice) == (0, 0)

    return keep


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """The table of all faults that were made."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    texts = [str(value) for report in reports for name, value in report.user_properties if name == rows.PROPERTY]
    if texts:
        found = rows.read(texts)
        rows.write(found)
        terminalreporter.section("faults")
        terminalreporter.write_line(rows.as_table(found))
