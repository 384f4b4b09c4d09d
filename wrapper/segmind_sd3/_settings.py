"""What a client was made with."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field, replace
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Final, cast

from ._addresses import is_this_machine
from ._budget import Spending
from ._connections import Deadline
from ._errors import InvalidRequest
from ._events import Reporter
from ._options import (
    BASE_URL,
    check_base_url,
    check_budget,
    check_retry,
    check_spool,
    check_timeout,
    check_verify,
    invalid_option,
    parse_proxy_url,
)
from ._routing import route_of_calls

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from decimal import Decimal
    from pathlib import Path

    from ._events import Event
    from ._retry import Retry
    from ._routing import Route
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
    spending: Spending = field(repr=False)
    on_event: Callable[[Event], object] | None = field(default=None, repr=False)
    spool: Path | None = None
    closed: threading.Event = field(default_factory=threading.Event, repr=False)

    def route(self) -> Route:
        """Return the way of calls."""
        return route_of_calls(self.base_url, proxy=self.proxy, verify=self.verify)

    def reporter(self, endpoint: str) -> Reporter:
        """Return what reports on one call."""
        return Reporter(endpoint, self.on_event)

    def fetching(self) -> dict[str, Any]:
        """Return how images are fetched."""
        return {"private": self.allow_private_image_urls, "proxy": self.proxy, "verify": self.verify}

    def deadline(self) -> Deadline:
        if self.closed.is_set():
            raise InvalidRequest("this client is closed: make another")
        return Deadline(self.timeout, self.closed)


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
    budget: float | Decimal | None,
    on_event: Callable[[Event], object] | None,
    spool: str | os.PathLike[str] | None,
) -> Settings:
    """Check the options of a client.

    `key` comes from `read_secrets`: the key with the headers of a gateway, or what is wrong with them.

    Raises:
        InvalidRequest: an option is wrong; it is named, with what was given and what is allowed.
    """
    if isinstance(key, InvalidRequest):
        raise key
    # An empty variable is none; an empty argument is somebody's mistake, and must not reach the live service.
    if base_url is None:
        base_url = os.environ.get("SEGMIND_BASE_URL") or BASE_URL
    base_url = check_base_url(base_url)
    if proxy is not None:
        proxy_host = parse_proxy_url(proxy, "proxy").host
        if base_url.startswith("http:") and not is_this_machine(proxy_host):
            raise InvalidRequest(
                f"the base URL is {base_url!r}, so the key would go through the proxy {proxy_host!r} "
                "in the clear: use https, or leave the proxy out"
            )
    if transport is not None and not isinstance(transport, transport_type):
        allowed = f"an instance of httpx.{transport_type.__name__}, which this client needs"
        raise invalid_option("transport", transport, allowed)
    if not isinstance(cast("object", allow_private_image_urls), bool):
        raise invalid_option("allow_private_image_urls", allow_private_image_urls, "True or False")
    if type(max_connections) is not int or max_connections < 1:
        raise invalid_option("max_connections", max_connections, "a whole number of at least 1")
    if on_event is not None and (
        not callable(on_event)
        or iscoroutinefunction(on_event)
        or iscoroutinefunction(type(on_event).__call__)
    ):
        raise invalid_option("on_event", on_event, "a function that is called with each event, without await")
    return Settings(
        key,
        base_url,
        check_timeout(timeout),
        check_retry(retry),
        proxy and proxy.strip(),
        check_verify(verify),
        allow_private_image_urls,
        max_connections,
        Spending(check_budget(budget)),
        on_event,
        check_spool(spool),
    )


def changed(
    old: Settings,
    key: Key | InvalidRequest,
    timeout: float | None,
    retry: Retry | None,
    spool: str | os.PathLike[str] | None,
) -> Settings:
    """Copy settings with another key, and whatever else is not None in place of the old."""
    if isinstance(key, InvalidRequest):
        raise key
    if key is not old.key:
        key = key.with_headers_of(old.key)
    seconds = old.timeout if timeout is None else check_timeout(timeout)
    return replace(
        old,
        key=key,
        timeout=seconds,
        retry=old.retry if retry is None else check_retry(retry),
        spool=old.spool if spool is None else check_spool(spool),
    )
