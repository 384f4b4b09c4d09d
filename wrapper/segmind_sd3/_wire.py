"""What crosses the wire, as plain values: a request, a reply, a failure to get one, and the key.

Nothing here does I/O, reads a clock, or knows what a good reply is.
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

from ._limits import MAX_DECODED_FLOOR, MAX_DECODED_RATIO, MAX_TEXT, MIB
from ._version import USER_AGENT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ._content import StreamedContent
    from ._stored import StoredPicture

Headers = list[tuple[bytes, bytes]]

SENT_HEADERS: Final = [(b"accept", b"*/*"), (b"accept-encoding", b"identity"), (b"user-agent", USER_AGENT)]
"""What every request sends. Pictures gain nothing by compression: none is asked for."""

_SECRET: Final = 12
"""Characters from which on a word of a gateway's header is taken for a secret, and redacted."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, without the key. `target` is its path, `headers` hold what else is sent."""

    method: bytes
    target: bytes
    headers: Headers = field(repr=False)
    content: bytes | StreamedContent = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP reply. `headers` has its names in lower case; `body` is cut short unless `complete`.

    `stored` holds a whole picture that went straight to a file: then the status is 200, the content type is
    that of a picture, and `body` is its start alone.

    Its repr shows neither: a service may echo the key, and a traceback may show locals.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    complete: bool = True
    stored: StoredPicture | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Failure:
    """No whole reply came.

    `reached` says how far the exchange certainly got. "nothing": nothing was sent. "part": the request was
    not handed over whole. "request": it may have arrived. "reply": a success began; `partial` holds it.
    """

    reached: Literal["nothing", "part", "request", "reply"]
    reason: str = field(repr=False)
    timed_out: bool = False
    retryable: bool = True
    partial: Reply | None = None


PACKED: Final = ("gzip", "x-gzip", "deflate")
"""The content encodings that are undone, though none is asked for."""

_MOST_ROOM: Final = 4 * MIB
"""How many bytes of memory are taken at the word of a reply's head. More is taken as it comes."""

_START: Final = 1024
"""How many bytes of a body are its start: JSON may name other things before its picture."""


class Incoming:
    """What came of a reply so far. It may still be cut short by whoever reads it.

    Attributes:
        begun: whether any of the request was sent; true too where nobody can know.
        handed_over: whether the request was handed over whole; true too where nobody can know.
        complete: whether the reply came to its end.
        overflowed: whether more came than `limit` allows; the rest was not read.
    """

    def __init__(self, limit: Callable[[Incoming], int]) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.begun = True
        self.handed_over = True
        self.complete = False
        self.overflowed = False
        self.size: int = 0
        # It hands out its bytes without a copy: a second buffer of a picture's size would take new pages from
        # the system, and give them back, with each call.
        self._body = BytesIO()
        self._limit = limit
        self._decoder: Any = None
        self._decoded = 0

    @classmethod
    def unsent(cls, limit: Callable[[Incoming], int]) -> Incoming:
        """Return one of a request of which it will be known how much was sent; nothing was so far."""
        incoming = cls(limit)
        incoming.begun = incoming.handed_over = False
        return incoming

    def begin(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        self.status = status
        for name, value in headers:
            text, before = value.decode("latin-1"), self.headers.get(key := name.lower().decode("latin-1"))
            self.headers[key] = text if before is None else f"{before}, {text}"
        if self.headers.get("content-encoding", "").rpartition(",")[2].strip().lower() in PACKED:
            self._decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)

    def expect(self, length: int) -> None:
        """Make room for a body of such a length. A buffer that grows would be moved again and again."""
        self._body.truncate(0)
        self._body.seek(min(length, _MOST_ROOM))
        self._body.write(b"\0")
        self._body.seek(0)

    def add(self, data: bytes) -> bool:
        """Take a piece of the body, and return whether more is wanted."""
        self._body.write(data)
        self.size += len(data)
        self.overflowed = self.overflowed or self.size > self._limit(self) or self._is_a_bomb(data)
        return not self.overflowed

    def _is_a_bomb(self, data: bytes) -> bool:
        """Return whether what came decodes to far more than a picture would."""
        most = max(MAX_DECODED_FLOOR, MAX_DECODED_RATIO * self.size)
        while self._decoder is not None and data and self._decoded <= most:
            try:
                self._decoded += len(self._decoder.decompress(data, MIB))
            except zlib.error:  # it is marked wrongly
                self._decoder = None
            else:
                data = self._decoder.unconsumed_tail
        return self._decoded > most

    def start(self) -> bytes:
        """Return the first bytes of the body, as many as tell a picture, or JSON with one, from all else."""
        with self._body.getbuffer() as body:
            return bytes(body[: min(_START, self.size)])

    def reply(self) -> Reply:
        self._body.truncate(self.size)
        return Reply(self.status, self.headers, self._body.getvalue(), self.complete)

    def discard(self) -> None:
        """Let go of what came, where no reply was made of it."""


def json_of(body: bytes) -> Any:
    """Read a body as JSON; return None where it is none, or too deep or long to be meant well."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def clip(text: str, limit: int = MAX_TEXT) -> str:
    """Return at most so many characters of a text, on one line, without control characters."""
    clipped = "".join(c if c.isprintable() else " " for c in text[: 4 * limit])
    line = " ".join(clipped.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def moment(text: str) -> datetime | None:
    """Read a time of a header, in any form that one was seen in; return None where it is none.

    ISO 8601 (UTC where it names no zone), an HTTP date, or seconds or milliseconds since 1970.
    """
    text = text[:64].strip()
    try:
        if re.fullmatch(r"\d{1,16}(\.\d{1,9})?", text):
            number = float(text)
            return datetime.fromtimestamp(number / 1000 if number >= 1e11 else number, UTC)
        read = datetime.fromisoformat(text) if re.match(r"\d{4}-", text) else parsedate_to_datetime(text)
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError, OSError, TypeError, IndexError):
        return None


class Key:
    """The API key, and the headers of a gateway, which are as secret.

    Their text leaves through `reveal`, `headers` and `sign` alone: no repr, log or pickle carries it.
    """

    __slots__ = ("_more", "_text")

    def __init__(self, text: str, more: tuple[tuple[str, str], ...] = ()) -> None:
        self._text = text
        self._more = more

    def reveal(self) -> str:
        """Return the key."""
        return self._text

    def with_headers(self, more: tuple[tuple[str, str], ...]) -> Key:
        return Key(self._text, more)

    def with_headers_of(self, other: Key) -> Key:
        return Key(self._text, other._more)

    def headers(self) -> Headers:
        """Return the headers that carry the secrets."""
        pairs = (("x-api-key", self._text), *self._more)
        return [(name.encode(), value.encode()) for name, value in pairs]

    def sign(self, head: bytes, content: bytes) -> memoryview:
        """Return a request with the secrets as the last headers of its head.

        A memoryview's repr shows no bytes: no traceback that prints locals shows the key.
        """
        lines = (b"%b: %b\r\n" % pair for pair in self.headers())
        return memoryview(b"".join((head[:-2], *lines, b"\r\n", content)))

    def redact(self, text: str) -> str:
        for secret in self._secrets():
            text = text.replace(secret, "[API key]")
        return text

    def redact_reply(self, reply: Reply, *, body: bool = True) -> Reply:
        """Return the reply without the secrets in its headers and, unless `body` is false, in its body."""
        content = reply.body
        if body:
            for secret in self._secrets():
                content = content.replace(secret.encode(), b"[API key]")
        headers = {name: self.redact(value) for name, value in reply.headers.items()}
        return Reply(reply.status, headers, content, reply.complete, reply.stored)

    def _secrets(self) -> list[str]:
        # Of a gateway's headers the words that are long enough to be a secret.
        words = (word for _, value in self._more for word in value.split() if len(word) >= _SECRET)
        return [self._text, *words]

    def __repr__(self) -> str:
        return "<API key>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an API key is never pickled")
