"""What a client was made with, and what the environment adds: proxies and certificates."""

from __future__ import annotations

import os
import re
import ssl
import threading
import urllib.request
from dataclasses import dataclass, field, replace
from functools import cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import httpx
from segmind_sd3_api.parameters import OPERATIONS

from ._addresses import is_this_machine, literal_address
from ._connections import Deadline
from ._errors import InvalidRequest
from ._options import (
    BASE_URL,
    Headers,
    base_url_of,
    proxy_url_of,
    retry_of,
    seconds_of,
    verify_of,
    wrong_option,
)
from ._prepared import Prepared
from ._text import shown
from ._transport import Call

if TYPE_CHECKING:
    from ._retry import Retry
    from ._wire import Key

TIMEOUT: Final = 180.0
MAX_CONNECTIONS: Final = 100


@dataclass(frozen=True, slots=True)
class Settings:
    """What a client was made with, checked."""

    key: Key
    base_url: str
    timeout: float
    retry: Retry
    proxy: str | None = field(repr=False)  # it may hold a password
    verify: ssl.SSLContext | bool
    allow_private_image_urls: bool
    max_connections: int
    headers: Headers
    closed: threading.Event = field(default_factory=threading.Event, repr=False)

    def network(self) -> dict[str, Any]:
        url = httpx.URL(self.base_url)
        proxy = self.proxy or proxy_for(url.scheme, url.host, url.port)
        # Trusted certificates take 30 ms to load, and plain http to this machine needs none.
        needs_tls = proxy is not None or url.scheme == "https"
        return {"proxy": proxy, "verify": self.trust() if needs_tls else False}

    def fetching(self) -> dict[str, Any]:
        return {"private": self.allow_private_image_urls, "proxy": self.proxy, "verify": self.trust()}

    def trust(self) -> ssl.SSLContext | bool:
        return trusted_context() if self.verify is True else self.verify

    def deadline(self) -> Deadline:
        if self.closed.is_set():
            raise InvalidRequest("this client is closed: make another")
        return Deadline(self.timeout)

    def prepared(self, operation_id: str, body: dict[str, Any]) -> Prepared:
        return Prepared(operation_id, self.base_url + OPERATIONS[operation_id].path, body)

    def call(self, prepared: Prepared, deadline: Deadline) -> Call:
        seed = prepared.body.get("seed")
        sent = seed if isinstance(seed, int) and not isinstance(seed, bool) else None
        return Call(self.key, self.retry, deadline, sent)


def settings(
    *,
    key: Key | InvalidRequest,
    base_url: str | None,
    timeout: float,
    retry: Retry,
    transport: object,
    transport_type: type,
    proxy: str | None,
    verify: ssl.SSLContext | bool,
    allow_private_image_urls: bool,
    max_connections: int,
    headers: Headers | InvalidRequest,
) -> Settings:
    """Check the options of a client.

    `key` and `headers` come from `key_of` and `headers_of`, or are what is wrong with them.

    Raises:
        InvalidRequest: an option is wrong; it is named, with what was given and what is allowed.
    """
    for secret in (key, headers):
        if isinstance(secret, InvalidRequest):
            raise secret
    # An empty variable is none; an empty argument is somebody's mistake, and must not reach the live service.
    if base_url is None:
        base_url = os.environ.get("SEGMIND_BASE_URL") or BASE_URL
    base_url = base_url_of(base_url)
    if proxy is not None:
        proxy_host = proxy_url_of(proxy, "proxy").host
        if base_url.startswith("http:") and not is_this_machine(proxy_host):
            raise InvalidRequest(
                f"the base URL is {base_url!r}, so the key would go through the proxy {proxy_host!r} "
                "in the clear: use https, or leave the proxy out"
            )
    if transport is not None and not isinstance(transport, transport_type):
        allowed = f"an instance of httpx.{transport_type.__name__}, which this client needs"
        raise wrong_option("transport", transport, allowed)
    if not isinstance(cast("object", allow_private_image_urls), bool):
        raise wrong_option("allow_private_image_urls", allow_private_image_urls, "True or False")
    if type(max_connections) is not int or max_connections < 1:
        raise wrong_option("max_connections", max_connections, "a whole number of at least 1")
    return Settings(
        cast("Key", key),
        base_url,
        seconds_of(timeout),
        retry_of(retry),
        proxy and proxy.strip(),
        verify_of(verify),
        allow_private_image_urls,
        max_connections,
        cast("Headers", headers),
    )


def changed(old: Settings, key: Key | InvalidRequest, timeout: float | None, retry: Retry | None) -> Settings:
    """Copy settings with another key, and whatever else is not None in place of the old."""
    if isinstance(key, InvalidRequest):
        raise key
    seconds = old.timeout if timeout is None else seconds_of(timeout)
    return replace(old, key=key, timeout=seconds, retry=old.retry if retry is None else retry_of(retry))


# -- Proxies ----------------------------------------------------------------------------------------------


def proxy_for(scheme: str, host: str, port: int | None) -> str | None:
    """Give the proxy that the environment names for an address, as curl reads it.

    None for this machine: it is no proxy's to reach, and what is sent to it in the clear must not leave it.

    Raises:
        InvalidRequest: the proxy is no URL of one.
    """
    port = port or {"http": 80, "https": 443}.get(scheme)
    if is_this_machine(host):
        return None
    excepted = urllib.request.getproxies_environment().get("no")
    if excepted is None:
        # No variable: on macOS and Windows the system may have exceptions of its own.
        if urllib.request.proxy_bypass(f"{host}:{port}"):
            return None
    elif any(_matches(entry, host, port) for entry in re.split(r"[\s,]+", excepted) if entry):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy:
        return None
    proxy = proxy.strip() if "://" in proxy else f"http://{proxy.strip()}"
    proxy_url_of(proxy, f"the environment's proxy ({scheme.upper()}_PROXY or ALL_PROXY)")
    return proxy


def _matches(entry: str, host: str, port: int | None) -> bool:
    """Say whether an entry of NO_PROXY means a host.

    It is `*`, a name that stands for all below it too, an address, or a network, and may have a port.
    """
    if entry == "*":
        return True
    name, colon, digits = entry.rpartition(":")
    if colon and digits.isdecimal() and (":" not in name or name.endswith("]")):
        if port != int(digits):
            return False
        entry = name
    entry = entry.replace("[", "").replace("]", "").lower()
    if address := literal_address(host):
        try:
            return ip_address(address.partition("%")[0]) in ip_network(entry, strict=False)
        except ValueError:
            return False
    entry = entry.removeprefix("*").removeprefix(".").removesuffix(".")
    return bool(entry) and f".{host.lower().removesuffix('.')}".endswith(f".{entry}")


# -- Certificates -----------------------------------------------------------------------------------------


def trusted_context() -> ssl.SSLContext:
    """Give the TLS that trusts what the environment names: the first of these that is set, else certifi's.

    `SSL_CERT_FILE` and `SSL_CERT_DIR` together, then `REQUESTS_CA_BUNDLE`, then `CURL_CA_BUNDLE`.

    Raises:
        InvalidRequest: what it names can't be read.
    """
    for variables in (("SSL_CERT_FILE", "SSL_CERT_DIR"), ("REQUESTS_CA_BUNDLE",), ("CURL_CA_BUNDLE",)):
        if named := tuple((name, path) for name in variables if (path := os.environ.get(name))):
            return _context_of(named)
    return _context_of(())


@cache
def _context_of(named: tuple[tuple[str, str], ...]) -> ssl.SSLContext:
    """Load certificates, once for all: it takes 30 ms, and a call may have a short deadline."""
    context: ssl.SSLContext | None = None
    for name, path in named:
        is_folder = name == "SSL_CERT_DIR" or Path(path).is_dir()
        cafile, capath = (None, path) if is_folder else (path, None)
        try:
            # OpenSSL takes several folders, and says nothing of those that are not there.
            if is_folder and not any(Path(each).is_dir() for each in path.split(os.pathsep)):
                raise NotADirectoryError("no such folder")
            if context is None:
                context = ssl.create_default_context(cafile=cafile, capath=capath)
            else:
                context.load_verify_locations(cafile, capath)
        except OSError as error:
            raise InvalidRequest(
                f"{name} names {shown(path)}, whose certificates can't be read ({error}): "
                "mend the variable, or pass verify= an ssl.SSLContext"
            ) from None
    return context or httpx.create_ssl_context(trust_env=False)
