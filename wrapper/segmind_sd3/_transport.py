"""The two drivers of an exchange, with and without `await`, and the ways in which they send.

A driver decides nothing: the generators in `_exchange.py` and `_http.py` say what to do next, and the driver
sends and waits. There are two ways to send, each with and without `await`:

- By connections of our own. What was not handed over to them was certainly not sent.
- By an httpx transport: the user's own, or httpx's while somebody records or mocks what httpx sends. Nothing
  is known of it but what comes back: whatever it raises, the call may have been sent and billed.
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

import anyio
import h11

from ._connections import Deadline, Pool, new_connection
from ._content import FileChanged
from ._exchange import SEND
from ._foreign import ForeignAsyncSender, ForeignSender, is_mocked, make_async_transport, make_transport
from ._http import PAUSE, READ, addresses, is_the_callers, poll, resolve
from ._outcome import event_of
from ._reply import largest
from ._routing import AddressRefused, ConnectionFault, DeadlineOver
from ._wire import Incoming

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
    from pathlib import Path

    from ._exchange import Arrival, Outcome, Step
    from ._foreign import AsyncBaseTransport, BaseTransport
    from ._http import Address, Connection, Steps, Wait
    from ._routing import Route
    from ._wire import Failure, Key, Reply, Request

SLICE: Final = 0.25
"""The longest wait in one piece, without `await`: a signal that comes just before a wait is seen after it."""

_FAULTS: Final = (OSError, UnicodeError, h11.ProtocolError, ConnectionFault, FileChanged)


def drive(
    steps: Generator[Step, Arrival, Outcome],
    send: Callable[[], Reply | Failure],
    wait: Callable[[float], object] = time.sleep,
) -> Outcome:
    """Run an exchange to its end."""
    event: Arrival = None
    try:
        while True:
            step = steps.send(event)
            event = None
            if step == SEND:
                event = send()
            else:
                wait(step)
    except StopIteration as done:
        return done.value


async def drive_async(
    steps: Generator[Step, Arrival, Outcome],
    send: Callable[[], Awaitable[Reply | Failure]],
    wait: Callable[[float], Awaitable[object]] | None = None,
) -> Outcome:
    """Run an exchange to its end, with `await`."""
    event: Arrival = None
    try:
        while True:
            step = steps.send(event)
            event = None
            if step == SEND:
                event = await send()
            else:
                await (wait or anyio.sleep)(step)
    except StopIteration as done:
        return done.value


# -- By our own connections, without await ----------------------------------------------------------------


class Sender:
    """Sends by connections of our own. They may be shared by threads."""

    def __init__(self, route: Callable[[], Route], limit: int) -> None:
        self._pool = Pool(route, limit)

    def send(self, request: Request, key: Key, deadline: Deadline, incoming: Incoming) -> Reply | Failure:
        """Send a request once, and take its reply into `incoming`."""
        incoming.begun = incoming.handed_over = False
        fault, pool = None, self._pool
        route = pool.route
        try:
            connection = self._take(pool, deadline)
            try:
                carry(connection, request, key, incoming, deadline)
            finally:
                pool.give_back(connection)
        except _FAULTS as error:
            if is_the_callers(error):
                raise
            fault = error
        return event_of(incoming, deadline, fault, route)

    def _take(self, pool: Pool, deadline: Deadline) -> Connection:
        while (connection := pool.take()) is None:
            deadline.check()
            pool.wait_for_one(min(SLICE, deadline.left()))
        return connection

    def close(self) -> None:
        self._pool.close()


def carry(
    connection: Connection,
    request: Request,
    key: Key | None,
    incoming: Incoming,
    deadline: Deadline,
) -> None:
    """Open a connection where it is new, and run one exchange on it."""
    if connection.socket is None:
        _run(connection, connection.open(resolve(connection.route)), deadline)
    _run(connection, connection.exchange(request, key, incoming), deadline)


def _run(connection: Connection, steps: Steps[None], deadline: Deadline) -> None:
    """Run the steps of a connection, and wait for what they wait for.

    The end of the deadline stops a wait, and keeps nothing from being read that has come already.
    """
    deadline.check()
    try:
        wait = next(steps)
        while True:
            if wait is not READ:
                deadline.check()
            wait = steps.send(wait is PAUSE or _wait(_socket_of(connection), wait, deadline))
    except StopIteration:
        return
    finally:
        steps.close()  # and the file that is sent, whatever ended the call


def _wait(sock: socket.socket, wait: Wait, deadline: Deadline) -> bool:
    patience = Deadline(wait.seconds) if wait.seconds is not None else deadline
    while not poll(sock, wait, 0 if deadline.fault() else min(SLICE, deadline.left(), patience.left())):
        if patience.left() <= 0 and patience is not deadline:
            return False
        deadline.check()
    return True


def _socket_of(connection: Connection) -> socket.socket:
    assert connection.socket is not None  # noqa: S101 - whatever waits has one
    return connection.socket


# -- By our own connections, with await -------------------------------------------------------------------


class _LoopPool:
    """The connections of one event loop, and the calls that are under way on it."""

    def __init__(self, route: Callable[[], Route], limit: int) -> None:
        self.pool = Pool(route, limit)
        self.free = anyio.Semaphore(limit, fast_acquire=True)
        self.calls: set[anyio.CancelScope] = set()

    async def aclose(self) -> None:
        for scope in self.calls:
            scope.cancel()
        self.pool.close()


class AsyncSender:
    """Sends by connections of our own, on asyncio and on trio."""

    def __init__(self, route: Callable[[], Route], limit: int) -> None:
        self._pools: PerLoop[_LoopPool] = PerLoop(lambda: _LoopPool(route, limit))

    async def send(
        self, request: Request, key: Key, deadline: Deadline, incoming: Incoming
    ) -> Reply | Failure:
        """Send a request once, and take its reply into `incoming`."""
        incoming.begun = incoming.handed_over = False
        fault = None
        mine = await self._pools.current()
        route = mine.pool.route
        with anyio.CancelScope(deadline=anyio.current_time() + deadline.left()) as scope:
            mine.calls.add(scope)
            try:
                async with mine.free:
                    connection = mine.pool.take() or new_connection(route)
                    try:
                        await carry_async(connection, request, key, incoming)
                    finally:
                        mine.pool.give_back(connection)
            except _FAULTS as error:
                if is_the_callers(error):
                    raise
                fault = error
            finally:
                mine.calls.discard(scope)
        if scope.cancelled_caught:
            fault = deadline.fault() or DeadlineOver()
        return event_of(incoming, deadline, fault, route)

    async def wait(self, seconds: float) -> None:
        """Wait so many seconds, or until the client is closed."""
        mine = await self._pools.current()
        with anyio.CancelScope() as scope:
            mine.calls.add(scope)
            try:
                await anyio.sleep(seconds)
            finally:
                mine.calls.discard(scope)

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
    finally:
        steps.close()


async def _wait_async(connection: Connection, wait: Wait) -> bool:
    if wait.kind == "nothing":
        from anyio.lowlevel import checkpoint  # noqa: PLC0415 - a client without `await` does without it

        await checkpoint()
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


# -- Without a pool ---------------------------------------------------------------------------------------


def send_once(
    url: str, route: Route, request: Request, incoming: Incoming, deadline: Deadline
) -> Reply | Failure:
    """Send a request without the key, on a connection of its own, and take its reply into `incoming`.

    Raises:
        AddressRefused: the route's peer has an address that may not be connected to.
    """
    if is_mocked():
        with make_transport(route) as transport:
            return ForeignSender(transport).send(url, request, None, deadline, incoming)
    fault, connection = None, new_connection(route)
    try:
        carry(connection, request, None, incoming, deadline)
    except _FAULTS as error:
        if isinstance(error, AddressRefused) or is_the_callers(error):
            raise
        fault = error
    finally:
        connection.close()
    return event_of(incoming, deadline, fault, route)


async def send_once_async(
    url: str, route: Route, request: Request, incoming: Incoming, deadline: Deadline
) -> Reply | Failure:
    """Do as `send_once` does, with `await`."""
    if is_mocked():
        async with make_async_transport(route) as transport:
            return await ForeignAsyncSender(transport).send(url, request, None, deadline, incoming)
    fault, connection = None, new_connection(route)
    with anyio.CancelScope(deadline=anyio.current_time() + deadline.left()) as scope:
        try:
            await carry_async(connection, request, None, incoming)
        except _FAULTS as error:
            if isinstance(error, AddressRefused) or is_the_callers(error):
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
        from anyio.lowlevel import RunVar  # noqa: PLC0415 - a client without `await` does without it

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


def _incoming(spool: Path | None) -> Incoming:
    if spool is None:
        return Incoming(largest)
    from ._spool import SpoolingIncoming  # noqa: PLC0415 - takes a while to load, and not every program spools

    return SpoolingIncoming(largest, spool)


class Network:
    """What a sync client and its copies send by: a transport that was given, or connections of our own."""

    def __init__(
        self,
        given: BaseTransport | None,
        route: Callable[[], Route],
        limit: int,
    ) -> None:
        self._route = route
        self._own = Sender(route, limit)
        self._given = ForeignSender(given) if given is not None else None
        self._mocked: ForeignSender | None = None

    @property
    def is_given(self) -> bool:
        """Whether a transport was given."""
        return self._given is not None

    def send(
        self, url: str, request: Request, key: Key, deadline: Deadline, spool: Path | None = None
    ) -> Reply | Failure:
        """Send a request once, unless the client was closed or the deadline is over."""
        if fault := deadline.fault():
            return event_of(Incoming.unsent(largest), deadline, fault)
        incoming = _incoming(spool)
        try:
            if self._given is None and not is_mocked():
                return self._own.send(request, key, deadline, incoming)
            if self._given is None and self._mocked is None:
                self._mocked = ForeignSender(make_transport(self._route()))
            foreign = cast("ForeignSender", self._given or self._mocked)
            return foreign.send(url, request, key, deadline, incoming)
        finally:
            incoming.discard()

    def close(self) -> None:
        for sender in (self._own, self._given, self._mocked):
            if sender is not None:
                sender.close()


class AsyncNetwork:
    """What an async client and its copies send by: a transport that was given, or connections of our own."""

    def __init__(
        self,
        given: AsyncBaseTransport | None,
        route: Callable[[], Route],
        limit: int,
    ) -> None:
        self._own = AsyncSender(route, limit)
        self._given = given
        self._foreign = PerLoop(lambda: ForeignAsyncSender(given or make_async_transport(route())))

    async def send(
        self, url: str, request: Request, key: Key, deadline: Deadline, spool: Path | None = None
    ) -> Reply | Failure:
        """Send a request once, unless the client was closed or the deadline is over."""
        if fault := deadline.fault():
            return event_of(Incoming.unsent(largest), deadline, fault)
        incoming = _incoming(spool)
        try:
            if self._given is None and not is_mocked():
                return await self._own.send(request, key, deadline, incoming)
            foreign = await self._foreign.current()
            return await foreign.send(url, request, key, deadline, incoming)
        finally:
            incoming.discard()

    async def wait(self, seconds: float) -> None:
        """Wait so many seconds, or until the client is closed."""
        await self._own.wait(seconds)

    async def aclose(self) -> None:
        await self._own.aclose()
        await self._foreign.aclose()
