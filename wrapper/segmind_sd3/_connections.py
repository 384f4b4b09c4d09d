"""The connections to the one origin: an idle stack, a limit, a deadline, and nothing shared with a child."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from ._http import Connection
from ._routing import ClientClosed, DeadlineOver

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._routing import ConnectionFault, Route

EXPIRY: Final = 5.0
"""Seconds after which an idle connection is not used again."""


class Deadline:
    """A moment by which a whole call must have ended: when its time is over, or its client is closed."""

    __slots__ = ("_at", "_clock", "_closed", "seconds")

    def __init__(
        self,
        seconds: float,
        closed: threading.Event | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.seconds: float = seconds
        self._closed = closed
        self._clock = clock
        self._at = clock() + seconds

    def left(self) -> float:
        """Return the seconds that are left, never below 0."""
        return max(0.0, self._at - self._clock())

    def fault(self) -> ConnectionFault | None:
        """Return what ends the call now, if anything does."""
        if self._closed is not None and self._closed.is_set():
            return ClientClosed("the client was closed")
        return DeadlineOver() if self.left() <= 0 else None

    def check(self) -> None:
        """Raise what ends the call now.

        Raises:
            ClientClosed: its client was closed.
            DeadlineOver: its time is over.
        """
        if fault := self.fault():
            raise fault


_all_pools: Final[WeakSet[Pool]] = WeakSet()


class Pool:
    """The connections to one origin: the idle ones, last in, first out, and a limit on those in use."""

    def __init__(self, make_route: Callable[[], Route], limit: int) -> None:
        self._make_route = make_route
        self._route: Route | None = None
        self._limit = limit
        self._closed = False
        self.start_anew()
        _all_pools.add(self)

    @property
    def route(self) -> Route:
        """The way to the origin, made when it is first asked for: to load certificates takes a while."""
        if self._route is None:
            self._route = self._make_route()
        return self._route

    def start_anew(self) -> None:
        """Forget every connection, without closing it."""
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        # A connection that an interruption takes from its caller frees its place when it is collected.
        self._busy: WeakSet[Connection] = WeakSet()
        self._waiting: deque[threading.Lock] = deque()

    def take(self) -> Connection | None:
        """Return a connection, opened or new; None where as many as may be are in use.

        Raises:
            ClientClosed: the client was closed.
        """
        with self._lock:
            if self._closed:
                raise ClientClosed("the client was closed")
            while self._idle:
                connection = self._idle.pop()
                if time.monotonic() - connection.idle_since < EXPIRY and connection.is_quiet():
                    break
                connection.close()
            else:
                if len(self._busy) >= self._limit:
                    return None
                connection = new_connection(self.route)
            self._busy.add(connection)
            return connection

    def wait_for_one(self, seconds: float) -> None:
        """Wait until a connection was given back, or so long."""
        # A lock for each waiter. The timed wait of SimpleQueue may never end (CPython 3.11), and Condition's
        # own code may be interrupted while it holds its lock.
        given_back = threading.Lock()
        given_back.acquire()
        self._waiting.append(given_back)
        given_back.acquire(timeout=seconds)
        with suppress(ValueError):
            self._waiting.remove(given_back)

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next call where it can be used again, and close it otherwise."""
        with self._lock:
            if connection.reusable and not self._closed:
                connection.idle_since = time.monotonic()
                self._idle.append(connection)
                oldest = self._idle[0]
                if oldest.idle_since + EXPIRY < connection.idle_since:
                    self._idle.pop(0).close()
            else:
                connection.close()
            self._busy.discard(connection)
        with suppress(IndexError):
            self._waiting.popleft().release()

    def close(self) -> None:
        """Close the idle connections. Those in use are closed by their calls."""
        with self._lock:
            self._closed = True
            while self._idle:
                self._idle.pop().close()


_all_connections: Final[WeakSet[Connection]] = WeakSet()


def new_connection(route: Route) -> Connection:
    """Return a connection that a forked child will not share."""
    connection = Connection(route)
    _all_connections.add(connection)
    return connection


_inherited: Final[list[Connection]] = []


def _share_nothing_with_the_parent() -> None:
    """In a forked child, put /dev/null in the place of the parent's sockets, and start every pool anew.

    To close a socket through its event loop would end the parent's registration of it, and to leave it open
    would keep it open when the parent hangs up.
    """
    null = os.open(os.devnull, os.O_RDWR)
    for connection in list(_all_connections):
        if connection.socket is not None and connection.socket.fileno() >= 0:
            os.dup2(null, connection.socket.fileno(), inheritable=False)
            _inherited.append(connection)
    os.close(null)
    for pool in list(_all_pools):
        pool.start_anew()


if sys.platform != "win32":  # Windows has no fork
    os.register_at_fork(after_in_child=_share_nothing_with_the_parent)
