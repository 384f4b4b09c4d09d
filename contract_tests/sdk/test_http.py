"""One connection, step by step: which end is faster is decided here, not by the system."""

from __future__ import annotations

import errno
import socket
import tracemalloc
from collections import Counter
from typing import TYPE_CHECKING, Final

import anyio
import pytest
from segmind_sd3._connections import new_connection
from segmind_sd3._http import EITHER, WRITE, Connection, Wait
from segmind_sd3._limits import MIB
from segmind_sd3._routing import Route
from segmind_sd3._transport import _wait_async  # pyright: ignore[reportPrivateUsage] - which end is faster decides whether a call waits so
from segmind_sd3._wire import Incoming, Request

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

REPLY: Final = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n{}"
INTERIM: Final = b"HTTP/1.1 103 Early Hints\r\n\r\n"
CONTENT: Final = b"x" * 4_000_000
"""More than a pair of sockets holds."""


class Sending:
    """A large request that is being sent, up to where the peer takes no more."""

    def __init__(self, connection: Connection, peer: socket.socket) -> None:
        headers = [(b"content-length", b"%d" % len(CONTENT))]
        self.connection, self.peer = connection, peer
        self.incoming = Incoming.unsent(lambda _: 100)
        self.steps = connection.exchange(Request(b"POST", b"/v1/x", headers, CONTENT), None, self.incoming)
        while next(self.steps) is not EITHER:
            pass

    def wait(self) -> Wait | None:
        """Return what it waits for next; None at its end."""
        return next(self.steps, None)

    def read_some(self) -> None:
        self.peer.recv(1 << 20)


@pytest.fixture
def pair() -> Generator[tuple[Connection, socket.socket]]:
    """Return a connection and its peer's socket."""
    ours, theirs = socket.socketpair()
    connection = new_connection(Route("127.0.0.1", 80, None))
    ours.setblocking(False)  # noqa: FBT003 - socket's own signature
    connection.socket = ours
    with ours, theirs:
        yield connection, theirs


@pytest.fixture
def sending(pair: tuple[Connection, socket.socket]) -> Sending:
    return Sending(*pair)


def test_a_reply_that_comes_before_the_request_is_sent_is_the_answer(sending: Sending):
    sending.peer.sendall(REPLY)
    assert sending.wait() is None
    assert (sending.incoming.status, sending.incoming.size, sending.incoming.complete) == (413, 2, True)


def test_a_request_that_was_answered_early_counts_as_not_handed_over(sending: Sending):
    sending.peer.sendall(REPLY)
    sending.wait()
    assert not sending.incoming.handed_over
    assert not sending.connection.reusable


@pytest.mark.parametrize("meanwhile", [b"", INTERIM], ids=["nothing came", "an interim reply came"])
def test_sending_goes_on_when_the_peer_reads_on(sending: Sending, meanwhile: bytes):
    sending.peer.sendall(meanwhile)
    sending.read_some()
    while (wait := sending.wait()) is not None and wait.kind != "read":
        sending.read_some()
    assert wait is not None
    sending.peer.sendall(REPLY)
    while sending.wait():
        pass
    assert (sending.incoming.status, sending.incoming.handed_over) == (413, True)


def test_a_peer_that_resets_without_a_reply_ends_the_sending(sending: Sending):
    sending.peer.close()
    with pytest.raises(ConnectionError) as ended:
        sending.wait()
    assert ended.value.errno in (errno.ECONNRESET, errno.EPIPE)


# -- A reply ----------------------------------------------------------------------------------------------

OK: Final = b"HTTP/1.1 200 OK\r\n"
LARGE: Final = bytes(range(256)) * 20_000
"""More than the room that is made at the word of a head."""


def exchanged(
    pair: tuple[Connection, socket.socket], pieces: Iterable[bytes], limit: int = 10**9
) -> Incoming:
    """Send a small request. Whenever a reply is waited for, send its next piece; after the last, hang up."""
    connection, peer = pair
    incoming, left = Incoming.unsent(lambda _: limit), iter(pieces)
    request = Request(b"GET", b"/", [])
    for wait in connection.exchange(request, None, incoming):
        if wait.kind == "read":
            if piece := next(left, b""):
                peer.sendall(piece)
            else:
                peer.recv(1000)  # to hang up with the request unread would be a reset
                peer.close()
    return incoming


@pytest.mark.parametrize(
    ("reply", "body", "reusable"),
    [
        (b"Content-Length: 5\r\n\r\nhello", b"hello", True),
        (b"Content-Length: 0\r\n\r\n", b"", True),
        (b"Content-Length: 5\r\n\r\nhello, and more", b"hello", False),
        (b"Content-Length: 5\r\nConnection: close\r\n\r\nhello", b"hello", False),
        (b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", b"hello", True),
        (b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nmore", b"hello", False),
        (b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", b"hello", True),
    ],
)
def test_a_reply_ends_where_its_head_says(
    pair: tuple[Connection, socket.socket], reply: bytes, body: bytes, *, reusable: bool
):
    incoming = exchanged(pair, [OK + reply])
    assert (incoming.reply().body, incoming.complete) == (body, True)
    assert pair[0].reusable is reusable


def test_a_reply_without_a_body_has_none_whatever_its_head_says(pair: tuple[Connection, socket.socket]):
    incoming = exchanged(pair, [b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"])
    assert (incoming.reply().body, incoming.complete) == (b"", True)


def test_a_reply_that_is_longer_than_the_room_made_for_it_comes_whole(
    pair: tuple[Connection, socket.socket],
):
    pieces = [OK + b"Content-Length: %d\r\n\r\n" % len(LARGE)]
    pieces += [LARGE[at : at + 50_000] for at in range(0, len(LARGE), 50_000)]
    assert exchanged(pair, pieces).reply().body == LARGE


@pytest.mark.parametrize("framing", ["content-length", "chunked"])
def test_others_may_run_while_a_long_reply_comes(pair: tuple[Connection, socket.socket], framing: str):
    connection, peer = pair
    if framing == "chunked":
        pieces = [OK + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(LARGE)]
    else:
        pieces = [OK + b"Content-Length: %d\r\n\r\n" % len(LARGE)]
    pieces += [LARGE[at : at + 50_000] for at in range(0, len(LARGE), 50_000)]
    pieces += [b"\r\n0\r\n\r\n"] if framing == "chunked" else []
    left, kinds = iter(pieces), Counter[str]()
    for wait in connection.exchange(Request(b"GET", b"/", []), None, Incoming.unsent(lambda _: 10**9)):
        kinds[wait.kind] += 1
        if wait.kind == "read":
            peer.sendall(next(left))
    assert kinds["nothing"] >= len(LARGE) // MIB


def test_of_a_reply_that_breaks_off_is_kept_what_came(pair: tuple[Connection, socket.socket]):
    incoming = exchanged(pair, [OK + b"Content-Length: 5\r\n\r\nhe", b"l"])
    assert (incoming.reply().body, incoming.complete) == (b"hel", False)
    assert not pair[0].reusable


def test_a_reply_that_is_too_long_is_read_no_further(pair: tuple[Connection, socket.socket]):
    incoming = exchanged(pair, [OK + b"Content-Length: 9\r\n\r\nhello", b"more"], limit=4)
    assert (incoming.overflowed, incoming.complete, incoming.size) == (True, False, 5)


def test_the_start_of_a_reply_is_known_before_its_end():
    incoming = Incoming.unsent(lambda _: 100)
    incoming.expect(10)
    incoming.add(b"abc")
    assert incoming.start() == b"abc"


def test_a_reply_is_held_once(pair: tuple[Connection, socket.socket]):
    head, size = OK + b"Content-Length: 3000000\r\n\r\n", 3_000_000
    pieces = (head if not at else bytes(50_000) for at in range(size // 50_000 + 1))
    tracemalloc.start()
    body = exchanged(pair, pieces).reply().body
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(body) == size
    assert peak < 1.2 * size


def test_a_head_that_promises_much_takes_little_memory(pair: tuple[Connection, socket.socket]):
    tracemalloc.start()
    exchanged(pair, [OK + b"Content-Length: 200000000\r\n\r\nabc"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8_000_000


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("wait", [WRITE, EITHER])
def test_with_await_a_wait_ends_where_the_peer_takes_more(
    wait: Wait, backend: str, pair: tuple[Connection, socket.socket]
):
    connection, _ = pair
    assert anyio.run(_wait_async, connection, wait, backend=backend)
