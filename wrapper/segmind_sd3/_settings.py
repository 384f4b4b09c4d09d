"""What a client was made with: the key, where it may go, and how long and how often it tries."""

from __future__ import annotations

import math
import os
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import httpx

from ._addresses import is_this_machine as is_loopback
from ._connections import Deadline
from ._errors import InvalidRequest
from ._routing import route_of_calls
from ._version import USER_AGENT
from ._wire import Key

if TYPE_CHECKING:
    import ssl

    from ._retry import Retry
    from ._routing import Route

BASE_URL: Final = "https://api.segmind.com"
TIMEOUT: Final = 180.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What a client was made with, checked."""

    key: Key
    base_url: str
    timeout: float
    retry: Retry
    proxy: str | None
    verify: ssl.SSLContext | bool
    allow_private_image_urls: bool
    closed: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def sent_headers(self) -> list[tuple[bytes, bytes]]:
        """What every call sends. Pictures gain nothing by compression: none is asked for."""
        return [(b"accept", b"*/*"), (b"accept-encoding", b"identity"), (b"user-agent", USER_AGENT)]

    def route(self) -> Route:
        return route_of_calls(self.base_url, proxy=self.proxy, verify=self.verify)

    def fetching(self) -> dict[str, Any]:
        return {
            "private": self.allow_private_image_urls,
            "proxy": self.proxy,
            "verify": self.verify,
        }

    def deadline(self) -> Deadline:
        if self.closed.is_set():
            raise InvalidRequest("this client is closed: make another")
        return Deadline(self.timeout, self.closed)


def settings(
    *,
    key: Key | None,
    base_url: str | None,
    timeout: float,
    retry: Retry,
    proxy: str | None,
    verify: ssl.SSLContext | bool,
    allow_private_image_urls: bool,
) -> Settings:
    if key is None:
        raise InvalidRequest("there is no usable API key: pass api_key=, or set SEGMIND_API_KEY")
    # An empty variable is none; an empty argument is somebody's mistake, and must not reach the live service.
    if base_url is None:
        base_url = os.environ.get("SEGMIND_BASE_URL") or BASE_URL
    origin = origin_of(base_url)
    return Settings(key, origin, seconds_of(timeout), retry, proxy, verify, allow_private_image_urls)


def changed(old: Settings, key: Key | None, timeout: float | None, retry: Retry | None) -> Settings:
    """Copy settings with another key, and whatever else is not None in place of the old."""
    if key is None:
        raise InvalidRequest("the API key is no usable one: printable ASCII without spaces is allowed")
    seconds = old.timeout if timeout is None else seconds_of(timeout)
    return replace(old, key=key, timeout=seconds, retry=old.retry if retry is None else retry)


def seconds_of(timeout: float) -> float:
    try:
        if 0 < timeout < math.inf:
            return float(timeout)
    except TypeError:
        pass
    raise InvalidRequest(f"timeout was {timeout!r}; allowed is a number of seconds above 0")


def key_of(text: str | None) -> Key | None:
    """Give the key, from the environment where none is given, or None where it can't stand in a header."""
    given: object = text or os.environ.get("SEGMIND_API_KEY")
    stripped = given.strip() if isinstance(given, str) else ""
    usable = stripped.isascii() and stripped.isprintable() and " " not in stripped
    return Key(stripped) if usable and stripped else None


def origin_of(base_url: str) -> str:
    """Give scheme, host and port of a base URL, to which the paths of the contract are added.

    Raises:
        InvalidRequest: it is no http(s) URL, has more than an origin, or would send the key in the clear.
    """
    try:
        url = httpx.URL(base_url.strip())
        host = url.host
    except (httpx.InvalidURL, TypeError, AttributeError):
        raise InvalidRequest("the base URL is no URL; allowed is an origin such as " + BASE_URL) from None
    shown = str(url.copy_with(userinfo=b"", query=None, fragment=None))
    if url.scheme not in ("http", "https") or not host:
        raise InvalidRequest(f"the base URL was {shown!r}; allowed is an origin such as {BASE_URL}")
    if url.userinfo or url.query or url.fragment or url.path.rstrip("/") not in ("", "/v1"):
        raise InvalidRequest(f"the base URL was {shown!r}; allowed is an origin alone, such as {BASE_URL}")
    if url.scheme == "http" and not is_loopback(host):
        raise InvalidRequest(
            f"the base URL was {shown!r}; the key goes over plain http to this machine alone"
        )
    return f"{url.scheme}://{url.netloc.decode('ascii')}"
