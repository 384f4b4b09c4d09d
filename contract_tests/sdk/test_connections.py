"""What connections meet beside good and bad replies: several addresses, proxies with TLS, foreign faults."""

import json
import shlex
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from types import FrameType
from typing import Any

import anyio
import httpx
import pytest
import respx
from proofs.fixtures.drivers import DRIVERS, Driver, draw, outcomes
from proofs.fixtures.sockets import (
    answering,
    certified,
    hanging_up,
    refusing,
    reply,
    serving,
    stalling,
    trusting,
    tunnelling,
)
from segmind_sd3 import (
    AsyncClient,
    Client,
    InvalidRequest,
    OutcomeTimedOut,
    OutcomeUnknown,
    Prepared,
    RateLimited,
    Retry,
)
from segmind_sd3_contract.reference import MADE_UP_KEY

ONCE = Retry(attempts=1)


@pytest.fixture
def drawn(picture: bytes) -> bytes:
    return reply(200, picture, content_type="image/png")


# -- Addresses --------------------------------------------------------------------------------------------


def resolving_to(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int]) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]

    def look_up(*_: Any, **__: Any) -> list[Any]:
        return found

    async def look_up_async(*_: Any, **__: Any) -> list[Any]:
        return found

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(anyio, "getaddrinfo", look_up_async)


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_next_address_is_tried_where_one_refuses(
    driver: Driver, drawn: bytes, monkeypatch: pytest.MonkeyPatch
):
    with serving(answering(drawn)) as peer, refusing() as url:
        resolving_to(monkeypatch, ("127.0.0.1", port_of(url)), ("127.0.0.1", peer.port))
        assert draw(driver, "http://localhost:1").images


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_next_address_is_tried_where_one_says_nothing(
    driver: Driver, drawn: bytes, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("segmind_sd3._http.ADDRESS_PATIENCE", 0.05)
    full, fillers = socket.socket(), [socket.socket() for _ in range(2)]
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    for filler in fillers:
        filler.settimeout(0)
        filler.connect_ex(full.getsockname())
    with serving(answering(drawn)) as peer:
        resolving_to(monkeypatch, full.getsockname(), ("127.0.0.1", peer.port))
        assert draw(driver, "http://localhost:1").images
    for each in (full, *fillers):
        each.close()


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_image_s_name_that_leads_to_a_private_address_is_refused(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
):
    resolving_to(monkeypatch, ("10.0.0.1", 80))
    with pytest.raises(InvalidRequest, match="private address"):
        draw(
            driver,
            "http://127.0.0.1:1",
            {"prompt": "x", "image": "http://images.example/a.png"},
            operation="sd3_medium_img2img",
        )


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_redirect_of_an_image_to_what_is_no_url_is_refused(driver: Driver):
    params = {"prompt": "x", "image": ""}
    options = {"operation": "sd3_medium_img2img", "allow_private_image_urls": True}
    with (
        serving(answering(reply(302, location="http://[::1"))) as host,
        pytest.raises(InvalidRequest, match="redirects to"),
    ):
        draw(driver, "http://127.0.0.1:1", {**params, "image": host.url}, **options)


def test_an_image_is_fetched_by_httpx_where_somebody_mocks_it(picture: bytes):
    params = {"prompt": "x", "image": "http://8.8.8.8/a.png"}
    with respx.mock, Client(MADE_UP_KEY) as client:
        respx.get("http://8.8.8.8/a.png").respond(content=picture)
        assert client.prepare("sd3_medium_img2img", **params).body["image"]


def test_an_image_is_fetched_by_httpx_where_somebody_mocks_it_async(picture: bytes):
    async def prepared() -> Prepared:
        async with AsyncClient(MADE_UP_KEY) as client:
            return await client.prepare("sd3_medium_img2img", prompt="x", image="http://8.8.8.8/a.png")

    with respx.mock:
        respx.get("http://8.8.8.8/a.png").respond(content=picture)
        assert anyio.run(prepared).body["image"]


# -- TLS and proxies --------------------------------------------------------------------------------------


@pytest.mark.parametrize("driver", DRIVERS)
def test_verify_false_trusts_any_certificate(driver: Driver, drawn: bytes):
    with serving(answering(drawn), tls=certified("another.example")) as peer:
        assert draw(driver, peer.url, verify=False).images


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_proxy_may_be_reached_by_tls_itself(driver: Driver, drawn: bytes):
    with (
        serving(answering(drawn), tls=certified("api.segmind.invalid")) as server,
        serving(tunnelling(server.host, server.port), tls=certified("127.0.0.1")) as proxy,
    ):
        assert draw(driver, "https://api.segmind.invalid", proxy=proxy.url, verify=trusting()).images


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_reply_that_goes_on_in_another_protocol_is_none(driver: Driver):
    with serving(answering(b"HTTP/1.1 101 Switching Protocols\r\n\r\nwhatever")) as peer:
        with pytest.raises(OutcomeUnknown) as raised:
            draw(driver, peer.url, retry=ONCE)
        assert raised.value.billed is None


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_tls_connection_that_ends_is_a_reply_that_broke_off(driver: Driver):
    answer = hanging_up(reply(200, b"\x89PNG", content_length="99"))
    with serving(answer, tls=certified("127.0.0.1")) as peer:
        with pytest.raises(OutcomeUnknown) as raised:
            draw(driver, peer.url, verify=trusting())
        assert (raised.value.billed, raised.value.body) == (True, b"\x89PNG")


@pytest.mark.parametrize("driver", DRIVERS)
def test_connections_that_are_idle_too_long_are_closed(
    driver: Driver, drawn: bytes, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("segmind_sd3._connections.EXPIRY", 0.0)
    with serving(answering(drawn)) as peer:
        outcomes(driver, peer.url, times=2)
        assert peer.connections == 2


# -- Waits ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", ["9" * 60, "9" * 400, "4102444800"], ids=["60", "400", "a moment"])
def test_a_retry_after_that_is_far_is_not_waited_for(asked: str):
    with serving(answering(reply(429, retry_after=asked))) as peer:
        with pytest.raises(RateLimited):
            draw("sync", peer.url)
        assert len(peer.requests) == 1


def test_what_a_signal_s_handler_raises_is_raised_as_it_is():
    class AlarmError(TimeoutError):
        pass

    def ring(_signal: int, _frame: FrameType | None) -> None:
        raise AlarmError("time is up")

    before = signal.signal(signal.SIGUSR2, ring)
    main = threading.get_ident()
    try:
        with serving(stalling()) as peer, Client(MADE_UP_KEY, base_url=peer.url) as client:

            def rings() -> None:
                peer.arrived.wait(10)
                signal.pthread_kill(main, signal.SIGUSR2)

            threading.Thread(target=rings).start()
            with pytest.raises(AlarmError):
                client.sd35_turbo_txt2img(prompt="a lighthouse")
    finally:
        signal.signal(signal.SIGUSR2, before)


# -- Transports of others ---------------------------------------------------------------------------------


class Endless(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body without an end."""

    def __init__(self, every: float = 0.0) -> None:
        self._every = every

    def __iter__(self) -> Iterator[bytes]:
        while True:
            time.sleep(self._every)
            yield bytes(64 * 1024)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            await anyio.sleep(self._every)
            yield bytes(64 * 1024)


class Own(httpx.BaseTransport, httpx.AsyncBaseTransport):
    def __init__(self, stream: Endless | None) -> None:
        self._stream = stream

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self._stream is None:
            raise KeyboardInterrupt
        return httpx.Response(200, stream=self._stream, request=request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_foreign_reply_without_an_end_is_cut_off(driver: Driver, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("segmind_sd3._reply.MAX_REPLY_BYTES", 1_000_000)
    with pytest.raises(OutcomeUnknown, match="larger than"):
        draw(driver, "http://127.0.0.1:1", transport=Own(Endless()))


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_foreign_reply_that_drips_ends_with_the_deadline(driver: Driver):
    with pytest.raises(OutcomeTimedOut):
        draw(driver, "http://127.0.0.1:1", transport=Own(Endless(every=0.01)), timeout=0.1)


class Circular(httpx.BaseTransport):
    """Raises a fault whose causes go in a circle."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        first, second = OSError(request.url), KeyError()
        first.__cause__, second.__cause__ = second, first
        raise RuntimeError from first


def test_a_foreign_fault_whose_causes_go_in_a_circle_ends_the_call():
    with Client(MADE_UP_KEY, transport=Circular()) as client, pytest.raises(OutcomeUnknown):
        client.sd35_turbo_txt2img(prompt="a lighthouse")


def test_an_interruption_of_a_foreign_transport_is_raised_without_frames_that_hold_the_key():
    with Client(MADE_UP_KEY, transport=Own(None)) as client, pytest.raises(KeyboardInterrupt) as raised:
        client.sd35_turbo_txt2img(prompt="a lighthouse")
    assert not any(entry.name == "handle_request" for entry in raised.traceback)


# -- What is shown ----------------------------------------------------------------------------------------


def test_a_shown_call_escapes_what_steers_a_terminal():
    content = json.dumps({"prompt": "\x1b[2J \u202e \U000e0001"}, ensure_ascii=False).encode()
    command = Prepared("sd35_turbo_txt2img", "https://api.segmind.com/v1/x", content).as_curl()
    assert command.isprintable()
    assert json.loads(shlex.split(command)[-1]) == json.loads(content)
