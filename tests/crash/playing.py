"""What both models share: a store as if nobody had played before, and so many worlds of up to so many steps."""

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from sqlalchemy import Engine

from service.outbox import tables
from tests.conftest import _empty


def empty(engine: Engine) -> None:
    """As if nobody had played before."""
    if engine.dialect.name == "postgresql":
        _empty(engine)
        return
    with engine.begin() as connection:
        for table in reversed(tables.metadata.sorted_tables):
            connection.execute(table.delete())
        connection.execute(tables.moves.delete())  # which the triggers have written meanwhile


def play(channel: type[RuleBasedStateMachine], examples: int, steps: int) -> None:
    """So many worlds at least, each of up to so many steps."""
    size = settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(channel, settings=size)
