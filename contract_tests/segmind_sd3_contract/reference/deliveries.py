"""Faulty deliveries: a picture is drawn and billed, and its answer does not arrive as it should.

Each delivery is data. `front.py` applies it to a connection, byte by byte; `transports.py` raises in-process
what httpx raises for it. The docstring of each change is its claim.
"""

from __future__ import annotations

import gzip
import itertools
import struct
import zlib
from dataclasses import replace
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from segmind_sd3_contract.reference.exchange import Delivery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from segmind_sd3_contract.reference.exchange import Answer, Change

DROP_EVERY: Final = 0.02
"""Seconds between two bytes of an answer that drips."""

BOMB_BYTES: Final = 300 * 1024**2
"""What the bomb holds: far more than ten of the largest pictures."""

DELIVERIES: Final[dict[str, Change]] = {}
"""Every faulty delivery, by name."""


def headers_of(answer: Answer) -> dict[str, str]:
    """Return an answer's headers with what they say of the length of its body, true or not."""
    delivery, size = answer.delivery, len(answer.body)
    if delivery is not None and delivery.length == "chunked":
        coding = {"content-encoding": "gzip"} if delivery.then == "endless" else {}
        return {**answer.headers, **coding, "transfer-encoding": "chunked"}
    told = {"too long": size + 1000, "too short": size // 2}
    return {**answer.headers, "content-length": str(told.get(delivery.length, size) if delivery else size)}


def parted(answer: Answer) -> tuple[bytes, bytes]:
    """Return the bytes on the wire of an answer to be misdelivered: what is sent at once, and what is not."""
    delivery = answer.delivery
    if delivery is None:
        raise ValueError("This answer is to be delivered as it is.")
    lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers_of(answer).items()]
    head = "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1")
    body, half = answer.body, len(answer.body) // 2
    if delivery.length == "chunked":
        start = f"{len(body):x}\r\n".encode()
        body, half = start + body + b"\r\n0\r\n\r\n", half + len(start)
    cut = {
        "nothing": 0,
        "half the head": len(head) // 2,
        "the head": len(head),
        "half the body": len(head) + half,
        "the body": len(head) + len(body),
    }[delivery.sent]
    whole = head + body
    return whole[:cut], whole[cut:]


def _delivered(name: str, claim: str, delivery: Delivery) -> None:
    def change(answer: Answer) -> Answer:
        return replace(answer, delivery=delivery) if answer.status == 200 else answer

    change.__doc__ = claim
    DELIVERIES[name] = change


for _name, _claim, _delivery in (
    ("reset", "The connection is reset before a byte of the answer.", Delivery("nothing", "reset")),
    ("hang-up", "The connection is closed before a byte of the answer.", Delivery("nothing", "hang up")),
    ("stall-headers", "Half of the headers come, and then no more.", Delivery("half the head", "stall")),
    ("drip-headers", "The answer comes byte by byte, from its status line on.", Delivery("nothing", "drip")),
    ("reset-before-body", "The headers come, and then a reset.", Delivery("the head", "reset")),
    ("reset-in-body", "Half of the body comes, and then a reset.", Delivery("half the body", "reset")),
    ("truncated-body", "The connection is closed in mid-body.", Delivery("half the body", "hang up")),
    (
        "truncated-body:chunked",
        "The connection is closed in mid-chunk of a body without a length.",
        Delivery("half the body", "hang up", "chunked"),
    ),
    ("stall-body", "Half of the body comes, and then no more.", Delivery("half the body", "stall")),
    ("drip-body", "The headers come at once, the body byte by byte.", Delivery("the head", "drip")),
    (
        "wrong-length:too-long",
        "The headers tell more bytes than there are, and the connection stays open.",
        Delivery("the body", "stall", "too long"),
    ),
    (
        "wrong-length:too-long-closed",
        "The headers tell more bytes than there are, and the connection is closed after them.",
        Delivery("the body", "hang up", "too long"),
    ),
    (
        "wrong-length:too-short",
        "The headers tell half of the bytes that there are, and the connection stays open.",
        Delivery("the body", "stall", "too short"),
    ),
    (
        "endless-body",
        "The body is gzip, a small one to carry, of zeros without an end.",
        Delivery("the head", "endless", "chunked"),
    ),
):
    _delivered(_name, _claim, _delivery)


def _encoded(name: str, claim: str, body: Callable[[bytes], bytes], encoding: str = "gzip") -> None:
    def change(answer: Answer) -> Answer:
        if answer.status != 200:
            return answer
        return replace(answer.with_headers(content_encoding=encoding), body=body(answer.body))

    change.__doc__ = claim
    DELIVERIES[name] = change


def gzipped(body: bytes) -> bytes:
    """Return the gzip of a body, the same each time."""
    return gzip.compress(body, mtime=0)


def _inverted(body: bytes) -> bytes:
    return bytes(255 - byte for byte in body)


def _raw_deflated(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


def zeros() -> Iterator[bytes]:
    """Return a gzip of zeros without an end, in pieces of a kilobyte that hold a mebibyte each."""
    packer = zlib.compressobj(wbits=31)

    def piece() -> bytes:
        return packer.compress(bytes(1024**2)) + packer.flush(zlib.Z_FULL_FLUSH)

    # After a full flush nothing before it counts, so that every further piece is the same.
    first, further = piece(), piece()
    return itertools.chain([first], itertools.repeat(further))


def endless() -> Iterator[bytes]:
    """Return the same without an end, in pieces of a quarter of a mebibyte: a client may read 256 of them."""
    pieces = zeros()
    yield next(pieces)
    yield from itertools.repeat(256 * next(pieces))


@cache
def _bomb() -> bytes:
    mebibytes, checksum = BOMB_BYTES // 1024**2, 0
    for _ in range(mebibytes):
        checksum = zlib.crc32(bytes(1024**2), checksum)
    # A last block without data, the checksum and the size make a whole file of it.
    end = b"\x03\x00" + struct.pack("<II", checksum, BOMB_BYTES)
    return b"".join(itertools.islice(zeros(), mebibytes)) + end


def _bomb_in_gzips() -> bytes:
    return gzipped(gzipped(_bomb()))


_ENCODED: Final[tuple[tuple[str, str, Callable[[bytes], bytes], str], ...]] = (
    ("gzip:unasked", "The body is gzip, though nobody asked for it.", gzipped, "gzip"),
    ("gzip:upper-case", "The body is gzip, and its header says so in capitals.", gzipped, "GZIP"),
    ("gzip:twice", "The body is a gzip of a gzip.", lambda had: gzipped(gzipped(had)), "gzip, gzip"),
    ("gzip:once-of-two", "The headers name gzip twice; the body is gzip once.", gzipped, "gzip, gzip"),
    ("gzip:garbage", "The headers say gzip; the body is the answer's own, and none.", bytes, "gzip"),
    ("gzip:truncated", "The body is half of a gzip.", lambda had: gzipped(had)[: len(had) // 2], "gzip"),
    ("gzip:bomb", "The body is gzip, 300 KB of it, and holds 300 MiB of zeros.", lambda _: _bomb(), "gzip"),
    (
        "gzip:nested-bomb",
        "The body is gzip in gzip in gzip, some KB of it, and holds 300 MiB of zeros.",
        lambda _: _bomb_in_gzips(),
        "gzip, gzip, gzip",
    ),
    (
        "deflate:zlib",
        "The body is deflate as the standard has it, in a zlib wrapper.",
        zlib.compress,
        "deflate",
    ),
    (
        "deflate:raw",
        "The body is deflate as some servers have it, without a wrapper.",
        _raw_deflated,
        "deflate",
    ),
    ("encoding:identity", "The headers name the encoding that changes nothing.", bytes, "identity"),
    (
        "encoding:unknown",
        "The headers name an encoding that nobody knows, and the body is in it.",
        _inverted,
        "x-none",
    ),
    (
        "encoding:unknown-over-picture",
        "The headers name an encoding that nobody knows; the body is the answer's own.",
        bytes,
        "x-none",
    ),
)
for _name, _claim, _body, _encoding in _ENCODED:
    _encoded(_name, _claim, _body, _encoding)
