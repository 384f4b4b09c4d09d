"""Small honest servers on loopback sockets: each does to a connection what its docstring says, and no more.

Law: nothing here knows a good call from a bad one, and no HTTP library is in between: what a test reads in
`Peer.requests` is what arrived, and what a script sends is what leaves. All of them end with their context.

```python
with serving(hanging_up(), answering(reply(body=PICTURE))) as peer:   # the first connection, and all others
    ...                                                               # peer.url
assert [request.method for request in peer.requests] == ["POST"]
```
"""

from __future__ import annotations

import itertools
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Final

from segmind_sd3_contract.reference.exchange import Request

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    import trustme

PATIENCE: Final = 10.0
"""Seconds after which a test that waits for something here is told that it will not come."""


class Connection:
    """One accepted connection, in a thread of its own."""

    def __init__(self, peer: Peer, socket: socket.socket) -> None:
        self.peer = peer
        self.socket = socket
        self.is_reset = False
        self._read = bytearray()

    def head(self) -> Request | None:
        """Read the head of one request and note it down; None where the client hung up instead."""
        while (end := self._read.find(b"\r\n\r\n")) < 0:
            if not self._receive():
                return None
        first, *lines = bytes(self._read[:end]).decode("latin-1").split("\r\n")
        del self._read[: end + 4]
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        head = Request(method, target, headers)
        self.peer.heads.append(head)
        self.peer.begun.set()
        return head

    def body(self, head: Request) -> Iterator[bytes]:
        """Read the body that belongs to a head, as it comes; less of it where the client hangs up."""
        length = int(head.headers.get("content-length", 0))
        while length and (self._read or self._receive()):
            piece = bytes(self._read[:length])
            del self._read[: len(piece)]
            length -= len(piece)
            yield piece

    def request(self) -> Request | None:
        """Read one request to its end and note it down; None where the client hung up instead."""
        head = self.head()
        if head is None:
            return None
        request = replace(head, body=b"".join(self.body(head)))
        if len(request.body) < int(head.headers.get("content-length", 0)):
            return None
        self.peer.requests.append(request)
        self.peer.arrived.set()
        return request

    def receive(self) -> bytes:
        """Give what came and was not read yet, else what comes next; nothing where the client hung up."""
        if not self._read:
            self._receive()
        received = bytes(self._read)
        self._read.clear()
        return received

    def _receive(self) -> bool:
        received = self.socket.recv(256 * 1024)
        self._read += received
        return bool(received)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def reset(self) -> None:
        """Have the connection reset, not closed, when the script ends."""
        self.is_reset = True
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def pause(self, seconds: float) -> None:
        """Let time pass, or less where the server is to end."""
        self.peer.ending.wait(seconds)

    def wait_for_hangup(self) -> None:
        """Wait until the client closes the connection, or the server is to end."""
        while self._receive():
            pass


Script = Callable[[Connection], None]
"""What a server does with one connection, from its beginning to its end."""


class Peer:
    """A server, as the test sees it.

    Attributes:
        url: where it listens.
        requests: every request that arrived whole, in order.
        heads: every request whose head arrived, in order, without its body.
        begun: is set once the head of a request was read; `arrived` once a request was read to its end.
        ending: is set when the server is to end.
    """

    def __init__(
        self,
        listener: socket.socket,
        scripts: Iterable[Script],
        tls: ssl.SSLContext | None,
        refusing_for: float,
    ) -> None:
        host, self.port = listener.getsockname()[:2]
        self.host = f"[{host}]" if ":" in host else host
        self.url = f"{'https' if tls else 'http'}://{self.host}:{self.port}"
        self.requests: list[Request] = []
        self.heads: list[Request] = []
        self.begun = threading.Event()
        self.arrived = threading.Event()
        self.ending = threading.Event()
        self._listener = listener
        self._tls = tls
        *first, last = scripts
        self._scripts = itertools.chain(first, itertools.repeat(last))
        self._change = threading.Condition()
        self._open: set[socket.socket] = set()
        self._connections = 0
        if not refusing_for:
            listener.listen(128)
        self._threads = [
            threading.Thread(target=self._accept, args=(refusing_for,), name=f"accepting at {self.url}")
        ]
        self._threads[0].start()

    @property
    def connections(self) -> int:
        """How many connections were accepted so far."""
        with self._change:
            return self._connections

    def wait_until_hung_up(self) -> bool:
        """Wait until every connection is closed; False where one stays open."""
        with self._change:
            return self._change.wait_for(lambda: not self._open, PATIENCE)

    def wait_for_connections(self, count: int) -> bool:
        """Wait until so many connections were accepted; False where they don't come."""
        with self._change:
            return self._change.wait_for(lambda: self._connections >= count, PATIENCE)

    def _accept(self, refusing_for: float) -> None:
        if refusing_for and not self.ending.wait(refusing_for):
            self._listener.listen(128)
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._change:
                if self.ending.is_set():
                    connection.close()
                    return
                self._connections += 1
                self._open.add(connection)
                self._change.notify_all()
            thread = threading.Thread(
                target=self._serve, args=(connection, next(self._scripts)), name=f"serving at {self.url}"
            )
            self._threads.append(thread)
            thread.start()

    def _serve(self, plain: socket.socket, script: Script) -> None:
        # A client that hangs up, or does not trust the certificate, is no error of the server.
        with suppress(OSError):
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is None:
                script(Connection(self, plain))
            else:
                with self._tls.wrap_socket(plain.dup(), server_side=True) as wrapped:
                    connection = Connection(self, wrapped)
                    script(connection)
                    if not connection.is_reset:
                        with suppress(OSError, ValueError):
                            wrapped.unwrap()
        with self._change:
            self._open.discard(plain)
            plain.close()
            self._change.notify_all()

    def end(self) -> None:
        """Hang up on everybody, and wait until every thread has ended."""
        self.ending.set()
        with self._change:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()


@contextmanager
def serving(
    *scripts: Script,
    tls: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
    buffer: int | None = None,
    refusing_for: float = 0.0,
) -> Generator[Peer]:
    """Serve the first connection by the first script, and so on; the last script serves all the others.

    `buffer` is the size in bytes of what the system takes in for a script that does not read. For the first
    `refusing_for` seconds every connection is refused.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    if buffer is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    listener.bind((host, 0))
    peer = Peer(listener, scripts, tls, refusing_for)
    try:
        yield peer
    finally:
        peer.end()


@contextmanager
def refusing() -> Generator[str]:
    """Hold a port at which every connection is refused."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


@contextmanager
def never_accepting() -> Generator[str]:
    """Let no connection come about: the queue of the listening socket is full, and nobody empties it."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for filler in (first, second):
            filler.settimeout(0)
            filler.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


# -- Trust ------------------------------------------------------------------------------------------------


@cache
def authority(name: str = "trusted by some") -> trustme.CA:
    """Give an authority of that name, which nobody trusts unless by `trusting`."""
    import trustme  # noqa: PLC0415 - all but TLS does without it

    return trustme.CA(organization_name=name)


def certified(*names: str, by: trustme.CA | None = None) -> ssl.SSLContext:
    """Give the TLS of a server that the authority, or another, has certified under these names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (by or authority()).issue_cert(*names).configure_cert(context)  # pyright: ignore[reportUnknownMemberType]  # pyOpenSSL
    return context


def trusting() -> ssl.SSLContext:
    """Give the TLS of a client that trusts the authority, and no other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority().configure_trust(context)  # pyright: ignore[reportUnknownMemberType]  # as above
    return context


# -- Replies ----------------------------------------------------------------------------------------------


def reply(status: int = 200, body: bytes = b"", **headers: str) -> bytes:
    """Give an HTTP reply; `_` in a header's name stands for `-`, and a length is told unless given."""
    named = {"content_length": str(len(body)), **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in named.items() if value)
    return f"HTTP/1.1 {status} Reply\r\n{lines}\r\n".encode("latin-1") + body


# -- Scripts ----------------------------------------------------------------------------------------------


def answering(*replies: bytes) -> Script:
    """Answer every request of a connection, and keep it open: the n-th by the n-th reply, or the last."""
    *first, last = replies

    def script(connection: Connection) -> None:
        for answer in itertools.chain(first, itertools.repeat(last)):
            if connection.request() is None:
                return
            connection.send(answer)

    return script


def greeting(first: bytes) -> Script:
    """Say something before anything was asked, and close the connection once something is."""

    def script(connection: Connection) -> None:
        connection.send(first)
        connection.socket.recv(1)

    return script


def hanging_up(answer: bytes = b"") -> Script:
    """Read a request, answer so much (perhaps nothing, perhaps a part), and close the connection."""

    def script(connection: Connection) -> None:
        connection.request()
        connection.send(answer)

    return script


def resetting(answer: bytes = b"") -> Script:
    """Read a request, answer so much, and reset the connection."""

    def script(connection: Connection) -> None:
        connection.request()
        connection.send(answer)
        connection.reset()

    return script


def stalling(answer: bytes = b"") -> Script:
    """Read a request, answer so much, and then no more; the connection stays open."""

    def script(connection: Connection) -> None:
        connection.request()
        connection.send(answer)
        connection.wait_for_hangup()

    return script


def dripping(at_once: bytes, drop: bytes = b"x", every: float = 0.02) -> Script:
    """Read a request, answer so much at once, and then a drop every so many seconds, for ever."""

    def script(connection: Connection) -> None:
        connection.request()
        connection.send(at_once)
        while not connection.peer.ending.is_set():
            connection.pause(every)
            connection.send(drop)

    return script


def sipping(sip: int = 64, every: float = 0.02) -> Script:
    """Take the request a few bytes at a time, for ever: to be served with a small `buffer`."""

    def script(connection: Connection) -> None:
        while connection.socket.recv(sip):
            connection.pause(every)

    return script


def deaf(connection: Connection) -> None:
    """Accept, and neither read nor say anything, be it a TLS handshake; the connection stays open."""
    connection.peer.ending.wait()


def closing_at_the_second(answer: bytes) -> Script:
    """Answer one request, and close the connection when the next one has come."""

    def script(connection: Connection) -> None:
        if connection.request() is not None:
            connection.send(answer)
            connection.request()

    return script


def tunnelling(host: str, port: int) -> Script:
    """Be a proxy that opens every tunnel it is asked for, and leads all of them to one address."""

    def script(connection: Connection) -> None:
        if connection.request() is None:
            return
        with socket.create_connection((host, port)) as onward:
            connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_carry, args=(onward, connection.socket))
            back.start()
            _carry(connection.socket, onward)
            back.join()

    return script


def _carry(source: socket.socket, target: socket.socket) -> None:
    # A TLS socket that was shut down is no TLS socket any more.
    with suppress(OSError, ValueError):
        while data := source.recv(64 * 1024):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
