"""uvicorn's HTTP/1.1 protocol, with access to the connection below HTTP.

It treats a connection as the answer's `Delivery` says. The server has answered before, so its ledger has
already billed what is now delivered badly.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Any, Final, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

from segmind_sd3_contract.reference.deliveries import DROP_EVERY, endless, parted

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope

    from segmind_sd3_contract.reference.exchange import Answer

_CONNECTION: Final = "segmind_sd3_contract.connection"
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class Front(H11Protocol):
    """Lets the app reach the connection that a request came by."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]  # as in uvicorn
        super().connection_made(transport)
        app = cast("Callable[..., Any]", self.app)

        async def with_connection(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, _CONNECTION: self}, receive, send)

        self.app = with_connection


class _Deaf(asyncio.Protocol):
    """Takes no further request, and still has the front notice when the connection is closed."""

    def __init__(self, front: Front) -> None:
        self.connection_lost = front.connection_lost
        self.pause_writing = front.pause_writing
        self.resume_writing = front.resume_writing


async def misdelivered(answer: Answer, scope: Scope, receive: Receive) -> None:
    """Deliver an answer as its `Delivery` says, and wait until the connection is closed by either side."""
    front: Front = scope[_CONNECTION]
    front.transport.set_protocol(_Deaf(front))
    try:
        await _misdelivered(answer, front)
        # uvicorn would answer a 500 for an app that returns without an answer while the client is there.
        while (await receive())["type"] != "http.disconnect":
            pass
    finally:
        front.transport.abort()  # the server ends before the client does


async def _misdelivered(answer: Answer, front: Front) -> None:
    transport, delivery = front.transport, answer.delivery
    at_once, rest = parted(answer)
    transport.write(at_once)
    match delivery and delivery.then:
        case "reset":
            connection: socket.socket = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            transport.abort()
        case "hang up":
            transport.close()
        case "drip":
            for drop in rest:
                if not transport.is_closing():
                    transport.write(bytes([drop]))
                    await asyncio.sleep(DROP_EVERY)
        case "endless":
            for piece in endless():
                if transport.is_closing():
                    break
                transport.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                await front.flow.drain()
                await asyncio.sleep(0)
        case _:
            pass
