"""What users may pass as an image, and how it becomes the base64 text that the API takes.

A string is read as the first of these that fits: a `data:` URI, an http(s) URL, base64 that decodes to a
picture, a path. The path is last, since the base64 text of a JPEG begins with `/9j/`. Only bytes that begin
as PNG, JPEG, GIF or WebP are sent: a string from outside must not upload any file that has that name.

A URL is fetched here, without the key, with limits on size, time and redirects. Its address must be public
unless the client allows others: a URL may come from somebody who wants to see what your network answers.
Through a proxy, the proxy connects to the address, and is responsible for it.
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
from ._wire import SENT_HEADERS, Failure, Incoming, Reply, Request, clip

if TYPE_CHECKING:
    from collections.abc import Generator

    from ._connections import Deadline
    from ._routing import Route

ALLOWED: Final = (
    "a path, bytes, an open binary file, a PIL image, a data: URI, an http(s) URL, "
    "or base64 text of a PNG, JPEG, GIF or WebP"
)


class NotAnImage(ValueError):
    """The value can't be sent as an image. The message says what it is, `advice` what to pass instead."""

    def __init__(self, given: str, advice: str = f"pass {ALLOWED}") -> None:
        super().__init__(given)
        self.advice = advice


def encode_image(value: object) -> str | URL:
    """Return the base64 text of an image, or the URL that it has to be fetched from.

    Raises:
        NotAnImage: the value is of no kind that may be passed, or it is no picture.
    """
    if isinstance(value, str):
        value = _parse_string(value)
        if isinstance(value, URL):
            return value
    return base64.b64encode(_require_picture(_read_bytes(value))).decode()


def _parse_string(text: str) -> bytes | Path | URL:
    if text[:5].lower() == "data:":
        header, _, body = text.partition(",")
        data = decode_base64(body) if header.endswith(";base64") else unquote_to_bytes(body)
        return data or b""
    if text[:8].lower().startswith(("http://", "https://")):
        return _parse_url(text)
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


def _parse_url(text: str) -> URL:
    try:
        url = URL(text.strip())
    except InvalidURL as wrong:
        raise NotAnImage(f"{text[:60]!r} is no URL: {wrong}") from None
    if not url.host:
        raise NotAnImage(f"{text[:60]!r} names no host")
    return url


def _read_bytes(value: Any) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(cast("bytes", value))
    if isinstance(value, os.PathLike):
        return _read_file(Path(cast("os.PathLike[str]", value)))
    if _is_pil_image(value):
        return _encode_png(value)
    if callable(getattr(value, "read", None)):
        data = value.read()
        if not isinstance(data, bytes):
            raise NotAnImage("a file opened as text", 'open it in binary mode: open(path, "rb")')
        return data
    raise NotAnImage(f"a value of type {type(value).__name__}")


def _read_file(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise NotAnImage(f"{path} is no file", "pass the path of a file that exists")
        with path.open("rb") as file:
            # A large file of another kind is refused by its first bytes, before the rest is read.
            return _require_picture(file.read(16)) + file.read()
    except OSError as error:
        raise NotAnImage(f"{path} can't be read: {error.strerror}", "pass a file that can be read") from None


def _is_pil_image(value: object) -> bool:
    # Whoever has a PIL image has imported Pillow. The SDK does not import it for this check.
    pil: Any = sys.modules.get("PIL.Image")
    return pil is not None and isinstance(value, pil.Image)


def _encode_png(image: Any) -> bytes:
    buffer = BytesIO()
    try:
        image.save(buffer, format="PNG")
    except OSError:  # PNG does not support the mode, such as CMYK
        buffer = BytesIO()
        image.convert("RGB").save(buffer, format="PNG")
    return buffer.getvalue()


def _require_picture(data: bytes) -> bytes:
    if sniff(data) is None:
        what = "bytes that begin as no PNG, JPEG, GIF or WebP" if data else "no bytes at all"
        raise NotAnImage(what, "pass a picture in one of these formats")
    return data


# -- Fetching ---------------------------------------------------------------------------------------------

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
        InvalidRequest: the host's address is not public, or its answer is no picture or too large.
        ConnectionFailed: the host can't be reached, or not in time.
    """
    hops = _hops(name, url, options)
    hop = next(hops)
    while isinstance(hop, Hop):
        try:
            event = send_once(hop.url, hop.route, hop.request, hop.incoming, deadline)
        except AddressRefused as refused:
            event = refused
        hop = hops.send(event)
    return hop


async def fetch_async(name: str, url: URL, deadline: Deadline, **options: Any) -> str:
    """Fetch an image as `fetch` does, with `await`."""
    hops = _hops(name, url, options)
    hop = next(hops)
    while isinstance(hop, Hop):
        try:
            event = await send_once_async(hop.url, hop.route, hop.request, hop.incoming, deadline)
        except AddressRefused as refused:
            event = refused
        hop = hops.send(event)
    return hop


def _hops(
    name: str, url: URL, options: dict[str, Any]
) -> Generator[Hop | str, Reply | Failure | AddressRefused]:
    """Yield each request on the way to an image and receive its result. Yield the base64 text at the end."""
    shown = _without_secrets(url)
    for _ in range(MAX_REDIRECTS + 1):
        shown = _without_secrets(url)
        incoming = Incoming.unsent(_size_limit)
        try:
            route = route_of_image(url, **options)
            event = yield Hop(str(url), route, Request(b"GET", url.raw_path, SENT_HEADERS), incoming)
        except AddressRefused as refused:
            event = refused
        if isinstance(event, AddressRefused):
            raise _invalid_image(name, f"{shown} leads to a private address", _PRIVATE) from event
        if isinstance(event, Failure):
            raise _error_from(name, shown, incoming, event)
        location = event.headers.get("location")
        if event.status not in _REDIRECTS or location is None:
            yield _encode_reply(name, shown, event)
            return
        url = _next_url(name, shown, url, location)
    raise _invalid_image(name, f"{shown} is more than {MAX_REDIRECTS} redirects away", _PICTURE)


def _without_secrets(url: URL) -> str:
    return str(url.copy_with(userinfo=b"", query=None, fragment=None))


_PRIVATE: Final = "pass the picture itself, or allow_private_image_urls=True to the client"
_PICTURE: Final = "pass the URL of a picture, or the picture itself"


def _size_limit(incoming: Incoming) -> int:
    """Return how many bytes of a reply are read: only the first 16 where they begin no picture."""
    if incoming.status == 200 and (incoming.size < 16 or sniff(incoming.start())):
        return MAX_IMAGE_BYTES
    return 16


def _encode_reply(name: str, shown: str, reply: Reply) -> str:
    if reply.status != 200:
        raise _invalid_image(
            name, f"{shown} can't be used: its host answered {reply.status}, not 200", _PICTURE
        )
    encoding = reply.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        given = f"{shown} can't be used: its host sent it as {clip(encoding, 40)}, which was not asked for"
        raise _invalid_image(name, given, _PICTURE)
    if sniff(reply.body) is None:
        raise _invalid_image(name, f"{shown} can't be used: it is no PNG, JPEG, GIF or WebP", _PICTURE)
    return base64.b64encode(reply.body).decode()


def _next_url(name: str, shown: str, url: URL, location: str) -> URL:
    try:
        following = url.join(location)
    except (InvalidURL, ValueError):
        following = None
    if following is None or following.scheme not in ("http", "https") or not following.host:
        given = f"{shown} can't be used: it redirects to {clip(location, 60)!r}, which is no http(s) URL"
        raise _invalid_image(name, given, _PICTURE)
    return following


def _error_from(
    name: str, shown: str, incoming: Incoming, failure: Failure
) -> InvalidRequest | ConnectionFailed:
    if failure.timed_out:
        return ConnectionTimedOut(f"Nothing was sent: {failure.reason} while {shown} was fetched.")
    if incoming.overflowed:
        # A reply that does not begin as a picture has a much lower limit.
        if sniff(incoming.start()) is None:
            return _invalid_image(name, f"{shown} can't be used: it is no PNG, JPEG, GIF or WebP", _PICTURE)
        given = f"{shown} can't be used: it is larger than {MAX_IMAGE_BYTES // MIB} MiB"
        return _invalid_image(name, given, _PICTURE)
    return ConnectionFailed(f"Nothing was sent: {shown} could not be fetched ({failure.reason}).")


def _invalid_image(name: str, given: str, advice: str) -> InvalidRequest:
    problem = Problem(name, given, advice)
    return InvalidRequest(str(problem), (problem,))
