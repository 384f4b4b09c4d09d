"""What may be given for an image, and how it becomes the base64 text that the API takes.

A string is tried in this order: a `data:` URI, an http(s) URL, base64 that decodes to a picture, a path
(last, since base64 of a JPEG begins with `/9j/`). Whatever it is, what does not begin as PNG, JPEG, GIF or
WebP is never sent: a free string must not upload any file that happens to have that name.

A URL is fetched here, without the key, with limits on size, time and redirects, and from a public address
alone unless that is allowed: a URL may come from somebody who wants to see what your network answers.
Through a proxy the peer is the proxy, so there the address is the proxy's to judge.
"""

from __future__ import annotations

import base64
import os
import sys
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import unquote_to_bytes

from ._errors import ConnectionFailed, ConnectionTimedOut, InvalidRequest, Problem
from ._imagefile import sniff
from ._limits import MAX_IMAGE_BYTES, MAX_REDIRECTS, MIB
from ._reply import decode_base64
from ._routing import AddressRefused, route_of_image
from ._transport import send_once, send_once_async
from ._url import URL, InvalidURL
from ._version import USER_AGENT
from ._wire import Failure, Incoming, Reply, Request, clip

if TYPE_CHECKING:
    from collections.abc import Generator

    from ._connections import Deadline
    from ._routing import Route

ALLOWED: Final = (
    "a path, bytes, an open binary file, a PIL image, a data: URI, an http(s) URL, "
    "or base64 text of a PNG, JPEG, GIF or WebP"
)


class NotAnImage(ValueError):
    """The value can't be sent as an image. The message says what it is, `advice` what to give instead."""

    def __init__(self, given: str, advice: str = f"pass {ALLOWED}") -> None:
        super().__init__(given)
        self.advice = advice


def encoded(value: object) -> str | URL:
    """Give the base64 text of an image, or the URL that it must be fetched from first.

    Raises:
        NotAnImage: the value is none of what may be given, or not a picture.
    """
    if isinstance(value, str):
        value = _from_text(value)
        if isinstance(value, URL):
            return value
    return base64.b64encode(_checked(_bytes_of(value))).decode()


def _from_text(text: str) -> bytes | Path | URL:
    if text[:5].lower() == "data:":
        header, _, body = text.partition(",")
        data = decode_base64(body) if header.endswith(";base64") else unquote_to_bytes(body)
        return data or b""
    if text[:8].lower().startswith(("http://", "https://")):
        return _url(text)
    data = decode_base64(text)
    if data and sniff(data):
        return data
    try:
        if Path(text).is_file():
            return Path(text)
    except (OSError, ValueError):
        pass
    shown = text if len(text) <= 60 else text[:60] + "…"
    raise NotAnImage(f"{shown!r} is neither the base64 of a picture nor a file that exists")


def _url(text: str) -> URL:
    try:
        url = URL(text.strip())
    except InvalidURL as wrong:
        raise NotAnImage(f"{text[:60]!r} is no URL: {wrong}") from None
    if not url.host:
        raise NotAnImage(f"{text[:60]!r} names no host")
    return url


def _bytes_of(value: Any) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(cast("bytes", value))
    if isinstance(value, os.PathLike):
        return _read(Path(cast("os.PathLike[str]", value)))
    if _is_pil(value):
        return _png(value)
    if callable(getattr(value, "read", None)):
        data = value.read()
        if not isinstance(data, bytes):
            raise NotAnImage("a file opened as text", 'open it in binary mode: open(path, "rb")')
        return data
    raise NotAnImage(f"a value of type {type(value).__name__}")


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise NotAnImage(f"{path} is no file", "pass the path of a file that exists")
        with path.open("rb") as file:
            # The first bytes decide before the rest is read: a large file of another kind is not.
            return _checked(file.read(16)) + file.read()
    except OSError as error:
        raise NotAnImage(f"{path} can't be read: {error.strerror}", "pass a file that can be read") from None


def _is_pil(value: object) -> bool:
    # Nobody has a PIL image without having imported Pillow; the SDK alone does without it.
    pil: Any = sys.modules.get("PIL.Image")
    return pil is not None and isinstance(value, pil.Image)


def _png(image: Any) -> bytes:
    def saved(image: Any) -> bytes:
        buffer = BytesIO()
        image.save(buffer, format="PNG")
        return buffer.getvalue()

    try:
        return saved(image)
    except OSError:  # a mode that PNG does not know, such as CMYK
        return saved(image.convert("RGB"))


def _checked(data: bytes) -> bytes:
    if sniff(data) is None:
        what = "no bytes at all" if not data else "bytes that begin as no PNG, JPEG, GIF or WebP"
        raise NotAnImage(what, "pass a picture in one of these formats")
    return data


# -- Fetching ---------------------------------------------------------------------------------------------

_HEADERS: Final = [(b"accept", b"*/*"), (b"accept-encoding", b"identity"), (b"user-agent", USER_AGENT)]
_REDIRECTS: Final = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class Hop:
    """One request on the way to an image."""

    url: str
    route: Route
    request: Request
    incoming: Incoming


def fetch(name: str, url: URL, deadline: Deadline, **options: Any) -> str:
    """Fetch an image and return its base64 text.

    `options` are `private` (whether an address that is not public is allowed), `proxy` and `verify`.

    Raises:
        InvalidRequest: the host's answer is no picture, too large, or its address not public.
        ConnectionFailed: the host can't be reached, or not in time.
    """
    steps = _hops(name, url, options)
    hop = next(steps)
    try:
        while True:
            try:
                event = send_once(hop.url, hop.route, hop.request, hop.incoming, deadline)
            except AddressRefused as refused:
                hop = steps.throw(refused)
            else:
                hop = steps.send(event)
    except StopIteration as done:
        return done.value


async def fetch_async(name: str, url: URL, deadline: Deadline, **options: Any) -> str:
    """Do as `fetch` does, with `await`."""
    steps = _hops(name, url, options)
    hop = next(steps)
    try:
        while True:
            try:
                event = await send_once_async(hop.url, hop.route, hop.request, hop.incoming, deadline)
            except AddressRefused as refused:
                hop = steps.throw(refused)
            else:
                hop = steps.send(event)
    except StopIteration as done:
        return done.value


def _hops(name: str, url: URL, options: dict[str, Any]) -> Generator[Hop, Reply | Failure, str]:
    """Yield each request on the way to an image, is sent what came of it, and return its base64 text."""
    shown = _shown(url)
    for _ in range(MAX_REDIRECTS + 1):
        shown = _shown(url)
        incoming = Incoming.unsent(_largest)
        try:
            route = route_of_image(url, **options)
            event = yield Hop(str(url), route, Request(b"GET", url.raw_path, _HEADERS), incoming)
        except AddressRefused as refused:
            raise _invalid(name, f"{shown} leads to a private address", _PRIVATE) from refused
        if isinstance(event, Failure):
            raise _failed(name, shown, incoming, event)
        location = event.headers.get("location")
        if event.status not in _REDIRECTS or location is None:
            return _text(name, shown, event)
        url = _next_url(name, shown, url, location)
    raise _invalid(name, f"{shown} is more than {MAX_REDIRECTS} redirects away", _PICTURE)


def _shown(url: URL) -> str:
    return str(url.copy_with(userinfo=b"", query=None, fragment=None))


_PRIVATE: Final = "pass the picture itself, or allow_private_image_urls=True to the client"
_PICTURE: Final = "pass the URL of a picture, or the picture itself"


def _largest(incoming: Incoming) -> int:
    """Return how many bytes are read: of what does not begin as a picture, no more than tell that."""
    if incoming.status == 200 and (incoming.size < 16 or sniff(incoming.start())):
        return MAX_IMAGE_BYTES
    return 16


def _text(name: str, shown: str, reply: Reply) -> str:
    if reply.status != 200:
        raise _invalid(name, f"{shown} can't be used: its host answered {reply.status}, not 200", _PICTURE)
    if (encoding := reply.headers.get("content-encoding", "identity").strip().lower()) not in (
        "",
        "identity",
    ):
        given = f"{shown} can't be used: its host sent it as {clip(encoding, 40)}, which was not asked for"
        raise _invalid(name, given, _PICTURE)
    if sniff(reply.body) is None:
        raise _invalid(name, f"{shown} can't be used: it is no PNG, JPEG, GIF or WebP", _PICTURE)
    return base64.b64encode(reply.body).decode()


def _next_url(name: str, shown: str, url: URL, location: str) -> URL:
    try:
        following = url.join(location)
    except (InvalidURL, ValueError):
        following = None
    if following is None or following.scheme not in ("http", "https") or not following.host:
        given = f"{shown} can't be used: it redirects to {clip(location, 60)!r}, which is no http(s) URL"
        raise _invalid(name, given, _PICTURE)
    return following


def _failed(name: str, shown: str, incoming: Incoming, failure: Failure) -> InvalidRequest | ConnectionFailed:
    if failure.timed_out:
        return ConnectionTimedOut(f"Nothing was sent: {failure.reason} while {shown} was fetched.")
    if incoming.overflowed:
        # The reply began as a picture, or not: the one is too large, and the other is no picture.
        if sniff(incoming.start()) is None:
            return _invalid(name, f"{shown} can't be used: it is no PNG, JPEG, GIF or WebP", _PICTURE)
        given = f"{shown} can't be used: it is larger than {MAX_IMAGE_BYTES // MIB} MiB"
        return _invalid(name, given, _PICTURE)
    return ConnectionFailed(f"Nothing was sent: {shown} could not be fetched ({failure.reason}).")


def _invalid(name: str, given: str, advice: str) -> InvalidRequest:
    problem = Problem(name, given, advice)
    return InvalidRequest(str(problem), (problem,))
