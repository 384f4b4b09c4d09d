"""The ways in which a fault is met: by the SDK's own connections, and by transports that are not its own.

```python
with Place() as place, WAYS["trio-tunnel"].opened(place) as options:
    ...   # AsyncClient(KEY, base_url=place.base_url(WAYS["trio-tunnel"]), **options)
```
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

import httpx

from segmind_sd3_contract.drivers import AUTHORITIES, DRIVERS
from segmind_sd3_contract.reference import ReferenceServer
from segmind_sd3_contract.scripts import proxying
from segmind_sd3_contract.sockets import certified, refusing, serving, trusting

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Generator, Iterator, Mapping
    from types import TracebackType
    from typing import Self

    from segmind_sd3_contract.drivers import Driver

Route = Literal["direct", "tls", "proxy", "tunnel", "in-process"]
"""How a call reaches the server: over plain http or TLS, with or without a proxy, or without a socket."""

ROUTES: Final[tuple[Route, ...]] = ("direct", "tls", "proxy", "tunnel", "in-process")

CREDENTIALS: Final = "somebody:secret"

BUFFER: Final = 64 * 1024
"""Bytes that the system takes in for a proxy. By default they are megabytes, and a body is sent unread."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to call.

    Attributes:
        name: the driver and the route, or the library.
        own: whether the connections are the SDK's own.
        credentials: what the proxy wants to have, or None.
        transport: makes the transport that the client is given, for a server and a driver.
        mocked: whether respx mocks the SDK's own connections.
    """

    name: str
    driver: Driver
    route: Route
    credentials: str | None = None
    transport: Callable[[ReferenceServer], Any] | None = None
    mocked: bool = False

    @property
    def own(self) -> bool:
        return self.transport is None and not self.mocked

    @property
    def proxied(self) -> bool:
        return self.route in ("proxy", "tunnel")

    @property
    def tls(self) -> bool:
        return self.route in ("tls", "tunnel")

    @property
    def keeps_deadlines(self) -> bool:
        """Whether the SDK can end a call by its deadline: it can't end another's wait without `await`."""
        return self.own or self.driver != "sync"

    @contextmanager
    def opened(self, place: Place, proxy: str | None = None) -> Generator[dict[str, Any]]:
        """Give the options of a client that calls in this way, perhaps through another proxy."""
        options: dict[str, Any] = {"verify": place.trust if self.tls else AUTHORITIES}
        if self.proxied:
            options["proxy"] = proxy or place.proxy(self.credentials)
        if self.transport:
            options["transport"] = self.transport(place.server)
        if not self.mocked:
            yield options
            return
        import respx  # noqa: PLC0415 - a development dependency, for this alone

        with respx.mock(assert_all_called=False) as router:
            router.route().mock(side_effect=_handler(place.server, self.driver))
            yield options


class Place:
    """A reference server to be reached in every way, with proxies before it. To be used as a context."""

    def __init__(self) -> None:
        self.server: Final = ReferenceServer(credits=10_000)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @cached_property
    def trust(self) -> ssl.SSLContext:
        """The TLS of a client that trusts the servers here."""
        return trusting()

    @cached_property
    def _plain(self) -> str:
        return self._stack.enter_context(self.server.listening())

    @cached_property
    def _tls(self) -> str:
        return self._stack.enter_context(self.server.listening(tls=certified("127.0.0.1")))

    @cached_property
    def _nowhere(self) -> str:
        return self._stack.enter_context(refusing())

    @cached_property
    def _proxies(self) -> Mapping[str | None, str]:
        return {
            credentials: self._stack.enter_context(
                serving(proxying(credentials, buffer=BUFFER), buffer=BUFFER)
            ).url
            for credentials in (None, CREDENTIALS)
        }

    def open(self, way: Way) -> None:
        """Open what a way leads to, before anybody counts open sockets."""
        self.base_url(way)
        self.proxy(way.credentials)

    def base_url(self, way: Way) -> str:
        """Give the URL to call; what is answered in-process is called where nobody listens."""
        if way.route == "in-process":
            return self._nowhere
        return self._tls if way.tls else self._plain

    def proxy(self, credentials: str | None) -> str:
        url = self._proxies[credentials]
        return url.replace("//", f"//{credentials}@") if credentials else url


def _handler(server: ReferenceServer, driver: Driver) -> Callable[[httpx.Request], Any]:
    if driver == "sync":
        return server.transport().handle_request
    return server.async_transport().handle_async_request


def _httpx(driver: Driver) -> Callable[[ReferenceServer], Any]:
    made = httpx.HTTPTransport if driver == "sync" else httpx.AsyncHTTPTransport
    return lambda _: made(verify=AUTHORITIES)


def _mock(driver: Driver) -> Callable[[ReferenceServer], Any]:
    return lambda server: httpx.MockTransport(_handler(server, driver))


def _aiohttp(_: ReferenceServer) -> Any:
    from httpx_aiohttp import AiohttpTransport  # noqa: PLC0415 - a development dependency, for this alone

    return AiohttpTransport(verify=AUTHORITIES)


def _pyreqwest(_: ReferenceServer) -> Any:
    from pyreqwest.client import ClientBuilder  # noqa: PLC0415 - as above
    from pyreqwest.compatibility.httpx import HttpxTransport  # noqa: PLC0415

    # Unless it is asked not to, it follows redirects, and takes the key along.
    return HttpxTransport(ClientBuilder().follow_redirects(False).build())  # noqa: FBT003 - its own signature


def _pyreqwest_sync(_: ReferenceServer) -> Any:
    from pyreqwest.client import SyncClientBuilder  # noqa: PLC0415 - as above
    from pyreqwest.compatibility.httpx import SyncHttpxTransport  # noqa: PLC0415

    return SyncHttpxTransport(SyncClientBuilder().follow_redirects(False).build())  # noqa: FBT003 - as above


def _ways() -> Iterator[Way]:
    for driver in DRIVERS:
        yield Way(driver, driver, "direct")
        yield Way(f"{driver}-tls", driver, "tls")
        for route in ("proxy", "tunnel"):
            yield Way(f"{driver}-{route}", driver, route)
            yield Way(f"{driver}-{route}-auth", driver, route, CREDENTIALS)
    yield Way("aiohttp", "asyncio", "direct", transport=_aiohttp)
    yield Way("pyreqwest", "asyncio", "direct", transport=_pyreqwest)
    yield Way("pyreqwest-sync", "sync", "direct", transport=_pyreqwest_sync)
    for driver in DRIVERS:
        yield Way(f"httpx-{driver}", driver, "direct", transport=_httpx(driver))
        yield Way(f"mock-{driver}", driver, "in-process", transport=_mock(driver))
        yield Way(f"respx-{driver}", driver, "in-process", mocked=True)


WAYS: Final[Mapping[str, Way]] = {way.name: way for way in _ways()}
"""Every way, by name."""
