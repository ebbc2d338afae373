"""How many requests of a number are under way at once. Times are plain numbers; nobody sleeps."""

import asyncio

from service.dispatch.gate import AHEAD, AT_FIRST, REMEMBERED_SECONDS, WIDER_EVERY_SECONDS, Gate
from service.dispatch.throttle import Pacer

ANSWER = 0.1


class Requests:
    """Many that want to go through one gate, and a clock that only a test moves."""

    def __init__(self, wanted: int, per_second: float = 20_000.0) -> None:
        self.now = 0.0
        self.gate = Gate(Pacer(per_second), lambda: self.now)
        self.inside: list[int] = []
        self._ends = [asyncio.Event() for _ in range(wanted)]
        self.tasks = [asyncio.create_task(self._go(number)) for number in range(wanted)]

    async def _go(self, number: int) -> None:
        async with self.gate:
            self.inside.append(number)
            await self._ends[number].wait()
            self.inside.remove(number)

    async def settle(self) -> None:
        """Until nobody moves any more."""
        for _ in range(5):
            await asyncio.sleep(0)

    async def answer(self, number: int, seconds: float = ANSWER, late: float = 0.0) -> None:
        """Let one end whose answer took `seconds`; whoever comes in for it runs `late`."""
        self.gate.answered(seconds)
        self._ends[number].set()
        await asyncio.sleep(0)
        self.now += late
        await self.settle()

    async def end(self) -> None:
        for end in self._ends:
            end.set()
        await asyncio.gather(*self.tasks, return_exceptions=True)


def test_few_are_let_in_and_the_others_in_their_order_as_these_leave() -> None:
    async def play() -> None:
        requests = Requests(AT_FIRST + 3)
        await requests.settle()
        assert requests.inside == list(range(AT_FIRST))
        await requests.answer(5)
        await requests.answer(7)
        assert requests.inside[-2:] == [AT_FIRST, AT_FIRST + 1]
        assert len(requests.inside) == AT_FIRST
        await requests.end()

    asyncio.run(play())


def test_while_answers_take_long_and_others_wait_one_more_is_let_in_at_a_time() -> None:
    async def play() -> None:
        requests = Requests(4 * AT_FIRST)
        await requests.settle()
        for number in range(AT_FIRST):
            await requests.answer(number)
        assert requests.gate.width == AT_FIRST, "the first have waited for their connections"
        for number in range(AT_FIRST, AT_FIRST + 10):
            requests.now += WIDER_EVERY_SECONDS
            await requests.answer(number)
        assert requests.gate.width == len(requests.inside) == AT_FIRST + 10
        await requests.answer(AT_FIRST + 10)
        await requests.answer(AT_FIRST + 11)
        assert requests.gate.width == AT_FIRST + 10, "not so soon"
        await requests.end()

    asyncio.run(play())


def test_no_more_are_let_in_where_this_process_is_what_they_wait_for() -> None:
    async def play() -> None:
        requests = Requests(5 * AT_FIRST)
        await requests.settle()
        for number in range(3 * AT_FIRST):
            await requests.answer(number, seconds=0.004, late=0.006)
        assert requests.gate.width == AT_FIRST
        await requests.end()

    asyncio.run(play())


def test_a_slow_answer_among_quick_ones_lets_no_more_in() -> None:
    async def play() -> None:
        requests = Requests(5 * AT_FIRST)
        await requests.settle()
        for number in range(2 * AT_FIRST):
            await requests.answer(number, seconds=0.004, late=0.006)
        requests.now += REMEMBERED_SECONDS
        await requests.answer(2 * AT_FIRST, seconds=0.1, late=0.006)
        assert requests.gate.width == AT_FIRST
        for number in range(2 * AT_FIRST + 1, 3 * AT_FIRST):
            requests.now += REMEMBERED_SECONDS
            await requests.answer(number, seconds=0.1)
        assert requests.gate.width > AT_FIRST, "they are no exception any more"
        await requests.end()

    asyncio.run(play())


def test_no_more_are_let_in_while_nobody_waits() -> None:
    async def play() -> None:
        requests = Requests(2 * AT_FIRST)
        await requests.settle()
        for number in range(2 * AT_FIRST):
            requests.now += 1
            await requests.answer(number)
        assert requests.gate.width < 2 * AT_FIRST
        width = requests.gate.width
        for _ in range(100):
            requests.now += 1
            requests.gate.answered(ANSWER)
        assert requests.gate.width == width
        await requests.end()

    asyncio.run(play())


def test_a_slow_number_has_no_more_under_way_than_it_sends_in_a_second_and_no_fewer_than_sixteen() -> None:
    assert [Gate(Pacer(rate), lambda: 0.0).width for rate in (2.0, 20.0, 1000.0)] == [16, 20, AT_FIRST]


def test_a_gate_that_is_opened_keeps_nobody() -> None:
    async def play() -> None:
        requests = Requests(3 * AT_FIRST)
        await requests.settle()
        requests.gate.open()
        await requests.settle()
        assert len(requests.inside) == 3 * AT_FIRST
        await requests.end()

    asyncio.run(play())


def test_who_no_longer_waits_takes_no_place() -> None:
    async def play() -> None:
        requests = Requests(AT_FIRST + 2)
        await requests.settle()
        requests.tasks[AT_FIRST].cancel()
        await requests.settle()
        await requests.answer(0)
        assert requests.inside[-1] == AT_FIRST + 1
        await requests.end()

    asyncio.run(play())


def test_what_is_claimed_ahead_is_what_goes_in_fifty_milliseconds_and_half_of_it_at_once() -> None:
    fast, limited = Gate(Pacer(20_000), lambda: 0.0), Gate(Pacer(1000), lambda: 0.0)

    assert fast.room(0) == AT_FIRST + AHEAD
    assert [fast.room(AT_FIRST + AHEAD // 2 + more) for more in (0, 1)] == [AHEAD // 2, 0]
    assert [limited.room(AT_FIRST + more) for more in (0, 25, 26)] == [50, 25, 0]
    assert Gate(Pacer(16), lambda: 0.0).room(15) == 1
