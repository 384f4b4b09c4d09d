"""More scripts for `sockets.serving`: proxies, answers before the end of a request, and broken replies."""

from __future__ import annotations

import base64
import itertools
import select
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch
from urllib.parse import urlsplit

from segmind_sd3_contract.sockets import PATIENCE, reply, serving

if TYPE_CHECKING:
    import ssl
    from collections.abc import Generator

    from segmind_sd3_contract.reference.exchange import Request
    from segmind_sd3_contract.sockets import Connection, Peer, Script

CONNECT_PATIENCE: Final = 0.5
"""Seconds that a proxy tries to reach the origin."""

# -- Proxies ----------------------------------------------------------------------------------------------


def proxying(credentials: str | None = None, *, buffer: int) -> Script:
    """Be an honest proxy: open tunnels, and carry requests over plain http to where they are to go.

    `credentials` are `name:password`; without them, or with others, a request is answered with a 407.
    `buffer` is the size in bytes of what the system takes in on the way to the origin. Where the origin
    resets its connection, so does the proxy.
    """
    wanted = credentials and "Basic " + base64.b64encode(credentials.encode()).decode()

    def script(connection: Connection) -> None:
        head = connection.head()
        if head is None:
            return
        if wanted and head.headers.get("proxy-authorization") != wanted:
            connection.send(reply(407, proxy_authenticate="Basic"))
            return
        url = urlsplit(head.path if head.method != "CONNECT" else f"//{head.path}")
        try:
            onward = socket.create_connection((url.hostname or "", url.port or 80), timeout=CONNECT_PATIENCE)
        except OSError:
            connection.send(reply(502))
            return
        with onward:
            onward.settimeout(None)
            onward.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            onward.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
            back = threading.Thread(target=_carry_back, args=(onward, connection))
            if head.method == "CONNECT":
                connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back.start()
            with suppress(OSError):
                if head.method == "CONNECT":
                    _carry(connection, onward)
                else:
                    _carry_requests(head, connection, onward)
            with suppress(OSError):
                onward.shutdown(socket.SHUT_WR)
            back.join()

    return script


def _carry_back(onward: socket.socket, connection: Connection) -> None:
    try:
        while data := onward.recv(64 * 1024):
            connection.send(data)
    except OSError:
        connection.reset()
    # Nothing more is carried the other way: the script ends, and with it the client's connection.
    for end, how in ((connection.socket, socket.SHUT_RD), (onward, socket.SHUT_RDWR)):
        with suppress(OSError):
            end.shutdown(how)


def _carry(connection: Connection, onward: socket.socket) -> None:
    while data := connection.receive():
        onward.sendall(data)


def _carry_requests(head: Request | None, connection: Connection, onward: socket.socket) -> None:
    while head is not None:
        target = urlsplit(head.path)._replace(scheme="", netloc="").geturl()
        lines = [f"{head.method} {target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in head.headers.items() if not name.startswith("proxy-")]
        onward.sendall("".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1"))
        for piece in connection.body(head):
            onward.sendall(piece)
        head = connection.head()


# -- Before the end of a request --------------------------------------------------------------------------


def answering_early(answer: bytes, *, then_read: bool) -> Script:
    """Answer once the head of a request is there; then read on until the client hangs up, or close.

    To close with a part of the request unread resets the connection.
    """

    def script(connection: Connection) -> None:
        if connection.head() is not None:
            connection.send(answer)
            if then_read:
                connection.wait_for_hangup()

    return script


def resetting_in_the_body(connection: Connection) -> None:
    """Reset the connection once the head of a request and the beginning of its body are there."""
    head = connection.head()
    if head is not None:
        next(connection.body(head))
        connection.reset()


def stalling_in_the_body(connection: Connection) -> None:
    """Read the head of a request, and no more; the connection stays open."""
    if connection.head() is not None:
        connection.peer.ending.wait()


@contextmanager
def reset_before_the_first_byte(answer: bytes, tls: ssl.SSLContext | None = None) -> Generator[Peer]:
    """Reset the first connection between the client's last look at it and its second request.

    Without help the reset would come a little earlier or later. So the first byte that the client sends after
    the first answer waits until the system has seen the reset. All other requests get the answer.
    """
    answered, reset_now = threading.Event(), threading.Event()

    def first(connection: Connection) -> None:
        if connection.request() is not None:
            answered.set()
            connection.send(answer)
            reset_now.wait(PATIENCE)
            connection.reset()

    def others(connection: Connection) -> None:
        while connection.request() is not None:
            connection.send(answer)

    with serving(first, others, tls=tls) as peer:
        send = socket.socket.send

        def send_late(self: socket.socket, *data: Any) -> int:
            armed = answered.is_set() and not reset_now.is_set() and self.family == socket.AF_INET
            if armed and self.getpeername()[1] == peer.port:
                reset_now.set()
                seen = select.poll()
                seen.register(self, 0)  # an error is always reported
                seen.poll(1000 * PATIENCE)
            return send(self, *data)

        with patch.object(socket.socket, "send", send_late):
            yield peer
        reset_now.set()


# -- Broken replies ---------------------------------------------------------------------------------------


def endless_head(connection: Connection) -> None:
    """Answer with a status and header lines without an end."""
    connection.request()
    connection.send(b"HTTP/1.1 200 OK\r\n")
    for n in itertools.count():
        connection.send(f"x-line-{n}: {'x' * 1000}\r\n".encode())
