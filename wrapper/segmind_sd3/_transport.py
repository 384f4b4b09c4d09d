"""The two drivers of an exchange, with and without `await`.

A driver is an httpx transport that runs whole calls. It sits under the generated client, because from above
it is too late: the generated parser raises on status 520 and takes a 200 with an error for a file. It
decides nothing: the generator in `exchange.py` says what to do, the driver does it and tells what came.

The key is set here, on the copy of the request that goes to the wire, and nowhere above: neither the
generated client nor any frame that can raise holds it.
"""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import anyio
import httpx

from ._connections import retire_if_dirty
from ._exchange import SEND, advanced, exchange
from ._progress import Progress
from ._result import Generation
from ._version import __version__

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator

    from ._connections import Deadline
    from ._exchange import Step, Told
    from ._retry import Retry
    from ._wire import Failure, Key, Reply


@dataclass(slots=True)
class Call:
    """What one call carries past the generated client, and its outcome on the way back.

    The generated functions take a body and nothing else, so the call goes past them in a context variable.
    """

    key: Key
    retry: Retry
    deadline: Deadline
    seed: int | None
    outcome: Generation | None = None

    @contextmanager
    def under_way(self) -> Generator[None]:
        token = _under_way.set(self)
        try:
            yield
        finally:
            _under_way.reset(token)

    def drawn(self) -> Generation:
        if self.outcome is None:
            raise RuntimeError("the generated client never called its transport")
        return self.outcome

    def handed_up(self, outcome: Generation) -> httpx.Response:
        """Keep the outcome, and give the generated client the one reply that its parser can't get wrong."""
        self.outcome = outcome
        return httpx.Response(200, stream=httpx.ByteStream(outcome.images[0].data))

    def steps(self) -> Generator[Step, Told, Generation]:
        return exchange(self.retry, self.key, seed=self.seed, left=self.deadline.left)

    def authorised(self, request: httpx.Request, trace: object) -> httpx.Request:
        """Copy a request, with the key and the time that is left.

        No compression is asked for: pictures gain nothing by it, and a bomb needs it.
        """
        left = self.deadline.left()
        ours = {
            b"accept-encoding": b"identity",
            b"user-agent": f"segmind-sd3/{__version__}".encode(),
            b"x-api-key": self.key.reveal().encode(),
        }
        return httpx.Request(
            request.method,
            request.url,
            headers=[
                *((name, value) for name, value in request.headers.raw if name.lower() not in ours),
                *ours.items(),
            ],
            stream=_Body(request.content),
            extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), left), "trace": trace},
        )


_under_way: ContextVar[Call] = ContextVar("call")


def _redacted(record: logging.LogRecord) -> bool:
    if call := _under_way.get(None):
        record.msg, record.args = call.key.redact(record.getMessage()), ()
    return True


# At DEBUG httpcore logs the headers of a reply, in which a service may echo the key.
logging.getLogger("httpcore.http11").addFilter(_redacted)


class _Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A request's body in one piece.

    httpx's own is an async generator, which trio complains of where a call ends while its body is sent.
    """

    def __init__(self, data: bytes) -> None:
        self._pieces = [data]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._pieces:
            raise StopAsyncIteration
        return self._pieces.pop()


class Driver(httpx.BaseTransport):
    def __init__(self, pool: Callable[[], httpx.BaseTransport]) -> None:
        self._pool = pool

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        call = _under_way.get()
        steps = call.steps()
        step = advanced(steps, None)
        while not isinstance(step, Generation):
            step = advanced(steps, self._send(request, call) if step == SEND else time.sleep(step))
        return call.handed_up(step)

    def _send(self, request: httpx.Request, call: Call) -> Reply | Failure:
        pool = self._pool()
        progress = Progress(call.deadline, pool)
        try:
            with call.deadline.applied():
                response = pool.handle_request(call.authorised(request, progress.trace))
                try:
                    progress.began(response)
                    for chunk in cast("httpx.SyncByteStream", response.stream):
                        if not progress.wants_more(chunk):
                            break
                    retire_if_dirty(response)
                finally:
                    response.close()
        except (httpx.HTTPError, OSError) as fault:
            return progress.ended_by(fault)
        except BaseException as interruption:
            _cut_frames(interruption)
            raise
        return progress.outcome()


class AsyncDriver(httpx.AsyncBaseTransport):
    def __init__(self, pool: Callable[[], Awaitable[httpx.AsyncBaseTransport]]) -> None:
        self._pool = pool

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        call = _under_way.get()
        steps = call.steps()
        step = advanced(steps, None)
        while not isinstance(step, Generation):
            step = advanced(steps, await (self._send(request, call) if step == SEND else anyio.sleep(step)))
        return call.handed_up(step)

    async def _send(self, request: httpx.Request, call: Call) -> Reply | Failure:
        pool = await self._pool()
        progress = Progress(call.deadline, pool)
        try:
            with anyio.fail_after(call.deadline.left()) as scope:
                response = await pool.handle_async_request(call.authorised(request, progress.async_trace))
                try:
                    progress.began(response)
                    async for chunk in cast("httpx.AsyncByteStream", response.stream):
                        if not progress.wants_more(chunk):
                            # Ended from within: to break off would leave the generators below half run.
                            scope.cancel()
                    retire_if_dirty(response)
                finally:
                    await response.aclose()
        except (httpx.HTTPError, OSError) as fault:
            return progress.ended_by(fault)
        except BaseException as interruption:
            _cut_frames(interruption)
            raise
        return progress.outcome()


def _cut_frames(interruption: BaseException) -> None:
    """Cut the frames below off an interruption: h11 may be holding the headers, and with them the key."""
    if not isinstance(interruption, Exception):
        interruption.__traceback__ = None
