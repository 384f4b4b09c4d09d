"""The Python version of `bare_server.c`, for machines without a C compiler: the same usage, but slower."""

from __future__ import annotations

import asyncio
import re
import sys
from typing import cast

LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)


class Connection(asyncio.Protocol):
    def __init__(self, reply: bytes) -> None:
        self._reply = reply
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (head := self._received.find(b"\r\n\r\n")) != -1:
            if CHUNKED.search(self._received, 0, head):
                self._transport.close()
                return
            length = LENGTH.search(self._received, 0, head)
            end = head + 4 + (int(length[1]) if length else 0)
            if len(self._received) < end:
                return
            del self._received[:end]
            self._transport.write(self._reply)


async def serve() -> None:
    reply = sys.stdin.buffer.read(int(sys.argv[1]))
    server = await asyncio.get_running_loop().create_server(lambda: Connection(reply), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.buffer.read)


if __name__ == "__main__":
    asyncio.run(serve())
