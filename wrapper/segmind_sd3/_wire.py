"""What crosses the wire, as plain values: a reply, a failure to get one, and the key that is never shown.

Law: no I/O and no clock; nothing here knows what a good reply is.
"""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP reply. `headers` has its names in lower case; `body` is decoded and may be cut short.

    Its repr shows neither: a service may echo the key, and a traceback may show locals.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Failure:
    """No whole reply came.

    `reached` is how far the exchange certainly got: to "nothing" sent, to a "request" that may have
    arrived, or to the beginning of a "reply", which `partial` then holds.
    """

    reached: Literal["nothing", "request", "reply"]
    reason: str = field(repr=False)
    timed_out: bool = False
    may_pass: bool = True
    partial: Reply | None = None


class Body:
    """A reply's body as it comes, decoded where it is encoded though no encoding was asked for.

    httpx would decode a chunk whole, and a chunk of a bomb is a thousand times as large then.
    """

    PIECE: Final = 1024 * 1024

    def __init__(self, encoding: str) -> None:
        self._came: list[bytes] = []
        self._decoded = BytesIO()  # no list: to join the pieces of a bomb takes its size twice
        self._size = 0
        packed = encoding.strip().lower() in ("gzip", "x-gzip", "deflate")
        self._decoder = zlib.decompressobj(zlib.MAX_WBITS | 32) if packed else None

    def takes(self, chunk: bytes) -> Iterator[bool]:
        """Take a chunk, decoded piece by piece; tell after each piece whether there are more.

        Raises:
            zlib.error: it can't be decoded; what came is kept as it came.
        """
        self._came.append(chunk)
        self._size += len(chunk)
        if self._decoder is None:
            yield False
        while self._decoder is not None and chunk:
            try:
                self._decoded.write(self._decoder.decompress(chunk, self.PIECE))
            except zlib.error:
                self._decoder = None
                raise
            chunk = self._decoder.unconsumed_tail
            yield bool(chunk)

    @property
    def data(self) -> bytes:
        return b"".join(self._came) if self._decoder is None else self._decoded.getvalue()

    def __len__(self) -> int:
        return self._size if self._decoder is None else self._decoded.tell()


def json_of(body: bytes) -> Any:
    """Read a body as JSON; None where it is none, or too deep or long to be meant well."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def moment(text: str) -> datetime | None:
    """Read a time of a header, in any form that one was seen in, or None where it is none.

    ISO 8601 (UTC where it names no zone), an HTTP date, or seconds or milliseconds since 1970.
    """
    text = text.strip()
    try:
        if re.fullmatch(r"\d{1,16}(\.\d{1,9})?", text):
            number = float(text)
            return datetime.fromtimestamp(number / 1000 if number >= 1e11 else number, UTC)
        read = datetime.fromisoformat(text) if re.match(r"\d{4}-", text) else parsedate_to_datetime(text)
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError, OSError, TypeError, IndexError):
        return None


class Key:
    """The API key. Its text leaves through `reveal` alone, so no repr, log or pickle can carry it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def redact(self, text: str) -> str:
        return text.replace(self._text, "[API key]")

    def blot(self, reply: Reply, *, body: bool = True) -> Reply:
        """Give the reply with the key blotted out of its headers and, unless told not to, its body."""
        return Reply(
            reply.status,
            {name: self.redact(value) for name, value in reply.headers.items()},
            reply.body.replace(self._text.encode(), b"[API key]") if body else reply.body,
        )

    def __repr__(self) -> str:
        return "<API key>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an API key is never pickled")
