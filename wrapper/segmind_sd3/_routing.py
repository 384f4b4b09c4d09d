"""Which way a call goes: through which proxy, with whose certificates, and to whose addresses alone."""

from __future__ import annotations

import os
import ssl
import urllib.request
from contextlib import contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING

import httpx

from ._addresses import is_loopback, is_public, is_this_machine, literal_address
from ._connections import AddressRefused, Proxy, Route, allow_all
from ._errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

Verify = ssl.SSLContext | bool


def route_of_calls(base_url: str, *, proxy: str | None, verify: Verify) -> Route:
    """Return the way of calls, which carry the key: over plain http it leads to this machine alone.

    Raises:
        InvalidRequest: the proxy, or the certificates that are trusted, can't be used.
    """
    url = httpx.URL(base_url)
    judge = allow_all if url.scheme == "https" else partial(_judge_plain, url.host)
    return _route(url, proxy, verify, judge)


def route_of_image(url: httpx.URL, *, private: bool, proxy: str | None, verify: Verify) -> Route:
    """Return the way to an image, which leads to a public address, unless private ones are allowed.

    Through a proxy the peer is the proxy, so there only an address in the URL itself can be judged.

    Raises:
        AddressRefused: the URL names an address that is not public.
        InvalidRequest: the proxy, or the certificates that are trusted, can't be used.
    """
    if private:
        return _route(url, proxy, verify, allow_all)
    if is_this_machine(url.host):
        raise AddressRefused(f"{url.host} is this machine")
    if (address := literal_address(url.host)) is not None:
        judge_public(url.host, address)
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


def _route(url: httpx.URL, proxy: str | None, verify: Verify, judge: Callable[[str], None]) -> Route:
    by = proxy or proxy_for(url)
    port = url.port or (443 if url.scheme == "https" else 80)
    with _options_named():
        context = trusted(verify) if url.scheme == "https" else None
        through = Proxy.from_url(httpx.URL(by), partial(trusted, verify)) if by else None
    return Route(url.raw_host.decode("ascii"), port, context, through, judge)


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


def trusted(verify: Verify) -> ssl.SSLContext:
    """Return what certificates are judged by."""
    if verify is True:
        return _default_context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    context = verify or httpx.create_ssl_context(verify=False)
    context.set_alpn_protocols(["http/1.1"])
    return context


@cache
def _default_context(*_variables: str | None) -> ssl.SSLContext:
    """Load the trusted certificates, once for all: it takes 30 ms, and a call may have a short deadline."""
    context = httpx.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def proxy_for(url: httpx.URL) -> str | None:
    """Return the proxy that the environment names for an address, as curl and the standard library read it.

    None for this machine: it is no proxy's to reach, and what is sent to it in the clear must not leave it.
    """
    port = url.port or {"http": 80, "https": 443}.get(url.scheme)
    if is_this_machine(url.host) or urllib.request.proxy_bypass(f"{url.host}:{port}"):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy
