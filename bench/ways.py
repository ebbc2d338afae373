"""How people send without a service: each way in a process of its own, which prints a `Took` as JSON.

    python -m bench.ways WAY URL MESSAGES AT_ONCE

* article      one `requests.post` for each recipient, one after the other, each over a connection of its own
* threads      a pool of AT_ONCE threads, each with a `requests.Session`
* pywa         pywa's client, one for a pool of AT_ONCE threads
* pywa-async   pywa's asynchronous client, AT_ONCE tasks

The first two post the very bodies that the dispatcher would. pywa builds its own as it goes, from the same template, components
and name of the attempt; their fields are in another order. None of them keeps anything or tries again.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import requests

from bench import stage
from service.message import Message
from service.whatsapp import payload

NUMBER = "106540352242922"
VERSION = "v25.0"
TOKEN = "a-token"  # noqa: S105 - nobody else's
HEADERS = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Took:
    """What sending so many took: seconds, and seconds of CPU of the process that sends."""

    messages: int
    seconds: float
    cpu: float

    @property
    def per_second(self) -> float:
        """Messages."""
        return self.messages / self.seconds

    @property
    def cost(self) -> float:
        """Microseconds of CPU for a message."""
        return 1e6 * self.cpu / self.messages


def article(url: str, messages: Sequence[Message], _at_once: int) -> Took:
    """As a Lambda function does that has nothing but the endpoints of its event."""
    waiting, address = iter(_bodies(messages)), _address(url)

    def post_each() -> None:
        for body in waiting:
            _check(requests.post(address, data=body, headers=HEADERS, timeout=PATIENCE_SECONDS))

    return _measured(post_each, len(messages))


def threads(url: str, messages: Sequence[Message], at_once: int) -> Took:
    """Connections are kept, and as many requests under way as there are threads."""
    waiting, address = iter(_bodies(messages)), _address(url)

    def post_some() -> None:
        with requests.Session() as session:
            for body in waiting:
                _check(session.post(address, data=body, headers=HEADERS, timeout=PATIENCE_SECONDS))

    return _measured(lambda: _in_threads(post_some, at_once), len(messages))


def pywa(url: str, messages: Sequence[Message], at_once: int) -> Took:
    """Its client may be shared by threads; it is given as many connections."""
    import httpx  # noqa: PLC0415 - only `make bench` installs what the other two are measured with
    from pywa import WhatsApp  # noqa: PLC0415
    from pywa.types.templates import TemplateLanguage  # noqa: PLC0415

    session = httpx.Client(
        limits=httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once), timeout=PATIENCE_SECONDS
    )
    client = WhatsApp(NUMBER, TOKEN, session=session)
    session.base_url = httpx.URL(f"{url}/{VERSION}")  # the client has set Meta's
    waiting, language = _templates(messages), TemplateLanguage.ENGLISH_US

    def send_some() -> None:
        for to, name, components, tracker in waiting:
            assert client.send_template(to, name, language, components, tracker=tracker).id

    with session:
        return _measured(lambda: _in_threads(send_some, at_once), len(messages))


def pywa_async(url: str, messages: Sequence[Message], at_once: int) -> Took:
    """The same, in one thread."""
    import httpx  # noqa: PLC0415
    from pywa.types.templates import TemplateLanguage  # noqa: PLC0415
    from pywa_async import WhatsApp  # noqa: PLC0415

    session = httpx.AsyncClient(
        limits=httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once), timeout=PATIENCE_SECONDS
    )
    client = WhatsApp(NUMBER, TOKEN, session=session)
    session.base_url = httpx.URL(f"{url}/{VERSION}")
    waiting, language = _templates(messages), TemplateLanguage.ENGLISH_US

    async def send_some() -> None:
        for to, name, components, tracker in waiting:
            assert (await client.send_template(to, name, language, components, tracker=tracker)).id

    async def send_all() -> None:
        async with session:
            await asyncio.gather(*(send_some() for _ in range(at_once)))

    return _measured(lambda: asyncio.run(send_all()), len(messages))


WAYS: dict[str, Callable[[str, Sequence[Message], int], Took]] = {
    "article": article,
    "threads": threads,
    "pywa": pywa,
    "pywa-async": pywa_async,
}


def _address(url: str) -> str:
    return f"{url}/{VERSION}/{NUMBER}/messages"


def _bodies(messages: Sequence[Message]) -> list[bytes]:
    return [payload.build(one, f"{one.message_id}.1") for one in messages]


def _templates(messages: Sequence[Message]) -> Iterator[tuple[str, str, list[dict[str, Any]], str]]:
    """For whom, the template, its components, and what Meta is to echo: as `_bodies` have them."""
    return iter(
        [(one.to, one.template.name, json.loads(one.template.components), f"{one.message_id}.1") for one in messages]
    )


def _check(answer: requests.Response) -> None:
    answer.raise_for_status()
    assert answer.json()["messages"]


def _in_threads(work: Callable[[], None], at_once: int) -> None:
    with ThreadPoolExecutor(at_once) as pool:
        for done in [pool.submit(work) for _ in range(at_once)]:
            done.result()


def _measured(work: Callable[[], None], number: int) -> Took:
    began, used = time.perf_counter(), time.process_time()
    work()
    return Took(number, time.perf_counter() - began, time.process_time() - used)


if __name__ == "__main__":
    way, url, number, at_once = sys.argv[1:]
    to_send = stage.messages(int(number), [NUMBER], datetime.now(UTC))
    print(json.dumps(asdict(WAYS[way](url, to_send, int(at_once)))))
