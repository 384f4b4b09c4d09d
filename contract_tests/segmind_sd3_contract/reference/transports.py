"""The server without a socket: transports for httpx. (httpx's own ASGI transport is async only.)

A faulty delivery raises what httpx raises for it on a socket. One that stalls or drips does so when httpx's
read timeout is over, or at once without a timeout.
"""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Final

import anyio.lowlevel
import anyio.to_thread
import httpx

from segmind_sd3_contract.reference.deliveries import endless, headers_of
from segmind_sd3_contract.reference.exchange import Answer, Request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    Answering = Callable[[Request], Answer]


class ReferenceTransport(httpx.BaseTransport):
    """Answers an `httpx.Client` in-process, whatever host it calls."""

    def __init__(self, answer: Answering) -> None:
        self._answer = answer

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        stream = _Stream(self._answer(_carried(request, request.read())), request)
        if not stream.begins:
            stream.end()
        return stream.response()


class AsyncReferenceTransport(httpx.AsyncBaseTransport):
    """Answers an `httpx.AsyncClient` in-process, from a thread, so that drawing holds up nothing."""

    def __init__(self, answer: Answering) -> None:
        self._answer = answer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        carried = _carried(request, await request.aread())
        stream = _Stream(await anyio.to_thread.run_sync(self._answer, carried), request)
        if not stream.begins:
            await stream.aend()
        return stream.response()


def _carried(request: httpx.Request, body: bytes) -> Request:
    return Request(request.method, request.url.raw_path.decode("ascii"), dict(request.headers), body)


_FAULTS: Final[Mapping[str, tuple[type[httpx.TransportError], str]]] = {
    "stall": (httpx.ReadTimeout, "timed out"),
    "drip": (httpx.ReadTimeout, "timed out"),
    "reset": (httpx.ReadError, "the connection was reset"),
    "hang up": (httpx.RemoteProtocolError, "the server disconnected before its answer was whole"),
}


class _Stream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of an answer, as far as it is delivered, and what happens then."""

    def __init__(self, answer: Answer, request: httpx.Request) -> None:
        self._answer = answer
        delivery = answer.delivery
        self.begins = delivery is None or delivery.begins
        self._patience = 0.0
        self._fault: httpx.TransportError | None = None
        self._pieces: Iterator[bytes] = iter([answer.body])
        if delivery is None:
            return
        arriving = [delivery.arriving(answer.body)]
        self._pieces = itertools.chain(arriving, endless()) if delivery.then == "endless" else iter(arriving)
        if delivery.then in _FAULTS and not delivery.ends:
            kind, words = _FAULTS[delivery.then]
            self._fault = kind(words)
            if kind is httpx.ReadTimeout:
                self._patience = request.extensions.get("timeout", {}).get("read") or 0.0

    def response(self) -> httpx.Response:
        return httpx.Response(self._answer.status, headers=headers_of(self._answer), stream=self)

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces
        self.end()

    def end(self) -> None:
        if self._patience:  # even a sleep of no time gives the processor away
            time.sleep(self._patience)
        if self._fault is not None:
            raise self._fault

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        await anyio.lowlevel.checkpoint()
        for piece in self._pieces:
            return piece
        await self.aend()
        raise StopAsyncIteration

    async def aend(self) -> None:
        await anyio.sleep(self._patience)
        if self._fault is not None:
            raise self._fault
