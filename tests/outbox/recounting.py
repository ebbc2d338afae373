"""Counts, by counting: what `tally` adds up must be what stands in the tables."""

from sqlalchemy import Connection, Engine, func, select

from service.message import Status
from service.outbox import tables, tally


def counted(connection: Connection) -> dict[str, tally.Tally]:
    """What each campaign has come to, from its events, messages and rejections themselves."""
    found: dict[str, tally.Tally] = {}
    messages, events, rejections = tables.messages.c, tables.events.c, tables.rejections.c

    def of(campaign_id: str | None) -> tally.Tally:
        return found.setdefault(campaign_id or "", tally.Tally())

    standing = messages.campaign_id, messages.status, messages.code
    for campaign_id, status, code, number in connection.execute(select(*standing, func.count()).group_by(*standing)):
        failure = str(code) if status == Status.FAILED and code is not None else ""
        of(campaign_id).add("", status, failure, number)
    of_event = func.coalesce(events.campaign_id, events.journey_id)
    named = select(of_event, func.sum(events.recipients)).where(events.recipients > 0).group_by(of_event)
    for campaign_id, recipients in connection.execute(named):
        of(campaign_id).add("", tally.RECIPIENTS, "", recipients)
    rejected = select(of_event, rejections.code, func.count()).join(
        tables.events, events.event_id == rejections.event_id
    )
    for campaign_id, code, number in connection.execute(rejected.group_by(of_event, rejections.code)):
        of(campaign_id).add("", tally.REJECTED, code, number)
    return found


def check_counts(engine: Engine) -> None:
    """Fail where a count differs from what is there, folded or not."""
    with engine.connect() as connection:
        expected = counted(connection)
        for at_most in (0, 1, 1000):
            if at_most:
                tally.fold(connection, at_most)
            found = tally.by_campaign(connection, expected.keys())
            assert {name: _plain(one) for name, one in found.items()} == {
                name: _plain(one) for name, one in expected.items()
            }
        connection.rollback()


def _plain(one: tally.Tally) -> tuple[object, ...]:
    counters = (one.statuses, one.failures, one.rejections)
    return (one.recipients, one.messages, one.rejected, *({k: n for k, n in c.items() if n} for c in counters))
