"""A call is known by its seed: in its key, in its body, and in the picture that it is answered with.

The key has it too, so that a server knows a call before it has read the body.
"""

from __future__ import annotations

import json
import select
import socket
import ssl
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segmind_sd3 import Generation


def key_for(seed: int) -> str:
    """Give the API key of a call."""
    return f"SG_{seed:032x}"


def seed_in(headers: Mapping[str, str]) -> int:
    """Give the seed of the call that a request's headers belong to."""
    return int(headers["x-api-key"].removeprefix("SG_"), 16)


def picture(seed: int, n: int = 0, size: int = 0) -> bytes:
    """Give a PNG that answers the n-th sending of a call, and no other, with so many bytes more."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    chunks = [
        chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)),
        chunk(b"tEXt", b"call\0" + f"{seed}:{n}".encode()),
        *([chunk(b"tEXt", b"size\0" + bytes(1) * size)] if size else []),
        chunk(b"IDAT", zlib.compress(bytes(9 * 8), 1)),
        chunk(b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def seed_of(drawn: Generation) -> int:
    """Give the seed that the picture names, whatever the call asked for."""
    _, _, rest = drawn.images[0].data.partition(b"call\0")
    return int(rest.partition(b":")[0])


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a request."""

    seed: int
    length: int


_HEAD_AT_MOST: Final = 16 * 1024
"""Bytes that are read at once while a head is looked for: a large body stays unread."""


class Incoming:
    """The requests of one connection, each read in two steps: its head, and its body or not."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._came = bytearray()

    def head(self) -> Head | None:
        """Read a head; None where the client hangs up instead."""
        while (end := self._came.find(b"\r\n\r\n")) < 0:
            if not self._more(_HEAD_AT_MOST):
                return None
        lines = bytes(self._came[:end]).decode("latin-1").split("\r\n")[1:]
        del self._came[: end + 4]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return Head(seed_in(headers), int(headers["content-length"]))

    def body(self, head: Head) -> Any:
        """Read the JSON of a body to its end; None where the client hangs up before."""
        while len(self._came) < head.length:
            if not self._more(256 * 1024):
                return None
        content = json.loads(bytes(self._came[: head.length]))
        del self._came[: head.length]
        return content

    def wait_for_a_byte(self) -> None:
        """Wait until the next request begins or the client hangs up, and read nothing of it."""
        if not self._came and not (isinstance(self.socket, ssl.SSLSocket) and self.socket.pending()):
            select.select([self.socket], [], [])

    def wait_for_hangup(self) -> None:
        """Read and forget, until the client closes the connection."""
        while self._more(256 * 1024):
            self._came.clear()

    def _more(self, at_most: int) -> bool:
        came = self.socket.recv(at_most)
        self._came += came
        return bool(came)


def reset_when_closed(connection: socket.socket) -> None:
    """Have the connection reset when its script ends, with what is not sent yet dropped."""

    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    close_at_once(connection)


def close_at_once(connection: socket.socket) -> None:
    """Have the connection closed when its script ends, even where TLS would wait for the client's goodbye."""
    connection.settimeout(0)
