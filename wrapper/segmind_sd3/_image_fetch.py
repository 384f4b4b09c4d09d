"""Images that have to be waited for: behind a URL, or in a file that is read with `await`.

A URL is fetched here, without the key, with limits on size, time and redirects. Its address must be public
unless the client allows others: a URL may come from somebody who wants to see what your network answers.
Through a proxy, the proxy connects to the address, and is responsible for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread

from ._errors import ConnectionFailed, ConnectionTimedOut, InvalidRequest, Problem
from ._image_input import encode_content
from ._imagefile import EncodedImage, NotAnImage, no_picture, sniff
from ._limits import MAX_IMAGE_BYTES, MAX_REDIRECTS, MIB
from ._routing import AddressRefused, route_of_image
from ._text import describe_error
from ._transport import send_once, send_once_async
from ._url import URL, InvalidURL
from ._wire import SENT_HEADERS, Failure, Incoming, Reply, Request, clip

if TYPE_CHECKING:
    from collections.abc import Generator

    from ._connections import Deadline
    from ._image_input import AsyncFile
    from ._routing import Route

_REDIRECTS: Final = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class Hop:
    """One request on the way to an image."""

    url: str
    route: Route
    request: Request
    incoming: Incoming


def fetch(name: str, url: URL, deadline: Deadline, **options: Any) -> EncodedImage:
    """Fetch an image.

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


async def fetch_async(name: str, url: URL, deadline: Deadline, **options: Any) -> EncodedImage:
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


async def read_async(name: str, file: AsyncFile, deadline: Deadline) -> EncodedImage:
    """Read an image from a file that is read with `await`.

    Raises:
        InvalidRequest: the file can't be read, or is no picture.
        ConnectionTimedOut: it was not read by the deadline.
    """
    data: object = None
    with anyio.CancelScope(deadline=anyio.current_time() + deadline.left()) as scope:
        try:
            data = await file.read()
        except Exception as error:  # noqa: BLE001 - it is not our code
            given = f"a file that can't be read ({describe_error(error)})"
            raise _invalid_image(name, given, "pass one that can be read") from None
    if scope.cancelled_caught:
        raise ConnectionTimedOut(
            f"Nothing was sent: the deadline of {deadline.seconds:g} s is over while {name} was read."
        )
    try:
        # To encode it would hold up every other task of the loop.
        return await anyio.to_thread.run_sync(encode_content, data, "the file")
    except NotAnImage as wrong:
        advice = wrong.advice if data else "rewind it first: await file.seek(0)"
        raise _invalid_image(name, str(wrong), advice) from None


def _hops(
    name: str, url: URL, options: dict[str, Any]
) -> Generator[Hop | EncodedImage, Reply | Failure | AddressRefused]:
    """Yield each request on the way to an image and receive its result. Yield the image at the end."""
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


def _encode_reply(name: str, shown: str, reply: Reply) -> EncodedImage:
    if reply.status != 200:
        raise _invalid_image(
            name, f"{shown} can't be used: its host answered {reply.status}, not 200", _PICTURE
        )
    encoding = reply.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        given = f"{shown} can't be used: its host sent it as {clip(encoding, 40)}, which was not asked for"
        raise _invalid_image(name, given, _PICTURE)
    try:
        return EncodedImage.of(reply.body, f"{shown} can't be used: it")
    except NotAnImage as wrong:
        raise _invalid_image(name, str(wrong), _PICTURE) from None


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
        if sniff(start := incoming.start()) is None:
            return _invalid_image(name, str(no_picture(start, f"{shown} can't be used: it")), _PICTURE)
        given = f"{shown} can't be used: it is larger than {MAX_IMAGE_BYTES // MIB} MiB"
        return _invalid_image(name, given, _PICTURE)
    return ConnectionFailed(f"Nothing was sent: {shown} could not be fetched ({failure.reason}).")


def _invalid_image(name: str, given: str, advice: str) -> InvalidRequest:
    problem = Problem(name, given, advice)
    return InvalidRequest(str(problem), (problem,))
