"""The funnel of a campaign: how far its messages got, what failed and why, what waits."""

from sqlalchemy import update

from service.message import Event, ParsedEvent, Rejection, Status
from service.outbox import tables
from tests.cli.operating import NOW, Console, Ran, moment


def stand(console: Console, **message_ids: str) -> None:
    """Messages of the campaign `c1` that stand so: status=ids."""
    for status, names in message_ids.items():
        for name in names.split():
            with console.store.engine.begin() as connection:
                of = tables.messages.c.message_id == name
                connection.execute(update(tables.messages).where(of).values(status=status))


def test_the_funnel_counts_who_came_so_far_or_further(console: Console) -> None:
    console.add(*(f"m{n}" for n in range(9)))
    stand(console, accepted="m0 m1", held="m2", sent="m3", delivered="m4 m5", read="m6 m7 m8")
    ran = console.run("campaign", "c1")
    at = moment(NOW).replace("Z", ".000Z")
    assert ran == Ran(
        0,
        "campaign c1\n"
        f"1 event(s), received {at} to {at}\n"
        "        9 recipients\n"
        "        9 accepted\n"
        "        6 sent\n"
        "        5 delivered\n"
        "        3 read\n"
        "        1 held: accepted, and kept back by Meta for a quality check\n",
        "",
    )


def test_what_got_nowhere_says_why_and_what_to_do(console: Console) -> None:
    console.failed("m1", "m2")
    console.failed("m3", code=131049)
    console.add(*(f"n{n}" for n in range(6)))
    stand(console, queued="n0 n1", sending="n2", unanswered="n3", expired="n4", cancelled="n5")
    event = Event("e9", "pinpoint", NOW, NOW, campaign_id="c1")
    console.store.outbox.add(ParsedEvent(event, [Rejection("x", "inactive", "Endpoints.x", "no")]), NOW)
    lines = console.run("campaign", "c1").output.splitlines()
    numbers = {
        name: int(number) for number, name in (line.split()[:2] for line in lines[2:] if line.strip()[0].isdigit())
    }
    assert numbers.items() >= {"recipients": 10, "accepted": 0, "rejected:": 1, "queued:": 2, "sending:": 1}.items()
    assert numbers.items() >= {"unanswered:": 1, "expired:": 1, "cancelled:": 1, "failed": 3}.items()
    failures = [line.strip() for line in lines if line.startswith("  " * 5)]
    assert [failures[0][:14], failures[2][:14]] == ["2 code 131026:", "1 code 131049:"]
    assert all(line.startswith("What to do: ") for line in failures[1::2])


def test_recipients_that_came_again_are_told(console: Console) -> None:
    console.add("m1", "m2")
    with console.store.engine.begin() as connection:
        named = tables.moves.c.target == "recipients"
        connection.execute(update(tables.moves).where(named).values(number=5))
    assert "        3 duplicates: came again, and were sent once" in console.run("campaign", "c1").output.splitlines()


def test_a_paused_campaign_says_so_and_how_to_lift_it(console: Console) -> None:
    console.add("m1", campaign_id="spring sale")
    with console.store.engine.begin() as connection:
        connection.execute(update(tables.events).values(journey_id="spring sale"))
    console.pause_campaign("spring sale")
    *_, paused, how = console.run("campaign", "spring sale").output.splitlines()
    assert paused == f"paused since {moment(NOW).replace('Z', '.000Z')}"
    assert how == "to lift it: whatsapp-channel resume campaign 'spring sale'"


def test_a_campaign_that_no_event_names_is_a_failure(console: Console) -> None:
    ran = console.run("campaign", "c9")
    assert (ran.exit_code, ran.output) == (1, "")
    assert ran.sentence.startswith("no event names the campaign c9")


def test_every_status_is_told_somewhere(console: Console) -> None:
    console.add(*(status.value for status in Status))
    stand(console, **{status.value: status.value for status in Status})
    output = console.run("campaign", "c1").output
    assert all(status.value in output for status in Status)
