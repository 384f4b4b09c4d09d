"""The two drivers of an exchange, with and without `await`, and the ways in which they send.

A driver decides nothing: the generators in `_exchange.py` and `_connections.py` say what to do next, and the
driver sends and waits. There are two ways to send, each with and without `await`:

- By connections of our own. What was not handed over to them was certainly not sent.
- By an httpx transport: the user's own, or httpx's while somebody records or mocks what httpx sends. Nothing
  is known of it but what comes back: whatever it raises, the call may have been sent and billed.
"""

from __future__ import annotations

import socket
import ssl
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

import anyio
import anyio.lowlevel
import h11
import httpcore
import httpx
from anyio.lowlevel import RunVar

from ._connections import (
    PAUSE,
    SLICE,
    ClientClosed,
    Connection,
    ConnectionFault,
    Deadline,
    DeadlineOver,
    Pool,
    ProxyRefused,
    addresses,
    poll,
    resolve,
)
from ._exchange import SEND, advance
from ._reply import largest
from ._result import Generation
from ._routing import route_of_calls, trusted
from ._wire import KEY_HEADER, Failure, Incoming

if TYPE_CHECKING:
    import threading
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator

    from ._connections import Address, Route, Steps, Wait
    from ._exchange import Event, Step
    from ._wire import Key, Reply, Request

_FAULTS: Final = (OSError, UnicodeError, h11.ProtocolError, ConnectionFault)


def drive(steps: Generator[Step, Event, Generation], send: Callable[[], Event]) -> Generation:
    """Run an exchange to its end."""
    step = advance(steps, None)
    while not isinstance(step, Generation):
        step = advance(steps, send() if step == SEND else time.sleep(step))
    return step


async def drive_async(
    steps: Generator[Step, Event, Generation], send: Callable[[], Awaitable[Event]]
) -> Generation:
    """Run an exchange to its end, with `await`."""
    step = advance(steps, None)
    while not isinstance(step, Generation):
        step = advance(steps, await (send() if step == SEND else anyio.sleep(step)))
    return step


# -- What came of a sending -------------------------------------------------------------------------------


def event_of(
    incoming: Incoming, deadline: Deadline, fault: BaseException | None, route: Route | None = None
) -> Reply | Failure:
    """Return what came of one sending, as far as the reply came and by what stopped it."""
    success = incoming.status // 100 == 2
    if incoming.status and (incoming.complete or not success):
        return incoming.reply()  # the status of a refusal alone says what it means
    reason, timed_out = describe(fault), isinstance(fault, DeadlineOver)
    if timed_out:
        reason = f"the deadline of {deadline.seconds:g} s is over"
    elif incoming.overflowed:
        reason = f"the reply is larger than {largest(incoming) // 1024**2} MiB"
    if incoming.status:
        return Failure("reply", reason, timed_out, partial=incoming.reply())
    reached = "request" if incoming.handed_over else "part" if incoming.begun else "nothing"
    if reached == "nothing" and route is not None:
        reason = f"no connection to {route}: {reason}"
    return Failure(reached, reason, timed_out, not _is_final(fault))


def describe(fault: BaseException | None) -> str:
    """Return the words of a fault, or of the first of its causes that has any: anyio's have none."""
    if isinstance(fault, ConnectionFault):
        return str(fault)
    if isinstance(fault, ssl.SSLCertVerificationError):
        why = f"the certificate is not trusted ({fault.verify_message})"
        return f"{why}: name its authority by SSL_CERT_FILE or verify="
    if fault is None:
        return "the reply broke off"
    if isinstance(fault, OSError) and fault.strerror and not isinstance(fault, ssl.SSLError):
        return fault.strerror
    text = next((text for each in _causes(fault) if (text := str(each))), "")
    return f"{type(fault).__name__}: {text}" if text else type(fault).__name__


def _causes(fault: BaseException | None) -> Iterator[BaseException]:
    while fault is not None:
        yield fault
        fault = fault.__cause__ or fault.__context__


def _is_final(fault: BaseException | None) -> bool:
    """Return whether another try is sure to end alike."""
    if isinstance(fault, ProxyRefused):
        return fault.status == 407
    if isinstance(fault, ConnectionFault):
        return not isinstance(fault, DeadlineOver)
    return isinstance(fault, (ssl.SSLCertVerificationError, h11.LocalProtocolError))


def _is_the_callers(fault: BaseException) -> bool:
    """Return whether an OSError comes from a signal's handler: those of sockets have a number."""
    return isinstance(fault, OSError) and fault.errno is None and not isinstance(fault, ssl.SSLError)


# -- By our own connections, without await ----------------------------------------------------------------


class Sender:
    """Sends by connections of our own. They may be shared by threads."""

    def __init__(self, route: Callable[[], Route], limit: int, closed: threading.Event) -> None:
        self._route = route
        self._limit = limit
        self._closed = closed
        self._pool: Pool | None = None

    def send(self, request: Request, key: Key, deadline: Deadline) -> Reply | Failure:
        """Send a request once."""
        incoming, fault, pool = Incoming.unsent(largest), None, None
        try:
            # Made at the first call, since to load trusted certificates takes a while.
            pool = self._pool = self._pool or Pool(self._route(), self._limit)
            connection = self._take(pool, deadline)
            try:
                carry(connection, request, key, incoming, deadline, self._closed)
            finally:
                pool.give_back(connection)
        except _FAULTS as error:
            if _is_the_callers(error):
                raise
            fault = error
        return event_of(incoming, deadline, fault, pool and pool.route)

    def _take(self, pool: Pool, deadline: Deadline) -> Connection:
        while (connection := pool.take()) is None:
            _check(deadline, self._closed)
            pool.wait_for_one(min(SLICE, deadline.left()))
        return connection

    def close(self) -> None:
        if self._pool is not None:
            self._pool.close()


def carry(
    connection: Connection,
    request: Request,
    key: Key | None,
    incoming: Incoming,
    deadline: Deadline,
    closed: threading.Event,
) -> None:
    """Open a connection where it is new, and run one exchange on it."""
    if connection.socket is None:
        _run(connection, connection.open(resolve(connection.route)), deadline, closed)
    _run(connection, connection.exchange(request, key, incoming), deadline, closed)


def _run(connection: Connection, steps: Steps[None], deadline: Deadline, closed: threading.Event) -> None:
    """Run the steps of a connection, and wait for what they wait for."""
    try:
        wait = next(steps)
        while True:
            _check(deadline, closed)
            wait = steps.send(wait is PAUSE or _wait(_socket_of(connection), wait, deadline, closed))
    except StopIteration:
        return


def _wait(sock: socket.socket, wait: Wait, deadline: Deadline, closed: threading.Event) -> bool:
    patience = Deadline(wait.seconds) if wait.seconds is not None else deadline
    while not poll(sock, wait, min(SLICE, deadline.left(), patience.left())):
        if patience.left() <= 0 and patience is not deadline:
            return False
        _check(deadline, closed)
    return True


def _check(deadline: Deadline, closed: threading.Event) -> None:
    if closed.is_set():
        raise ClientClosed("the client was closed")
    if deadline.left() <= 0:
        raise DeadlineOver


def _socket_of(connection: Connection) -> socket.socket:
    assert connection.socket is not None  # noqa: S101 - whatever waits has one
    return connection.socket


# -- By our own connections, with await -------------------------------------------------------------------


class _LoopPool:
    """The connections of one event loop, and the calls that are under way on it."""

    def __init__(self, route: Route, limit: int) -> None:
        self.pool = Pool(route, limit)
        self.free = anyio.Semaphore(limit, fast_acquire=True)
        self.calls: set[anyio.CancelScope] = set()

    async def aclose(self) -> None:
        for scope in self.calls:
            scope.cancel()
        self.pool.close()


class AsyncSender:
    """Sends by connections of our own, on asyncio and on trio."""

    def __init__(self, route: Callable[[], Route], limit: int, closed: threading.Event) -> None:
        self._closed = closed
        self._pools: PerLoop[_LoopPool] = PerLoop(lambda: _LoopPool(route(), limit))

    async def send(self, request: Request, key: Key, deadline: Deadline) -> Reply | Failure:
        """Send a request once."""
        incoming, fault = Incoming.unsent(largest), None
        mine = await self._pools.current()
        with anyio.CancelScope(deadline=anyio.current_time() + deadline.left()) as scope:
            mine.calls.add(scope)
            try:
                async with mine.free:
                    connection = mine.pool.take() or Connection(mine.pool.route)
                    try:
                        await carry_async(connection, request, key, incoming)
                    finally:
                        mine.pool.give_back(connection)
            except _FAULTS as error:
                if _is_the_callers(error):
                    raise
                fault = error
            finally:
                mine.calls.discard(scope)
        if scope.cancelled_caught:
            fault = ClientClosed("the client was closed") if self._closed.is_set() else DeadlineOver()
        return event_of(incoming, deadline, fault, mine.pool.route)

    async def aclose(self) -> None:
        await self._pools.aclose()


async def carry_async(connection: Connection, request: Request, key: Key | None, incoming: Incoming) -> None:
    """Do as `carry` does, with `await`; whoever calls it bounds it in time."""
    if connection.socket is None:
        await _run_async(connection, connection.open(await _resolve_async(connection.route)))
    await _run_async(connection, connection.exchange(request, key, incoming))


async def _resolve_async(route: Route) -> list[Address]:
    return addresses(await anyio.getaddrinfo(*route.peer, type=socket.SOCK_STREAM))


async def _run_async(connection: Connection, steps: Steps[None]) -> None:
    try:
        wait = next(steps)
        while True:
            wait = steps.send(await _wait_async(connection, wait))
    except StopIteration:
        return


async def _wait_async(connection: Connection, wait: Wait) -> bool:
    if wait.kind == "nothing":
        await anyio.lowlevel.checkpoint()
    elif wait.kind == "read":
        await anyio.wait_readable(_socket_of(connection))
    elif wait.kind == "write":
        with anyio.CancelScope(
            deadline=anyio.current_time() + wait.seconds if wait.seconds else float("inf")
        ) as scope:
            await anyio.wait_writable(_socket_of(connection))
        return not scope.cancelled_caught
    else:
        async with anyio.create_task_group() as tasks:

            async def first(ready: Callable[[Any], Awaitable[None]]) -> None:
                await ready(_socket_of(connection))
                tasks.cancel_scope.cancel()

            tasks.start_soon(first, anyio.wait_readable)
            tasks.start_soon(first, anyio.wait_writable)
    return True


# -- By an httpx transport --------------------------------------------------------------------------------


def _foreign_request(url: str, request: Request, key: Key, deadline: Deadline) -> httpx.Request:
    return httpx.Request(
        request.method.decode(),
        url,
        headers=[*request.headers, (KEY_HEADER, key.reveal().encode())],
        content=request.content,
        extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), deadline.left())},
    )


def _begin(incoming: Incoming, response: httpx.Response) -> None:
    incoming.begin(response.status_code, response.headers.raw)


def cut_frames(fault: BaseException) -> None:
    """Cut the frames off an exception of a foreign transport: they may hold the headers, and so the key."""
    for each in _causes(fault):
        each.__traceback__ = None


class ForeignSender:
    """Sends by an httpx transport."""

    def __init__(self, transport: httpx.BaseTransport) -> None:
        self._transport = transport

    def send(self, url: str, request: Request, key: Key, deadline: Deadline) -> Reply | Failure:
        """Send a request once."""
        incoming, fault = Incoming(largest), None
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
        return event_of(incoming, deadline, _as_ours(fault))

    def close(self) -> None:
        self._transport.close()


class ForeignAsyncSender:
    """Sends by an async httpx transport."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def send(self, url: str, request: Request, key: Key, deadline: Deadline) -> Reply | Failure:
        """Send a request once."""
        incoming, fault = Incoming(largest), None
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
                raise
        if scope.cancelled_caught and not incoming.overflowed:
            fault = DeadlineOver()
        return event_of(incoming, deadline, _as_ours(fault))

    async def aclose(self) -> None:
        await self._transport.aclose()


def _as_ours(fault: Exception | None) -> Exception | None:
    return DeadlineOver() if isinstance(fault, (httpx.TimeoutException, TimeoutError)) else fault


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


# -- Without a pool ---------------------------------------------------------------------------------------


def send_once(
    route: Route, request: Request, incoming: Incoming, deadline: Deadline, closed: threading.Event
) -> Reply | Failure:
    """Send a request without the key, on a connection of its own, and take its reply into `incoming`."""
    fault, connection = None, Connection(route)
    try:
        carry(connection, request, None, incoming, deadline, closed)
    except _FAULTS as error:
        if _is_the_callers(error):
            raise
        fault = error
    finally:
        connection.close()
    return event_of(incoming, deadline, fault, route)


async def send_once_async(
    route: Route, request: Request, incoming: Incoming, deadline: Deadline
) -> Reply | Failure:
    """Do as `send_once` does, with `await`."""
    fault, connection = None, Connection(route)
    with anyio.CancelScope(deadline=anyio.current_time() + deadline.left()) as scope:
        try:
            await carry_async(connection, request, None, incoming)
        except _FAULTS as error:
            if _is_the_callers(error):
                raise
            fault = error
        finally:
            connection.close()
    return event_of(incoming, deadline, DeadlineOver() if scope.cancelled_caught else fault, route)


# -- One for each event loop ------------------------------------------------------------------------------

C = TypeVar("C", bound="_LoopPool | ForeignAsyncSender")


class PerLoop(Generic[C]):
    """Something for each event loop, since a socket belongs to the loop that waits for it.

    A loop that ends closes its own: to end a run closes the async generators that it began, and each is held
    by one. So a second `asyncio.run` finds new connections, and the first leaves no open socket.
    """

    def __init__(self, make: Callable[[], C]) -> None:
        self._make = make
        self._kept: RunVar[tuple[C, AsyncGenerator[None]] | None] = RunVar("kept", None)

    async def current(self) -> C:
        kept = self._kept.get()
        if kept is None:
            made = self._make()
            keeper = _keep(made)
            kept = (made, keeper)
            self._kept.set(kept)
            await anext(keeper)
        return kept[0]

    async def aclose(self) -> None:
        kept = self._kept.get()
        if kept is not None:
            self._kept.set(None)
            await kept[1].aclose()


async def _keep(made: _LoopPool | ForeignAsyncSender) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        await made.aclose()


# -- What a client sends by -------------------------------------------------------------------------------


class Network:
    """What a sync client and its copies send by."""

    def __init__(
        self,
        given: httpx.BaseTransport | None,
        *,
        base_url: str,
        proxy: str | None,
        verify: ssl.SSLContext | bool,
        limit: int,
        closed: threading.Event,
    ) -> None:
        route = partial(route_of_calls, base_url, proxy=proxy, verify=verify)
        self._own = Sender(route, limit, closed)
        self._make_httpx = partial(httpx.HTTPTransport, proxy=proxy, trust_env=False)
        self._verify = verify
        self._foreign = ForeignSender(given) if given is not None else None
        self._mocked: ForeignSender | None = None

    def send(self, url: str, request: Request, key: Key, deadline: Deadline) -> Reply | Failure:
        """Send a request once."""
        foreign = self._foreign
        if foreign is None and is_mocked():
            if self._mocked is None:
                self._mocked = ForeignSender(self._make_httpx(verify=trusted(self._verify)))
            foreign = self._mocked
        return (
            foreign.send(url, request, key, deadline) if foreign else self._own.send(request, key, deadline)
        )

    def close(self) -> None:
        for sender in (self._own, self._foreign, self._mocked):
            if sender is not None:
                sender.close()


class AsyncNetwork:
    """What an async client and its copies send by."""

    def __init__(
        self,
        given: httpx.AsyncBaseTransport | None,
        *,
        base_url: str,
        proxy: str | None,
        verify: ssl.SSLContext | bool,
        limit: int,
        closed: threading.Event,
    ) -> None:
        route = partial(route_of_calls, base_url, proxy=proxy, verify=verify)
        self._own = AsyncSender(route, limit, closed)
        self._given = given
        self._foreign = PerLoop(
            lambda: ForeignAsyncSender(
                given or httpx.AsyncHTTPTransport(proxy=proxy, trust_env=False, verify=trusted(verify))
            )
        )

    async def send(self, url: str, request: Request, key: Key, deadline: Deadline) -> Reply | Failure:
        """Send a request once."""
        if self._given is None and not is_mocked():
            return await self._own.send(request, key, deadline)
        return await (await self._foreign.current()).send(url, request, key, deadline)

    async def aclose(self) -> None:
        await self._own.aclose()
        await self._foreign.aclose()
