"""The deadline is real: it ends a whole call, whatever the other end does, and says what was paid for."""

import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import trio as trio  # noqa: PLC0414 - loaded here, so that no measured call pays for it
from proofs.fixtures.drivers import DRIVERS, Driver, draw
from proofs.fixtures.sockets import (
    Script,
    answering,
    certified,
    deaf,
    dripping,
    never_accepting,
    refusing,
    reply,
    serving,
    sipping,
    stalling,
    trusting,
)
from segmind_sd3 import (
    Client,
    ConnectionFailed,
    ConnectionTimedOut,
    InvalidRequest,
    OutcomeTimedOut,
    OutcomeUnknown,
    RateLimited,
    Retry,
    SegmindError,
    ServerError,
)
from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer

DEADLINE = 0.3
GRACE = 1.0
"""What a busy machine may add. Without a deadline each of these servers would keep its call for ever."""

# 200 is said at once, and a picture of so many bytes is promised.
PROMISED = reply(200, b"\xff\xd8\xff", content_type="image/jpeg", content_length="100000")
SOON_AGAIN = Retry(attempts=1000, backoff=0.02, backoff_max=0.02)
MUCH_LATER = Retry(attempts=1000, backoff=1e6, backoff_max=1e6)

Server = Callable[[], AbstractContextManager[str]]


def at(script: Script, **options: Any) -> Server:
    @contextmanager
    def server() -> Generator[str]:
        with serving(script, **options) as peer:
            yield peer.url

    return server


@contextmanager
def without_a_handshake() -> Generator[str]:
    with serving(deaf) as peer:
        yield peer.url.replace("http://", "https://")


@dataclass(frozen=True)
class End:
    """How a call ended. `late` says whether the deadline itself is the error, `in_time` whether it held."""

    error: type[SegmindError]
    billed: bool | None
    late: bool
    in_time: bool = True


def end(driver: Driver, server: Server) -> End:
    with server() as url:
        begun = time.monotonic()
        try:
            draw(driver, url, timeout=DEADLINE, retry=MUCH_LATER, verify=trusting())
        except SegmindError as error:
            in_time = time.monotonic() - begun < DEADLINE + GRACE
            return End(type(error), error.billed, isinstance(error, TimeoutError), in_time)
    pytest.fail("the call drew a picture")


def ends(server: Server) -> Mapping[Driver, End]:
    """Make the call in all ways at once: what takes its time here is waiting alone."""
    with ThreadPoolExecutor() as threads:
        tasks: dict[Driver, Future[End]] = {driver: threads.submit(end, driver, server) for driver in DRIVERS}
        return {driver: task.result() for driver, task in tasks.items()}


NOT_MADE = End(ConnectionTimedOut, billed=False, late=True)
NOT_KNOWN = End(OutcomeTimedOut, billed=None, late=True)
PAID = End(OutcomeTimedOut, billed=True, late=True)
FAR = reply(429, X_Rate_Limit_Reset_At_Utc="2100-01-01T00:00:00")

SERVERS: dict[str, tuple[Server, End]] = {
    "never accepts": (never_accepting, NOT_MADE),
    "never answers TLS": (without_a_handshake, NOT_MADE),
    "stalls before its headers": (at(stalling()), NOT_KNOWN),
    "stalls in its headers": (at(stalling(b"HTTP/1.1 200 OK\r\nx-")), NOT_KNOWN),
    "drips its headers": (at(dripping(b"HTTP/1.1 200 OK\r\nx-slow: ")), NOT_KNOWN),
    "drips header after header": (at(dripping(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n")), NOT_KNOWN),
    "stalls in its body": (at(stalling(PROMISED)), PAID),
    "drips its body": (at(dripping(PROMISED)), PAID),
    "drips its body over TLS": (at(dripping(PROMISED), tls=certified("127.0.0.1")), PAID),
    "stalls in the body of an error": (
        at(stalling(reply(500, b"Internal Server Error!", content_length="99"))),
        End(ServerError, billed=False, late=False),
    ),
    # The deadline ends a wait: the error is the one that was waited on.
    "is busy": (at(answering(reply(429))), End(RateLimited, billed=False, late=False)),
    "refuses": (refusing, End(ConnectionFailed, billed=False, late=False)),
    "limits for longer than that": (at(answering(FAR)), End(RateLimited, billed=False, late=False)),
}


@pytest.mark.parametrize(("server", "expected"), SERVERS.values(), ids=SERVERS)
def test_a_call_ends_by_its_deadline_though_the_server(server: Server, expected: End):
    assert ends(server) == dict.fromkeys(DRIVERS, expected)


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(("sip", "every"), [(64, 0.01), (4 * 1024, 0.002)], ids=["bytes", "kilobytes"])
@pytest.mark.slow
def test_a_call_ends_by_its_deadline_though_its_large_request_is_taken_a_few_at_a_time(
    sip: int, every: float, driver: Driver
):
    large = {"prompt": "x" * 5_000_000}
    with serving(sipping(sip, every), buffer=2 * sip) as peer:
        begun = time.monotonic()
        with pytest.raises(ConnectionFailed, match="not sent whole") as raised:
            draw(driver, peer.url, large, timeout=1)
        assert time.monotonic() - begun < 1 + GRACE
    assert (raised.value.billed, isinstance(raised.value, TimeoutError)) == (False, True)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_call_ends_by_its_deadline_though_it_is_tried_again_and_again(driver: Driver):
    with serving(answering(reply(429))) as peer:
        begun = time.monotonic()
        with pytest.raises(SegmindError):
            draw(driver, peer.url, timeout=DEADLINE, retry=SOON_AGAIN)
        assert time.monotonic() - begun < DEADLINE + GRACE
        assert len(peer.requests) > 2


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_deadline_in_the_body_keeps_what_came_and_hangs_up(driver: Driver):
    with serving(stalling(PROMISED)) as peer:
        with pytest.raises(OutcomeUnknown, match="3 bytes") as raised:
            draw(driver, peer.url, timeout=0.5)
        assert (raised.value.status, raised.value.body) == (200, b"\xff\xd8\xff")
        assert peer.wait_until_hung_up()


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_deadline_is_told_in_the_message(driver: Driver):
    with serving(stalling()) as peer, pytest.raises(TimeoutError, match=r"deadline of 0\.1 s"):
        draw(driver, peer.url, timeout=0.1)


@pytest.mark.parametrize("driver", DRIVERS)
def test_what_the_deadline_cut_off_is_never_sent_again(driver: Driver):
    with serving(stalling()) as peer:
        with pytest.raises(OutcomeUnknown):
            draw(driver, peer.url, timeout=0.5, retry=SOON_AGAIN)
        assert len(peer.requests) == peer.connections == 1


def test_a_copy_has_a_deadline_of_its_own():
    with serving(stalling()) as peer, Client(MADE_UP_KEY, base_url=peer.url) as client:
        begun = time.monotonic()
        with pytest.raises(TimeoutError, match=r"0\.05 s"):
            client.with_options(timeout=0.05).sd35_turbo_txt2img(prompt="a lighthouse")
        assert time.monotonic() - begun < 0.05 + GRACE


def test_the_deadline_of_one_call_is_not_that_of_the_next():
    with (
        serving(stalling(), answering(reply(503))) as peer,
        Client(MADE_UP_KEY, base_url=peer.url, timeout=1) as client,
    ):
        with pytest.raises(TimeoutError):
            client.sd35_turbo_txt2img(prompt="a lighthouse")
        with pytest.raises(ServerError):
            client.sd35_turbo_txt2img(prompt="a lighthouse")


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), None, "1", [], 1j], ids=str)
def test_a_timeout_is_a_number_of_seconds(seconds: Any):
    made = partial(Client, MADE_UP_KEY, transport=ReferenceServer().transport())
    with pytest.raises(InvalidRequest, match="timeout"):
        made(timeout=seconds)
    if seconds is not None:
        with made() as client, pytest.raises(InvalidRequest, match="timeout"):
            client.with_options(timeout=seconds)
