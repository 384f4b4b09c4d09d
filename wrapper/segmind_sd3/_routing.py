"""Which way a call goes: through which proxy, with whose certificates, and to whose addresses alone."""

from __future__ import annotations

import base64
import ssl
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from ._addresses import is_loopback, is_public, is_this_machine, literal_address
from ._environment import proxy_for, trusted_context
from ._options import parse_proxy_url
from ._url import URL
from ._wire import clip

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._wire import Headers

Verify = ssl.SSLContext | bool


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
    """An HTTP proxy: its address, the TLS that verifies it, and the header with its credentials."""

    host: str
    port: int
    context: ssl.SSLContext | None
    headers: Headers = field(repr=False)

    @classmethod
    def from_url(cls, url: URL, context: Callable[[], ssl.SSLContext]) -> Proxy:
        """Read a proxy's URL. `context` is called where the proxy itself is reached by TLS."""
        headers: Headers = []
        if url.userinfo:
            name, _, password = url.userinfo.decode("ascii").partition(":")
            token = base64.b64encode(f"{unquote(name)}:{unquote(password)}".encode())
            headers = [(b"proxy-authorization", b"Basic " + token)]
        tls = url.scheme == "https"
        port = url.port or (443 if tls else 80)
        return cls(url.raw_host.decode("ascii"), port, context() if tls else None, headers)


class Route(NamedTuple):
    """The way to one origin.

    Attributes:
        host: the host's name or address, without brackets.
        port: its port.
        context: the TLS that verifies its certificate; None for plain http.
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


def route_of_calls(base_url: str, *, proxy: str | None, verify: Verify) -> Route:
    """Return the way of calls, which carry the key: over plain http it leads to this machine alone.

    Raises:
        InvalidRequest: the proxy, or the certificates that are trusted, can't be used.
    """
    url = URL(base_url)
    judge = allow_all if url.scheme == "https" else partial(_judge_plain, url.host)
    return _route(url, proxy, verify, judge)


def route_of_image(url: URL, *, private: bool, proxy: str | None, verify: Verify) -> Route:
    """Return the way to an image, which leads to a public address, unless private ones are allowed.

    Through a proxy the peer is the proxy, so there only an address in the URL itself can be judged.

    Raises:
        AddressRefused: the URL names an address that is not public.
        InvalidRequest: the proxy, or the certificates that are trusted, can't be used.
    """
    if private:
        return _route(url, proxy, verify, allow_all)
    if (address := literal_address(url.host)) is not None:
        judge_public(url.host, address)
    elif is_this_machine(url.host):
        raise AddressRefused(f"{url.host} is this machine, which is not a public address")
    route = _route(url, proxy, verify, partial(judge_public, url.host))
    return route if route.proxy is None else Route(route.host, route.port, route.context, route.proxy)


def _judge_plain(host: str, address: str) -> None:
    if not is_loopback(address.partition("%")[0]):
        raise AddressRefused(f"{host} is {address}, and the key goes over plain http to this machine alone")


def judge_public(host: str, address: str) -> None:
    """Refuse an address that is not public.

    Raises:
        AddressRefused: it is not.
    """
    if not is_public(address):
        raise AddressRefused(f"{host} is {address}, which is not a public address")


def _route(url: URL, proxy: str | None, verify: Verify, judge: Callable[[str], None]) -> Route:
    by = proxy or proxy_for(url.scheme, url.host, url.port)
    port = url.port or (443 if url.scheme == "https" else 80)
    # Trusted certificates take 30 ms to load, and plain http to this machine needs none.
    context = _trusted(verify) if url.scheme == "https" else None
    through = Proxy.from_url(parse_proxy_url(by, "proxy"), partial(_trusted, verify)) if by else None
    return Route(url.raw_host.decode("ascii"), port, context, through, judge)


def _trusted(verify: Verify) -> ssl.SSLContext:
    """Return the TLS that verifies certificates."""
    context = trusted_context() if verify is True else verify or _trusting_anybody()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _trusting_anybody() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
