"""Sending by an httpx transport: the user's own, or httpx's while somebody records or mocks what httpx sends.

Nothing is known of such a transport but what comes back: whatever it raises, the call may have been sent and
billed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import anyio
import httpcore
import httpx

from ._outcome import causes, event_of
from ._routing import DeadlineOver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from ._connections import Deadline
    from ._content import StreamedContent
    from ._routing import Route
    from ._wire import Failure, Incoming, Key, Reply, Request

BaseTransport = httpx.BaseTransport
AsyncBaseTransport = httpx.AsyncBaseTransport


class _Stream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that is sent piece by piece, with and without `await`, as often as the transport wants it."""

    def __init__(self, content: StreamedContent) -> None:
        self._content = content

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._content)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._content:
            await anyio.lowlevel.checkpoint()
            yield piece


def _foreign_request(url: str, request: Request, key: Key | None, deadline: Deadline) -> httpx.Request:
    content = request.content if isinstance(request.content, bytes) else _Stream(request.content)
    made = httpx.Request(
        request.method.decode(),
        url,
        headers=[*request.headers, *(key.headers() if key else [])],
        content=content,
        extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), deadline.left())},
    )
    if isinstance(content, _Stream):
        made.stream = content  # what httpx makes of it can't be read with `await`
    return made


def _begin(incoming: Incoming, response: httpx.Response) -> None:
    incoming.begin(response.status_code, response.headers.raw)


def cut_frames(fault: BaseException) -> None:
    """Cut the frames off an exception of a foreign transport: they may hold the headers, and so the key."""
    for each in causes(fault):
        each.__traceback__ = None


class ForeignSender:
    """Sends by an httpx transport."""

    def __init__(self, transport: httpx.BaseTransport) -> None:
        self._transport = transport

    def send(
        self, url: str, request: Request, key: Key | None, deadline: Deadline, incoming: Incoming
    ) -> Reply | Failure:
        """Send a request once, and take its reply into `incoming`."""
        fault = None
        try:
            response = self._transport.handle_request(_foreign_request(url, request, key, deadline))
            try:
                _begin(incoming, response)
                for chunk in cast("httpx.SyncByteStream", response.stream):
                    if not incoming.add(chunk):
                        break
                    if deadline.left() <= 0:
                        raise DeadlineOver
                else:
                    incoming.complete = True
            finally:
                response.close()
        except Exception as error:  # noqa: BLE001 - whatever it is, the call may have been sent
            fault = error
        except BaseException as error:
            cut_frames(error)
            raise
        return event_of(incoming, deadline, _as_ours(fault, deadline))

    def close(self) -> None:
        self._transport.close()


class ForeignAsyncSender:
    """Sends by an async httpx transport."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def send(
        self, url: str, request: Request, key: Key | None, deadline: Deadline, incoming: Incoming
    ) -> Reply | Failure:
        """Send a request once, and take its reply into `incoming`."""
        fault = None
        with anyio.CancelScope(deadline=anyio.current_time() + deadline.left()) as scope:
            try:
                response = await self._transport.handle_async_request(
                    _foreign_request(url, request, key, deadline)
                )
                try:
                    _begin(incoming, response)
                    async for chunk in cast("httpx.AsyncByteStream", response.stream):
                        if not incoming.add(chunk):
                            # Ended from within: to break off would leave the generators below half run.
                            scope.cancel()
                    incoming.complete = not incoming.overflowed
                finally:
                    await response.aclose()
            except Exception as error:  # noqa: BLE001 - as above
                fault = error
            except BaseException as error:
                cut_frames(error)
                # Where the deadline cancelled the call, some transports raise a cancellation of their own,
                # which the scope does not know: this raises the scope's.
                from anyio.lowlevel import checkpoint_if_cancelled  # noqa: PLC0415 - rare

                await checkpoint_if_cancelled()
                raise
        if scope.cancelled_caught and not incoming.overflowed:
            fault = DeadlineOver()
        return event_of(incoming, deadline, _as_ours(fault, deadline))

    async def aclose(self) -> None:
        await self._transport.aclose()


def _as_ours(fault: Exception | None, deadline: Deadline) -> Exception | None:
    """Return a fault, as our own where it comes with the end of the deadline."""
    is_timeout = isinstance(fault, (httpx.TimeoutException, TimeoutError))
    return DeadlineOver() if is_timeout and deadline.left() < _ABOUT_NOW else fault


_ABOUT_NOW: Final = 0.05
"""Seconds by which another clock may be early."""


def make_transport(route: Route) -> httpx.HTTPTransport:
    """Make a transport of httpx that goes by a route."""
    return httpx.HTTPTransport(verify=route.context or False, proxy=_proxy(route), trust_env=False)


def make_async_transport(route: Route) -> httpx.AsyncHTTPTransport:
    """Do as `make_transport` does, for `await`."""
    return httpx.AsyncHTTPTransport(verify=route.context or False, proxy=_proxy(route), trust_env=False)


def _proxy(route: Route) -> httpx.Proxy | None:
    if route.proxy is None:
        return None
    return httpx.Proxy(
        f"{'https' if route.proxy.context else 'http'}://{route.peer[0]}:{route.peer[1]}",
        headers=httpx.Headers(route.proxy.headers),
        ssl_context=route.proxy.context,
    )


_SENT_BY: Final[tuple[tuple[type, str], ...]] = (
    (httpx.HTTPTransport, "handle_request"),
    (httpx.AsyncHTTPTransport, "handle_async_request"),
    (httpcore.ConnectionPool, "handle_request"),
    (httpcore.AsyncConnectionPool, "handle_async_request"),
)


def is_mocked() -> bool:
    """Return whether somebody records or mocks what httpx sends, as vcrpy, respx and pytest-httpx do.

    They replace a method. A method that stands where it was written is in one file with its class's others.
    """
    return any(_file(getattr(cls, name)) != _file(vars(cls)["__init__"]) for cls, name in _SENT_BY)


def _file(function: object) -> str | None:
    return getattr(getattr(function, "__code__", None), "co_filename", None)
