"""The one HTTP call, over a real socket: how far did the request get?"""

import asyncio
import ssl
import tracemalloc
from asyncio import sslproto
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import pytest
import trustme

from service.whatsapp.answer import Accepted
from service.whatsapp.client import OPENING_AT_ONCE, READ_AT_ONCE, Client
from service.whatsapp.send_error import NotSent, SendError, Unanswered, Unavailable
from tests.dispatch.cloud_api import CloudApi, drop, ok, serving, silence, text

BODY = b'{"messaging_product":"whatsapp","x":"\xe4\xbd\xa0\xe5\xa5\xbd"}'


def _with_client(cloud_api: CloudApi, work: Callable[[Client], Awaitable[object]], url: str | None = None) -> object:
    async def run() -> object:
        async with Client(url or cloud_api.url, "v25.0", answer_seconds=0.3) as client:
            return await work(client)

    return asyncio.run(run())


def _error(cloud_api: CloudApi, url: str | None = None, **options: object) -> SendError:
    async def work(client: Client) -> object:
        with pytest.raises(SendError) as caught:
            await client.send("1", "token", BODY, **options)  # type: ignore[arg-type]
        return caught.value

    error = _with_client(cloud_api, work, url)
    assert isinstance(error, SendError)
    return error


def test_the_body_goes_out_byte_for_byte(cloud_api: CloudApi) -> None:
    accepted = _with_client(cloud_api, lambda client: client.send("106", "token", BODY))

    assert accepted == Accepted("wamid.1")
    (request,) = cloud_api.requests
    assert (request.path, request.token, request.body["x"]) == ("/v25.0/106/messages", "token", "你好")


def test_connections_are_kept(cloud_api: CloudApi) -> None:
    async def work(client: Client) -> None:
        for _ in range(3):
            await client.send("1", "token", BODY)

    _with_client(cloud_api, work)
    assert len({request.client for request in cloud_api.requests}) == 1


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls_api(authority: trustme.CA) -> Iterator[CloudApi]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with serving(CloudApi(context)) as server:
        yield server


def test_connections_are_kept_over_tls(
    tls_api: CloudApi, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))

    async def work(client: Client) -> None:
        for _ in range(3):
            await client.send("1", "token", BODY)

    _with_client(tls_api, work)
    assert len(tls_api.requests) == 3
    assert len({request.client for request in tls_api.requests}) == 1


def test_a_kept_connection_keeps_little_room_for_what_it_reads(
    tls_api: CloudApi, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    buffers = [tracemalloc.Filter(inclusive=True, filename_pattern=sslproto.__file__)]

    async def work(client: Client) -> int:
        await client.send("1", "token", BODY)
        kept = tracemalloc.take_snapshot().filter_traces(buffers).statistics("filename")
        return sum(one.size for one in kept)

    tracemalloc.start()
    try:
        kept_bytes = _with_client(tls_api, work)
    finally:
        tracemalloc.stop()
    assert isinstance(kept_bytes, int)
    assert READ_AT_ONCE <= kept_bytes < 2 * READ_AT_ONCE


def test_a_certificate_that_nobody_vouches_for_gets_no_token(tls_api: CloudApi) -> None:
    assert isinstance(_error(tls_api), Unavailable)
    assert tls_api.requests == []


def test_nothing_that_listens_means_not_sent(cloud_api: CloudApi) -> None:
    error = _error(cloud_api, url="http://127.0.0.1:9")
    assert isinstance(error, Unavailable)
    assert error.http_status is None


def test_a_name_that_does_not_resolve_means_not_sent(cloud_api: CloudApi) -> None:
    assert isinstance(_error(cloud_api, url="http://no-such-host.invalid"), Unavailable)


def test_a_reset_after_the_request_is_unanswered(cloud_api: CloudApi) -> None:
    cloud_api.answers(drop)
    assert isinstance(_error(cloud_api), Unanswered)


def test_a_reset_of_a_kept_connection_is_unanswered_and_not_repeated(cloud_api: CloudApi) -> None:
    cloud_api.answers(ok, drop)

    async def work(client: Client) -> None:
        await client.send("1", "token", BODY)
        with pytest.raises(Unanswered):
            await client.send("1", "token", BODY)

    _with_client(cloud_api, work)
    assert len(cloud_api.requests) == 2


def test_no_answer_in_time_is_unanswered(cloud_api: CloudApi) -> None:
    cloud_api.answers(silence)
    assert isinstance(_error(cloud_api), Unanswered)


def test_a_redirect_is_not_followed(cloud_api: CloudApi) -> None:
    cloud_api.answers(lambda handler: handler.reply(302, "", {"Location": f"{cloud_api.url}/elsewhere"}))
    assert isinstance(_error(cloud_api), Unavailable)
    assert len(cloud_api.requests) == 1


def test_html_on_a_5xx_is_unanswered(cloud_api: CloudApi) -> None:
    cloud_api.answers(text(502, "<html>Bad Gateway</html>"))
    assert isinstance(_error(cloud_api), Unanswered)


def test_no_byte_is_written_once_the_fence_is_down(cloud_api: CloudApi) -> None:
    assert isinstance(_error(cloud_api, may_write=lambda: False), NotSent)
    assert cloud_api.requests == []


def test_the_fence_is_asked_when_the_connection_is_there(cloud_api: CloudApi) -> None:
    """Also for a new connection, which may have taken seconds to get."""
    asked: list[int] = []

    def may_write() -> bool:
        asked.append(len(cloud_api.requests))
        return True

    async def work(client: Client) -> None:
        await client.send("1", "token", BODY, may_write)
        await client.send("1", "token", BODY, may_write)

    _with_client(cloud_api, work)
    assert asked == [0, 1]


def test_so_many_connections_are_opened_at_once_and_no_more() -> None:
    """Each ends before its handshake does; what matters is how many are at it at the same moment."""
    opening, most = 0, 0

    async def run() -> None:
        enough = asyncio.Event()

        async def take(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal opening, most
            opening += 1
            most = max(most, opening)
            if opening == OPENING_AT_ONCE:
                enough.set()
            await enough.wait()
            for _ in range(100):  # whoever else is on the way arrives
                await asyncio.sleep(0)
            opening -= 1
            writer.close()

        server = await asyncio.start_server(take, "127.0.0.1", 0)
        async with server, Client(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", "v25.0") as client:
            sends = (client.send("1", "token", BODY) for _ in range(3 * OPENING_AT_ONCE))
            ends = await asyncio.gather(*sends, return_exceptions=True)
        assert all(isinstance(end, Unavailable) for end in ends)

    asyncio.run(run())
    assert most == OPENING_AT_ONCE


def test_who_waits_to_open_a_connection_takes_one_that_comes_free(
    tls_api: CloudApi, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dozen numbers that begin want hundreds: who insists on a handshake of its own is too late, while others stand idle."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    number = 3 * OPENING_AT_ONCE
    taken: list[asyncio.Task[None]] = []
    ends: list[Accepted | SendError] = []

    async def run() -> None:
        is_over = asyncio.Event()

        async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(10_000):
                writer.write(data)
            writer.close()

        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            taken.append(cast("asyncio.Task[None]", asyncio.current_task()))
            if len(taken) == 1:
                api_reader, api_writer = await asyncio.open_connection("127.0.0.1", urlsplit(tls_api.url).port)
                await asyncio.gather(pass_on(reader, api_writer), pass_on(api_reader, writer))
            else:  # its handshake comes to no end
                await is_over.wait()
                writer.close()

        server = await asyncio.start_server(take, "127.0.0.1", 0)
        async with server:
            async with Client(f"https://localhost:{server.sockets[0].getsockname()[1]}", "v25.0") as client:
                sends = [asyncio.create_task(client.send("1", "token", BODY)) for _ in range(number)]
                for end in asyncio.as_completed(sends):
                    if len(ends) == number - OPENING_AT_ONCE:
                        is_over.set()
                    try:
                        ends.append(await end)
                    except SendError as error:
                        ends.append(error)
            await asyncio.gather(*taken)

    asyncio.run(run())
    assert [type(end) for end in ends] == [Accepted] * (number - OPENING_AT_ONCE) + [Unavailable] * OPENING_AT_ONCE
    assert len(taken) == 1 + OPENING_AT_ONCE
