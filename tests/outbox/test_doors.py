"""Which of a number's two calls Meta wants for a template, as far as it has told us lately."""

from service.message import Door, Template
from tests.outbox.making import NOW, NUMBER, Desk, later

SALE = Template("sale", "en_US", '[{"type":"body"}]')


def test_nothing_is_known_at_first(desk: Desk) -> None:
    assert desk.store.outbox.learned_doors(NUMBER, NOW) == {}


def test_a_door_is_learned_for_each_template_and_language(desk: Desk) -> None:
    outbox = desk.store.outbox
    outbox.learn_door(NUMBER, SALE, Door.MARKETING, NOW)
    outbox.learn_door(NUMBER, Template("sale", "zh_CN"), Door.MESSAGES, NOW)
    outbox.learn_door(NUMBER, Template("order", "en_US"), Door.MESSAGES, NOW)
    assert outbox.learned_doors(NUMBER, NOW) == {
        ("sale", "en_US"): (Door.MARKETING, NOW),
        ("sale", "zh_CN"): (Door.MESSAGES, NOW),
        ("order", "en_US"): (Door.MESSAGES, NOW),
    }


def test_what_fills_a_template_is_no_part_of_what_is_learned(desk: Desk) -> None:
    desk.store.outbox.learn_door(NUMBER, SALE, Door.MARKETING, NOW)
    desk.store.outbox.learn_door(NUMBER, Template("sale", "en_US"), Door.MESSAGES, NOW)
    assert desk.store.outbox.learned_doors(NUMBER, NOW) == {("sale", "en_US"): (Door.MESSAGES, NOW)}


def test_the_newer_lesson_replaces_the_older_and_begins_its_week_anew(desk: Desk) -> None:
    outbox = desk.store.outbox
    outbox.learn_door(NUMBER, SALE, Door.MARKETING, NOW)
    outbox.learn_door(NUMBER, SALE, Door.MESSAGES, later(days=6))
    assert outbox.learned_doors(NUMBER, later(days=12)) == {("sale", "en_US"): (Door.MESSAGES, later(days=6))}


def test_what_was_learned_is_forgotten_after_seven_days(desk: Desk) -> None:
    outbox = desk.store.outbox
    outbox.learn_door(NUMBER, SALE, Door.MARKETING, NOW)
    assert outbox.learned_doors(NUMBER, later(days=7, seconds=-1)) == {("sale", "en_US"): (Door.MARKETING, NOW)}
    assert outbox.learned_doors(NUMBER, later(days=7)) == {}


def test_what_was_forgotten_can_be_learned_again(desk: Desk) -> None:
    outbox = desk.store.outbox
    outbox.learn_door(NUMBER, SALE, Door.MARKETING, NOW)
    outbox.learn_door(NUMBER, SALE, Door.MARKETING, later(days=8))
    assert outbox.learned_doors(NUMBER, later(days=8)) == {("sale", "en_US"): (Door.MARKETING, later(days=8))}


def test_another_number_learns_for_itself(desk: Desk) -> None:
    outbox = desk.store.outbox
    outbox.learn_door("another", SALE, Door.MARKETING, NOW)
    assert outbox.learned_doors(NUMBER, NOW) == {}
    outbox.learn_door(NUMBER, SALE, Door.MESSAGES, NOW)
    assert outbox.learned_doors("another", NOW) == {("sale", "en_US"): (Door.MARKETING, NOW)}


def test_looking_waits_for_no_writer(desk: Desk) -> None:
    desk.store.outbox.learn_door(NUMBER, SALE, Door.MARKETING, NOW)
    with desk.store.engine.begin():  # holds SQLite's only write lock
        assert desk.store.outbox.learned_doors(NUMBER, NOW) == {("sale", "en_US"): (Door.MARKETING, NOW)}
