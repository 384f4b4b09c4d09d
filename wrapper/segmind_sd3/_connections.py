"""Sockets: one HTTP/1.1 exchange on one connection, and a pool of connections to the one origin.

HTTP/1.1 is h11's work and TLS is ssl's; both do no I/O. So a connection is written once: its methods are
generators that read and write a non-blocking socket, and yield what they wait for. `_transport.py` waits, with
and without `await`.

What the module guarantees:

- It is known how much of a request was handed over to the system. A request that was not handed over whole
  can't have been understood by anybody.
- A reply that comes while the request is still being sent is the answer.
- A connection is used again only after one whole request and one whole reply, with nothing beyond them.
- A forked child shares no connection with its parent.
"""

from __future__ import annotations

import base64
import errno
import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from math import ceil
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar
from urllib.parse import unquote
from weakref import WeakSet

import h11

from ._limits import MAX_HEAD_BYTES, MIB
from ._wire import clip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import httpx

    from ._wire import Headers, Incoming, Key, Request

PIECE: Final = 64 * 1024
"""How many bytes are read or written at a time."""

EXPIRY: Final = 5.0
"""Seconds after which an idle connection is not used again."""

ADDRESS_PATIENCE: Final = 2.0
"""Seconds that a connection to one address of a host may take while there are others to try."""

SLICE: Final = 0.25
"""The longest wait in one piece, without `await`: a signal that arrives just before a wait is seen after it."""


class Deadline:
    """A moment by which a whole call must have ended. `left` returns the seconds until then, never below 0."""

    __slots__ = ("_at", "_clock", "seconds")

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds: float = seconds
        self._clock = clock
        self._at = clock() + seconds

    def left(self) -> float:
        return max(0.0, self._at - self._clock())


# -- Where a connection leads -----------------------------------------------------------------------------


class ConnectionFault(Exception):
    """What ends an exchange, beside the faults of the system, of TLS and of HTTP."""


class AddressRefused(ConnectionFault):
    """The address of the peer is one that may not be connected to."""


class ProxyRefused(ConnectionFault):
    """The proxy opened no tunnel."""

    def __init__(self, status: int, reason: bytes) -> None:
        super().__init__(f"the proxy answered {status} {clip(reason.decode('latin-1'), 100)}".rstrip())
        self.status = status


class ClientClosed(ConnectionFault):
    """The client was closed while the call was under way."""


class DeadlineOver(ConnectionFault):
    """The call's deadline is over."""


def allow_all(_address: str) -> None:
    """Allow every address."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy: its address, what its certificate is judged by, and the header with its credentials."""

    host: str
    port: int
    context: ssl.SSLContext | None
    headers: Headers = field(repr=False)

    @classmethod
    def from_url(cls, url: httpx.URL, context: Callable[[], ssl.SSLContext]) -> Proxy:
        """Read a proxy's URL. `context` is called where the proxy itself is reached by TLS.

        Raises:
            ValueError: It is no http or https URL with a host.
        """
        if url.scheme not in ("http", "https") or not url.host:
            raise ValueError("allowed is a URL such as http://127.0.0.1:3128")
        headers: Headers = []
        if url.userinfo:
            name, _, password = url.userinfo.decode("ascii").partition(":")
            token = base64.b64encode(f"{unquote(name)}:{unquote(password)}".encode())
            headers = [(b"proxy-authorization", b"Basic " + token)]
        tls = url.scheme == "https"
        port = url.port or (443 if tls else 80)
        return cls(url.raw_host.decode("ascii"), port, context() if tls else None, headers)


@dataclass(frozen=True, slots=True)
class Route:
    """The way to one origin.

    Attributes:
        host: the host's name or address, without brackets.
        port: its port.
        context: what its certificate is judged by; None for plain http.
        proxy: the proxy on the way.
        judge: called with the address of the peer before it is connected to; raises `AddressRefused`.
    """

    host: str
    port: int
    context: ssl.SSLContext | None
    proxy: Proxy | None = None
    judge: Callable[[str], None] = allow_all

    def __str__(self) -> str:
        return f"{self.authority} through the proxy {self.peer[0]}" if self.proxy else self.authority

    @property
    def peer(self) -> tuple[str, int]:
        """Host and port that the socket is connected to."""
        return (self.proxy.host, self.proxy.port) if self.proxy else (self.host, self.port)

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.context else 80) else f"{host}:{self.port}"

    def head(self, request: Request) -> h11.Request:
        """Return a request's method, target and headers as they go this way."""
        target, headers = request.target, [(b"host", self.authority.encode("ascii")), *request.headers]
        if self.proxy and self.context is None:
            target = b"http://" + self.authority.encode("ascii") + target
            headers += self.proxy.headers
        return h11.Request(method=request.method, target=target, headers=headers)


Address = tuple[socket.AddressFamily, Any]


def resolve(route: Route) -> list[Address]:
    """Look up the addresses of a route's peer. The system's resolver takes no timeout."""
    return addresses(socket.getaddrinfo(*route.peer, type=socket.SOCK_STREAM))


def addresses(found: Sequence[tuple[Any, ...]]) -> list[Address]:
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


# -- One connection ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wait:
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


class _Tls:
    """TLS of one connection, without I/O: bytes in, bytes out."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self.ended = False

    def handshake(self) -> bool:
        """Go on with the handshake, and return whether it is done."""
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def encrypt(self, data: bytes | memoryview) -> bytes:
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
            while piece := self._object.read(PIECE):
                pieces.append(piece)
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            self.ended = True
        return b"".join(pieces)


_all_connections: Final[WeakSet[Connection]] = WeakSet()


class Connection:
    """One connection to the origin of a route. It is opened once, and carries one exchange after the other."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self.socket: socket.socket | None = None
        self.reusable = False
        self.idle_since = 0.0
        self._layers: list[_Tls] = []
        self._http = _http()
        self._moved = 0
        _all_connections.add(self)

    def __repr__(self) -> str:
        return f"<Connection to {self.route.authority}>"

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()

    def is_fresh(self) -> bool:
        """Return whether an idle connection can be used: it is not old, and nothing came since."""
        if self.socket is None or time.monotonic() - self.idle_since > EXPIRY:
            return False
        return not poll(self.socket, READ, 0)

    # -- Opening --

    def open(self, found: Sequence[Address]) -> Steps[None]:
        """Connect to the first address that answers, through the proxy's tunnel and TLS where there are any."""
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
                self.socket.setblocking(False)
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
        head = self._http.send(self.route.head(request)) or b""
        if request.content:
            self._http.send_with_data_passthrough(h11.Data(data=request.content))
        self._http.send(h11.EndOfMessage())
        small = len(request.content) <= PIECE
        first = request.content if small else b""
        signed = key.sign(head, first) if key else memoryview(head + first)
        event: Any = yield from self._send(signed)
        if event is None and not small:
            event = yield from self._send(memoryview(request.content))
        incoming.handed_over = event is None
        while True:
            if event is None:
                event = self._next_event(self._http)
            if event is h11.NEED_DATA:
                yield READ
            elif isinstance(event, h11.Data):
                if not incoming.add(event.data):
                    return
            elif isinstance(event, h11.EndOfMessage):
                break
            elif isinstance(event, (h11.Response, h11.InformationalResponse)):
                if event.status_code == 101 or event.status_code >= 200:
                    incoming.begin(event.status_code, event.headers.raw_items())
                if event.status_code == 101:
                    return
            else:
                return
            event = None
            if self._moved > MIB:
                self._moved = 0
                yield PAUSE
        incoming.complete = True
        states = self._http.our_state, self._http.their_state
        if (
            incoming.handed_over
            and states == (h11.DONE, h11.DONE)
            and self._http.trailing_data == (b"", False)
        ):
            self._http.start_next_cycle()
            self.reusable = True

    def _send(self, data: memoryview) -> Steps[Any]:
        """Send what is given, or return the reply's first event where that came before the end of it.

        After a write error the peer may have said why: what is there is read.
        """
        try:
            return (yield from self._write(data, watched=True))
        except OSError:
            while (event := self._next_event(self._http)) is h11.NEED_DATA:
                yield READ
            return event

    def _write(self, data: bytes | memoryview, *, watched: bool = False) -> Steps[Any]:
        """Write data; if `watched`, look for a reply whenever the peer takes no more, and return its event."""
        assert self.socket is not None  # noqa: S101 - opened before
        view = memoryview(data)
        for at in range(0, len(view), PIECE):
            piece = view[at : at + PIECE]
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


def _http() -> h11.Connection:
    return h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)


def poll(sock: socket.socket, wait: Wait, seconds: float) -> bool:
    """Wait for a socket, at most so many seconds, and return whether what was waited for came."""
    read, write = wait.kind in ("read", "either"), wait.kind in ("write", "either")
    if not hasattr(select, "poll"):  # Windows, where `select` takes any number of a socket
        return any(select.select([sock][:read], [sock][:write], [sock], seconds))
    waiting = select.poll()
    waiting.register(sock, (select.POLLIN if read else 0) | (select.POLLOUT if write else 0))
    return bool(waiting.poll(ceil(seconds * 1000)))


# -- Many connections -------------------------------------------------------------------------------------

_all_pools: Final[WeakSet[Pool]] = WeakSet()


class Pool:
    """The connections to one origin: the idle ones, last in, first out, and a limit on all that are in use."""

    def __init__(self, route: Route, limit: int) -> None:
        self.route = route
        self._limit = limit
        self.start_anew()
        _all_pools.add(self)

    def start_anew(self) -> None:
        """Forget every connection, without closing it."""
        self._lock = threading.Lock()
        self._closed = False
        self._idle: list[Connection] = []
        # A connection that an interruption lost on its way to its caller frees its place when it is collected.
        self._busy: WeakSet[Connection] = WeakSet()
        self._freed: SimpleQueue[None] = SimpleQueue()

    def take(self) -> Connection | None:
        """Return a connection, opened or new; None where as many as may be are in use."""
        with self._lock:
            while self._idle:
                connection = self._idle.pop()
                if connection.is_fresh():
                    break
                connection.close()
            else:
                if len(self._busy) >= self._limit:
                    return None
                connection = Connection(self.route)
            self._busy.add(connection)
            return connection

    def wait_for_one(self, seconds: float) -> None:
        """Wait until a connection was given back, or so long."""
        try:
            self._freed.get(timeout=seconds)
        except Empty:
            pass

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next call where it can be used again, and close it otherwise."""
        with self._lock:
            if connection.reusable and not self._closed:
                connection.idle_since = time.monotonic()
                self._idle.append(connection)
                oldest = self._idle[0]
                if oldest.idle_since + EXPIRY < connection.idle_since:
                    self._idle.pop(0).close()
            else:
                connection.close()
            if len(self._busy) >= self._limit:
                self._freed.put(None)
            self._busy.discard(connection)

    def close(self) -> None:
        """Close the idle connections. Those in use are closed by their calls."""
        with self._lock:
            self._closed = True
            while self._idle:
                self._idle.pop().close()


_inherited: Final[list[Connection]] = []


def _share_nothing_with_the_parent() -> None:
    """In a forked child, put /dev/null in the place of every socket of the parent's, and start every pool anew.

    To close a socket through its event loop would end the parent's registration of it, and to leave it open
    would keep it open when the parent hangs up.
    """
    null = os.open(os.devnull, os.O_RDWR)
    for connection in list(_all_connections):
        if connection.socket is not None and connection.socket.fileno() >= 0:
            os.dup2(null, connection.socket.fileno(), inheritable=False)
            _inherited.append(connection)
    os.close(null)
    for pool in list(_all_pools):
        pool.start_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_share_nothing_with_the_parent)
