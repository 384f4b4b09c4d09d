"""The server without a socket: transports for httpx.

Law: they carry, and judge nothing. httpx's own ASGI transport is async alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.to_thread
import httpx

from segmind_sd3_contract.reference.exchange import Answer, Request

if TYPE_CHECKING:
    from segmind_sd3_contract.reference.server import ReferenceServer


class ReferenceTransport(httpx.BaseTransport):
    """Answers an `httpx.Client` in-process, whatever host it calls."""

    def __init__(self, server: ReferenceServer) -> None:
        self._server = server

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return _carried_back(self._server.answer(_carried(request, request.read())))


class AsyncReferenceTransport(httpx.AsyncBaseTransport):
    """Answers an `httpx.AsyncClient` in-process, from a thread, so that drawing holds up nothing."""

    def __init__(self, server: ReferenceServer) -> None:
        self._server = server

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        carried = _carried(request, await request.aread())
        return _carried_back(await anyio.to_thread.run_sync(self._server.answer, carried))


def _carried(request: httpx.Request, body: bytes) -> Request:
    return Request(request.method, request.url.raw_path.decode("ascii"), dict(request.headers), body)


def _carried_back(answer: Answer) -> httpx.Response:
    return httpx.Response(answer.status, headers=dict(answer.headers), content=answer.body)
