"""Sockets: the time that each operation has left, who is at the other end, and one pool for each event loop.

httpx bounds each operation by itself, so a server that drips a byte now and then holds a call for ever.
In sync, the pool's network backend below gives every connect, handshake, read and write the time that the
whole call has left. In async, `anyio.fail_after` around the call does the same, and needs no help here.

What is not bounded in sync is the name look-up: the system's resolver takes no timeout. A `transport=` of
the user's own is bounded by httpx's timeouts, each operation for itself.
"""

from __future__ import annotations

import os
import socket
import time
import urllib.request
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, partial
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Any, Final

import anyio
import httpcore
import httpx
from anyio.lowlevel import RunVar

from ._errors import InvalidRequest

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator


class Deadline:
    """A moment by which a whole call must have ended. `left` gives the seconds until then, never below 0."""

    __slots__ = ("_at", "_clock", "seconds")

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds: float = seconds
        self._clock = clock
        self._at = clock() + seconds

    def left(self) -> float:
        return max(0.0, self._at - self._clock())

    @contextmanager
    def applied(self) -> Generator[None]:
        """Bound every socket operation of this thread's sync pools by this deadline."""
        token = _deadline.set(self)
        try:
            yield
        finally:
            _deadline.reset(token)


_deadline: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


def _left(error: type[httpcore.TimeoutException], timeout: float | None) -> float | None:
    deadline = _deadline.get()
    if deadline is None:
        return timeout
    if (left := deadline.left()) <= 0:
        raise error("the deadline is over")
    return left


class PrivateAddress(httpcore.ConnectError):
    """The peer is not on the public internet, and only a public one was allowed."""


def refuse_private(peer: str) -> None:
    address = ip_address(peer.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if not address.is_global or address.is_multicast:
        raise PrivateAddress(f"{peer} is not a public address")


class _Stream(httpcore.NetworkStream):
    # A write goes out in pieces of this size, each with the time that is left: httpcore gives the whole
    # timeout to each `send`, and a peer that takes a few bytes at a time would outlast the deadline.
    PIECE: Final = 16 * 1024

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner
        self.retired = False
        self.close = inner.close

    def get_extra_info(self, info: str) -> Any:
        # What is readable while it is idle, the pool closes.
        return (info == "is_readable" and self.retired) or self._inner.get_extra_info(info)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(httpcore.ReadTimeout, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for at in range(0, len(buffer), self.PIECE):
            self._inner.write(buffer[at : at + self.PIECE], _left(httpcore.WriteTimeout, timeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(httpcore.ConnectTimeout, timeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left))


class _Backend(httpcore.NetworkBackend):
    def __init__(self, *, public_only: bool) -> None:
        self._inner = httpcore.SyncBackend()
        self._public_only = public_only

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        # Address by address: the standard library would give each of them the whole timeout.
        with _names_found(host):
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        failure: httpcore.ConnectError | None = None
        for peer in dict.fromkeys(str(address[4][0]) for address in found):
            if self._public_only:
                refuse_private(peer)
            left = _left(httpcore.ConnectTimeout, timeout)
            try:
                return _Stream(self._inner.connect_tcp(peer, port, left, local_address, socket_options))
            except httpcore.ConnectError as error:
                failure = error
        raise failure or httpcore.ConnectError(f"{host} has no address")


@contextmanager
def _names_found(host: str) -> Generator[None]:
    try:
        yield
    except (OSError, UnicodeError) as unknown:
        raise httpcore.ConnectError(f"{host}: {unknown}") from unknown


class _AsyncStream(httpcore.AsyncNetworkStream):
    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self._inner = inner
        self.retired = False
        self.read = inner.read
        self.write = inner.write
        self.aclose = inner.aclose

    def get_extra_info(self, info: str) -> Any:
        return (info == "is_readable" and self.retired) or self._inner.get_extra_info(info)

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
    ) -> httpcore.AsyncNetworkStream:
        try:
            return _AsyncStream(await self._inner.start_tls(ssl_context, server_hostname, timeout))
        except BaseException:
            # httpcore forgets the socket of a handshake that is cancelled.
            with anyio.CancelScope(shield=True):
                await self.aclose()
            raise


class _AsyncBackend(httpcore.AsyncNetworkBackend):
    def __init__(self, inner: httpcore.AsyncNetworkBackend, *, public_only: bool) -> None:
        self._inner = inner
        self._public_only = public_only
        self.sleep = inner.sleep

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        connect = partial(
            self._inner.connect_tcp,
            port=port,
            timeout=timeout,
            local_address=local_address,
            socket_options=socket_options,
        )
        if not self._public_only:
            return _AsyncStream(await connect(host))
        # Address by address here too, so that the one that is judged is the one that is connected to.
        with _names_found(host):
            found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        failure: httpcore.ConnectError | None = None
        for peer in dict.fromkeys(str(address[4][0]) for address in found):
            refuse_private(peer)
            try:
                return _AsyncStream(await connect(peer))
            except httpcore.ConnectError as error:
                failure = error
        raise failure or httpcore.ConnectError(f"{host} has no address")


def _keepalive() -> list[tuple[int, int, int]]:
    """Have the system probe a silent peer: a drawing takes a minute, and routers forget idle connections."""
    wanted = {"TCP_KEEPIDLE": 30, "TCP_KEEPALIVE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 6}
    known = [
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in wanted.items()
        if hasattr(socket, name)
    ]
    return [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *known]


_OPTIONS: Final[dict[str, Any]] = {
    "socket_options": _keepalive(),
    # httpcore gives the same idle connection to all calls that wait, and looks through all of them each time:
    # where many calls begin at once, many kept connections cost several times as much as new ones.
    "limits": httpx.Limits(max_connections=100, max_keepalive_connections=16, keepalive_expiry=5.0),
}


@contextmanager
def _options_named() -> Generator[None]:
    """Say what is wrong with a proxy or certificates, be they an argument's or the environment's."""
    try:
        yield
    except OSError as error:
        raise InvalidRequest(
            f"the certificates of SSL_CERT_FILE or SSL_CERT_DIR are unusable: {error}"
        ) from None
    except (ValueError, TypeError, ImportError, httpx.InvalidURL) as error:
        raise InvalidRequest(f"the proxy (proxy=, or the environment's) is unusable: {error}") from None


def _trusting(verify: ssl.SSLContext | bool) -> ssl.SSLContext | bool:  # noqa: FBT001 - httpx's own value
    if verify is not True:
        return verify
    return _default_context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@cache
def _default_context(*_variables: str | None) -> ssl.SSLContext:
    """Load the trusted certificates, once for all: it takes 30 ms, and a call may have a short deadline."""
    return httpx.create_ssl_context()


class Transport(httpx.HTTPTransport):
    """httpx's pool, whose sockets keep the deadline of the call they serve."""

    def __init__(
        self, *, public_only: bool = False, verify: ssl.SSLContext | bool = True, **options: Any
    ) -> None:
        with _options_named():
            super().__init__(verify=_trusting(verify), **_OPTIONS, **options)
        # httpx has no argument for it. A test that drips notices if this ever stops working.
        pool: Any = self._pool
        pool._network_backend = _Backend(public_only=public_only)  # noqa: SLF001


class AsyncTransport(httpx.AsyncHTTPTransport):
    """httpx's pool; with `public_only`, it connects to no address that is not on the public internet."""

    def __init__(
        self, *, public_only: bool = False, verify: ssl.SSLContext | bool = True, **options: Any
    ) -> None:
        with _options_named():
            super().__init__(verify=_trusting(verify), **_OPTIONS, **options)
        pool: Any = self._pool
        pool._network_backend = _AsyncBackend(pool._network_backend, public_only=public_only)  # noqa: SLF001 - as above


def retire_if_dirty(response: httpx.Response) -> None:
    """Have a connection used no more on which more came than the reply is long.

    httpcore would keep it, and take the rest for the reply of the next call, which is paid for in vain then.
    """
    stream: Any = response.stream
    try:
        dirty = stream._httpcore_stream._stream._connection._h11_state.trailing_data[0]  # noqa: SLF001 - as above
    except AttributeError:  # a transport of the user's own
        return
    if dirty:
        response.extensions["network_stream"].retired = True


class LoopPools:
    """A pool for each event loop, since a socket belongs to the loop that opened it.

    A loop that ends closes its own pool: ending a run closes the async generators that it began, and each
    pool is held by one. So a second `asyncio.run` finds a new pool, and the first leaves no open socket.
    """

    def __init__(self, make: Callable[[], httpx.AsyncBaseTransport]) -> None:
        self._make = make
        self._keepers: RunVar[tuple[httpx.AsyncBaseTransport, AsyncGenerator[None]] | None] = RunVar(
            "pool", None
        )

    async def current(self) -> httpx.AsyncBaseTransport:
        kept = self._keepers.get()
        if kept is None:
            pool = self._make()
            keeper = _keep(pool)
            kept = (pool, keeper)
            self._keepers.set(kept)
            await anext(keeper)
        return kept[0]

    async def aclose(self) -> None:
        kept = self._keepers.get()
        if kept is not None:
            self._keepers.set(None)
            await kept[1].aclose()


async def _keep(pool: httpx.AsyncBaseTransport) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        await pool.aclose()


def causes(fault: BaseException | None) -> Iterator[BaseException]:
    """Give a fault and, one under the other, what it was made of."""
    while fault is not None:
        yield fault
        fault = fault.__cause__ or fault.__context__


def told_of(fault: Exception) -> str:
    """Give the name of a fault, and the words of the first of its causes that has any: anyio's have none."""
    text = next((text for each in causes(fault) if (text := str(each))), "")
    return f"{type(fault).__name__}: {text}" if text else type(fault).__name__


def proxy_for(url: httpx.URL) -> str | None:
    """Give the proxy that the environment names for an address, as curl and the standard library read it.

    None for this machine: it is no proxy's to reach, and what is sent to it in the clear must not leave it.
    """
    port = url.port or {"http": 80, "https": 443}.get(url.scheme)
    if is_loopback(url.host) or urllib.request.proxy_bypass(f"{url.host}:{port}"):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


def is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
