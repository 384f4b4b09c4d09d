"""One HTTP/1.1 connection: how it is opened, and how it carries one exchange after the other.

HTTP/1.1 is h11's work and TLS is ssl's; neither does I/O. So a connection is written once. Its methods are
generators that read and write a non-blocking socket, and yield what they wait for; `_transport.py` waits,
with and without `await`.

What the module guarantees:

- It is known how much of a request was handed over to the system. A request that was not handed over whole
  can't have been understood by anybody.
- A reply that comes while the request is still being sent is the answer.
- A connection is used again only after one whole request and one whole reply, with nothing beyond them.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import ssl
import sys
import threading
from collections.abc import Generator
from functools import lru_cache
from math import ceil
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeVar, cast

import h11

from ._limits import MAX_HEAD_BYTES, MIB
from ._routing import ProxyRefused

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ._routing import Proxy, Route
    from ._wire import Incoming, Key, Request

PIECE: Final = 64 * 1024
"""How many bytes are read at a time, and how many a small request has at most."""

WRITTEN: Final = 256 * 1024
"""How many bytes are written at a time: a large request takes less time by fewer, larger writes."""

ADDRESS_PATIENCE: Final = 2.0
"""Seconds that a connection to one address of a host may take while there are others to try."""

Address = tuple[socket.AddressFamily, Any]


def resolve(route: Route) -> list[Address]:
    """Look up the addresses of a route's peer. The system's resolver takes no timeout."""
    return addresses(socket.getaddrinfo(*route.peer, type=socket.SOCK_STREAM))


def addresses(found: Sequence[tuple[Any, ...]]) -> list[Address]:
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


class Wait(NamedTuple):
    """What a connection waits for, and for how long at most; it is sent whether that came."""

    kind: Literal["read", "write", "either", "nothing"]
    seconds: float | None = None


READ: Final = Wait("read")
WRITE: Final = Wait("write")
EITHER: Final = Wait("either")
PAUSE: Final = Wait("nothing")
"""Others may run, and the deadline may end the call: much was moved without a wait."""

T = TypeVar("T")
Steps = Generator[Wait, bool, T]

_AGAIN: Final = (BlockingIOError, InterruptedError)
_CONNECTING: Final = {errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EALREADY, errno.EINTR}


def _socket_options() -> Iterator[tuple[int, int, int]]:
    yield socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
    # The system probes a silent peer: a drawing takes a minute, and routers forget idle connections.
    yield socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1
    for name, value in (("IDLE", 30), ("ALIVE", 30), ("INTVL", 10), ("CNT", 6)):
        if (option := getattr(socket, f"TCP_KEEP{name}", None)) is not None:
            yield socket.IPPROTO_TCP, option, value


_tls_in_use: Final = threading.RLock()
"""Held during each call of OpenSSL, and by whoever forks: a child would inherit the locks of a call that
another thread is in, and wait for them for ever."""

if sys.platform != "win32":  # Windows has no fork
    os.register_at_fork(
        before=_tls_in_use.acquire, after_in_parent=_tls_in_use.release, after_in_child=_tls_in_use.release
    )


def is_the_callers(fault: BaseException) -> bool:
    """Return whether an OSError comes from a signal's handler: those of sockets have a number."""
    return isinstance(fault, OSError) and fault.errno is None and not isinstance(fault, ssl.SSLError)


class _Tls:
    """TLS of one connection, without I/O: bytes in, bytes out."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self.ended = False

    def handshake(self) -> bool:
        """Go on with the handshake, and return whether it is done."""
        try:
            with _tls_in_use:
                self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def encrypt(self, data: bytes | memoryview) -> bytes:
        with _tls_in_use:
            self._object.write(data)
        return self.outgoing()

    def outgoing(self) -> bytes:
        return self._outgoing.read()

    def feed(self, data: bytes) -> None:
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def decrypt(self) -> bytes:
        pieces: list[bytes] = []
        try:
            with _tls_in_use:
                while piece := self._object.read(PIECE):
                    pieces.append(piece)
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            self.ended = True
        return b"".join(pieces)


class Connection:
    """One connection to the origin of a route: opened once, it carries one exchange after the other."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self.socket: socket.socket | None = None
        self.reusable = False
        self.idle_since = 0.0
        self._layers: list[_Tls] = []
        self._http = _http()
        self._moved = 0
        self._beyond = b"", False

    def __repr__(self) -> str:
        return f"<Connection to {self.route.authority}>"

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()

    def is_quiet(self) -> bool:
        """Return whether nothing came since the last reply: not even the end of the connection."""
        return self.socket is not None and not poll(self.socket, READ, 0)

    # -- Opening --

    def open(self, found: Sequence[Address]) -> Steps[None]:
        """Connect to the first address that answers, by the proxy's tunnel and TLS where there are any."""
        route, proxy = self.route, self.route.proxy
        yield from self._connect(found)
        if proxy and proxy.context is not None:
            yield from self._start_tls(proxy.context, proxy.host)
        if route.context is not None:
            if proxy:
                yield from self._open_tunnel(proxy)
            yield from self._start_tls(route.context, route.host)

    def _connect(self, found: Sequence[Address]) -> Steps[None]:
        failure: OSError = OSError(errno.EHOSTUNREACH, f"{self.route.peer[0]} has no address")
        for family, address in found:
            self.route.judge(str(address[0]))
            self.socket = socket.socket(family, socket.SOCK_STREAM)
            try:
                self.socket.settimeout(0)
                for option in _socket_options():
                    self.socket.setsockopt(*option)
                code = self.socket.connect_ex(address)
                if code in _CONNECTING:
                    others = (family, address) != found[-1]
                    came = yield Wait("write", ADDRESS_PATIENCE if others else None)
                    code = (
                        self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                        if came
                        else errno.ETIMEDOUT
                    )
                if code == 0:
                    return
                failure = OSError(code, os.strerror(code))
            except OSError as error:
                if is_the_callers(error):
                    raise
                failure = error
            self.socket.close()
        raise failure

    def _start_tls(self, context: ssl.SSLContext, host: str) -> Steps[None]:
        tls, done = _Tls(context, host), False
        while True:
            done = tls.handshake()
            yield from self._write(tls.outgoing())
            if done:
                break
            while (data := self._receive()) is None:
                yield READ
            if not data:
                raise ConnectionResetError(errno.ECONNRESET, "the connection ended in the TLS handshake")
            tls.feed(data)
        self._layers.append(tls)

    def _open_tunnel(self, proxy: Proxy) -> Steps[None]:
        host = f"[{self.route.host}]" if ":" in self.route.host else self.route.host
        http, target = _http(), f"{host}:{self.route.port}".encode("ascii")
        head = h11.Request(method=b"CONNECT", target=target, headers=[(b"host", target), *proxy.headers])
        yield from self._write((http.send(head) or b"") + (http.send(h11.EndOfMessage()) or b""))
        while not isinstance(event := self._next_event(http), h11.Response):
            if event is h11.NEED_DATA:
                yield READ
        if event.status_code // 100 != 2:
            raise ProxyRefused(event.status_code, event.reason)

    # -- One exchange --

    def exchange(self, request: Request, key: Key | None, incoming: Incoming) -> Steps[None]:
        """Send a request, signed with the key where there is one, and take its reply into `incoming`."""
        self.reusable = False
        incoming.begun = True
        early = yield from self._send_request(request, key)
        incoming.handed_over = early is None
        incoming.complete = yield from self._take_reply(incoming, early)
        # After a reply that says that it is the connection's last, this is MUST_CLOSE.
        may_go_on = self._http.our_state is h11.DONE and self._beyond == (b"", False)
        if incoming.complete and incoming.handed_over and may_go_on:
            self._http = _http()
            self.reusable = True

    def _send_request(self, request: Request, key: Key | None) -> Steps[Any]:
        """Send a request; return the first event of its reply where that came before the end of it."""
        head = self._http.send(self._head(request)) or b""
        if request.content:
            self._http.send_with_data_passthrough(h11.Data(data=cast("bytes", request.content)))
        self._http.send(h11.EndOfMessage())
        # One small write, or the head and then the content, which is copied no further.
        pieces = iter([request.content] if isinstance(request.content, bytes) else request.content)
        first = next(pieces, b"") if len(request.content) <= PIECE else b""
        early = yield from self._send(key.sign(head, first) if key else memoryview(head + first))
        while early is None and (piece := next(pieces, None)) is not None:
            early = yield from self._send(memoryview(piece))
        return early

    def _take_reply(self, incoming: Incoming, event: Any) -> Steps[bool]:
        """Take a reply, which begins with the event where there is one; return whether it came to its end."""
        while True:
            event = event or self._next_event(self._http)
            if event is h11.NEED_DATA:
                yield READ
            elif isinstance(event, h11.Data):
                if not incoming.add(event.data):
                    return False
            elif isinstance(event, h11.EndOfMessage):
                self._beyond = self._http.trailing_data
                return True
            elif isinstance(event, (h11.Response, h11.InformationalResponse)):
                self._begin(event, incoming)
                if event.status_code == 101:
                    return False
                if (length := _length_of_body(event)) is not None:
                    return (yield from self._take_body(incoming, length))
            else:
                return False
            event = None
            if self._moved > MIB:
                self._moved = 0
                yield PAUSE

    def _take_body(self, incoming: Incoming, length: int) -> Steps[bool]:
        """Take a body of a known length. The parser, which would copy it twice, does not see it."""
        incoming.expect(length)
        data, ended = self._http.trailing_data
        while True:
            left = length - incoming.size
            if data and not incoming.add(data if len(data) <= left else data[:left]):
                return False
            if len(data) >= left:
                self._beyond = data[left:], ended
                return True
            if self._moved > MIB:
                self._moved = 0
                yield PAUSE
            while (received := self._receive()) is None:
                yield READ
            if not received:
                return False
            data = received

    def _begin(self, event: h11.Response | h11.InformationalResponse, incoming: Incoming) -> None:
        if event.status_code == 407 and self.route.proxy:
            raise ProxyRefused(event.status_code, event.reason)
        if event.status_code == 101 or event.status_code >= 200:
            incoming.begin(event.status_code, event.headers.raw_items())

    def _head(self, request: Request) -> h11.Request:
        """Return a request's method, target and headers as they go by this route."""
        target, headers = request.target, [(b"host", self.route.authority.encode("ascii")), *request.headers]
        if self.route.proxy and self.route.context is None:
            target = b"http://" + self.route.authority.encode("ascii") + target
            headers += self.route.proxy.headers
        return _parsed_head(request.method, target, tuple(headers))

    def _send(self, data: memoryview) -> Steps[Any]:
        """Send what is given, or return the reply's first event where that came before the end of it.

        After a write error the peer may have said why: what is there is read.
        """
        try:
            return (yield from self._write(data, watched=True))
        except OSError as error:
            if is_the_callers(error):
                raise
            while (event := self._next_event(self._http)) is h11.NEED_DATA:
                yield READ
            return event

    def _write(self, data: bytes | memoryview, *, watched: bool = False) -> Steps[Any]:
        """Write data. If `watched`, look for a reply whenever the peer takes no more; return its event."""
        assert self.socket is not None  # noqa: S101 - opened before
        view = memoryview(data)
        for at in range(0, len(view), WRITTEN):
            piece = view[at : at + WRITTEN]
            for layer in reversed(self._layers):
                piece = memoryview(layer.encrypt(piece))
            while piece:
                try:
                    sent = self.socket.send(piece)
                except _AGAIN:
                    yield EITHER if watched else WRITE
                    if watched and isinstance(event := self._next_event(self._http), h11.Response):
                        return event
                else:
                    piece = piece[sent:]
                    self._moved += sent
            if self._moved > MIB:
                self._moved = 0
                yield PAUSE
        return None

    def _next_event(self, http: h11.Connection) -> Any:
        """Return the next event of what came; NEED_DATA where that must be waited for."""
        self._moved += 1024  # an event takes as long as so many bytes
        while (event := http.next_event()) is h11.NEED_DATA and (data := self._receive()) is not None:
            if not data and http.their_state is h11.SEND_RESPONSE:
                raise ConnectionResetError(errno.ECONNRESET, "the connection ended without a reply")
            http.receive_data(data)
        return event

    def _receive(self) -> bytes | None:
        """Return bytes that came; None where there are none yet, and b"" at the end."""
        assert self.socket is not None  # noqa: S101 - opened before
        while not any(layer.ended for layer in self._layers):
            try:
                data = self.socket.recv(PIECE)
            except _AGAIN:
                return None
            self._moved += len(data)
            if not self._layers:
                return data
            ended = not data
            for layer in self._layers:
                layer.feed(data)
                data = layer.decrypt()
            if data or ended:
                return data
        return b""


@lru_cache(maxsize=128)
def _parsed_head(method: bytes, target: bytes, headers: tuple[tuple[bytes, bytes], ...]) -> h11.Request:
    """Return a head, which h11 takes long to check: calls differ in their length alone."""
    return h11.Request(method=method, target=target, headers=list(headers))


def _length_of_body(head: h11.Response | h11.InformationalResponse) -> int | None:
    """Return the length of a reply's body, where its head alone says it: the parser has checked that."""
    if head.status_code < 200 or head.status_code in (204, 304):
        return None
    headers = dict(head.headers)
    length = headers.get(b"content-length")
    return None if length is None or b"transfer-encoding" in headers else int(length)


def _http() -> h11.Connection:
    return h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)


def poll(sock: socket.socket, wait: Wait, seconds: float) -> bool:
    """Wait for a socket, at most so many seconds, and return whether what was waited for came."""
    read, write = wait.kind in ("read", "either"), wait.kind in ("write", "either")
    if sys.platform == "win32":  # has no poll; its select takes any number of a socket
        return any(select.select([sock][:read], [sock][:write], [sock], seconds))
    waiting = select.poll()
    waiting.register(sock, (select.POLLIN if read else 0) | (select.POLLOUT if write else 0))
    return bool(waiting.poll(ceil(seconds * 1000)))
