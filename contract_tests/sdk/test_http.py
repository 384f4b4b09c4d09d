"""One connection, step by step: which end is faster is decided here, not by the system."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, Final

import pytest
from segmind_sd3._connections import new_connection
from segmind_sd3._http import EITHER, Connection, Wait
from segmind_sd3._routing import Route
from segmind_sd3._wire import Incoming, Request

if TYPE_CHECKING:
    from collections.abc import Generator

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
def sending() -> Generator[Sending]:
    ours, theirs = socket.socketpair()
    connection = new_connection(Route("127.0.0.1", 80, None))
    ours.setblocking(False)  # noqa: FBT003 - socket's own signature
    connection.socket = ours
    with ours, theirs:
        yield Sending(connection, theirs)


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
