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
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast
from urllib.parse import unquote_to_bytes

import anyio
import httpx

from ._connections import AsyncTransport, PrivateAddress, Transport, proxy_for, told_of
from ._errors import ConnectionFailed, ConnectionTimedOut, InvalidRequest, Problem
from ._exchange import decoded
from ._imagefile import sniff

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._connections import Deadline

MAX_IMAGE_BYTES: Final = 64 * 1024 * 1024
"""The largest image that is fetched from a URL: well above any picture of 2048 x 2048, the pages' limit."""

MAX_REDIRECTS: Final = 5

C = TypeVar("C")

ALLOWED: Final = (
    "a path, bytes, an open binary file, a PIL image, a data: URI, an http(s) URL, "
    "or base64 text of a PNG, JPEG, GIF or WebP"
)


class NotAnImage(ValueError):
    """The value can't be sent as an image. The message says what it is, `advice` what to give instead."""

    def __init__(self, given: str, advice: str = f"pass {ALLOWED}") -> None:
        super().__init__(given)
        self.advice = advice


def encoded(value: object) -> str | httpx.URL:
    """Give the base64 text of an image, or the URL that it must be fetched from first.

    Raises:
        NotAnImage: the value is none of what may be given, or not a picture.
    """
    if isinstance(value, str):
        value = _from_text(value)
        if isinstance(value, httpx.URL):
            return value
    return base64.b64encode(_checked(_bytes_of(value))).decode()


def _from_text(text: str) -> bytes | Path | httpx.URL:
    if text[:5].lower() == "data:":
        header, _, body = text.partition(",")
        data = decoded(body) if header.endswith(";base64") else unquote_to_bytes(body)
        return data or b""
    if text[:8].lower().startswith(("http://", "https://")):
        return _url(text)
    data = decoded(text)
    if data and sniff(data):
        return data
    try:
        if Path(text).is_file():
            return Path(text)
    except (OSError, ValueError):
        pass
    shown = text if len(text) <= 60 else text[:60] + "…"
    raise NotAnImage(f"{shown!r} is neither the base64 of a picture nor a file that exists")


def _url(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text.strip())
    except httpx.InvalidURL as wrong:
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


class _Refused(Exception):
    """The answer of the image's host is not one to take."""


class Download:
    """What is taken of the answer of an image's host, chunk by chunk."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._refused: _Refused | None = None

    def begins(self, response: httpx.Response) -> None:
        if response.status_code != 200:
            raise _Refused(f"its host answered {response.status_code}, not 200")

    def wants_more(self, chunk: bytes) -> bool:
        """Take a chunk, and say whether to go on."""
        self._data += chunk
        if len(self._data) > MAX_IMAGE_BYTES:
            self._refused = _Refused(f"it is larger than {MAX_IMAGE_BYTES // 1024**2} MiB")
        elif len(self._data) >= 16:
            self._check()
        return self._refused is None

    def text(self) -> str:
        self._check()
        if self._refused:
            raise self._refused
        return base64.b64encode(self._data).decode()

    def _check(self) -> None:
        if sniff(bytes(self._data[:16])) is None:
            self._refused = _Refused("it is no PNG, JPEG, GIF or WebP")


def fetch(
    name: str, url: httpx.URL, deadline: Deadline, *, private: bool, proxy: str | None, verify: Any
) -> str:
    """Fetch an image and give its base64 text.

    Raises:
        InvalidRequest: the host's answer is no picture, too large, or its address not public.
        ConnectionFailed: the host can't be reached, or not in time.
    """
    download = Download()
    try:
        with (
            deadline.applied(),
            _client(
                httpx.Client, Transport, private=private, proxy=proxy or proxy_for(url), verify=verify
            ) as client,
            client.stream("GET", url) as response,
        ):
            download.begins(response)
            for chunk in response.iter_bytes():
                if not download.wants_more(chunk):
                    break
        return download.text()
    except (_Refused, httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        failure = _failure(name, url, error, deadline)
    raise failure


async def fetch_async(
    name: str, url: httpx.URL, deadline: Deadline, *, private: bool, proxy: str | None, verify: Any
) -> str:
    """Do as `fetch` does, with `await`."""
    download = Download()
    try:
        with anyio.fail_after(deadline.left()) as scope:
            async with (
                _client(
                    httpx.AsyncClient,
                    AsyncTransport,
                    private=private,
                    proxy=proxy or proxy_for(url),
                    verify=verify,
                ) as client,
                client.stream("GET", url) as response,
            ):
                download.begins(response)
                async for chunk in response.aiter_bytes():
                    if not download.wants_more(chunk):
                        scope.cancel()  # as in transport.py: the generators below come to their end
        return download.text()
    except (_Refused, httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        failure = _failure(name, url, error, deadline)
    raise failure


def _client(
    kind: Callable[..., C], transport: Callable[..., object], *, private: bool, proxy: str | None, verify: Any
) -> C:
    return kind(
        transport=transport(public_only=not private and proxy is None, proxy=proxy, verify=verify),
        headers={"accept-encoding": "identity"},
        follow_redirects=True,
        max_redirects=MAX_REDIRECTS,
        timeout=None,
        trust_env=False,
    )


def _failure(
    name: str, url: httpx.URL, error: Exception, deadline: Deadline
) -> InvalidRequest | ConnectionFailed:
    shown = str(url.copy_with(userinfo=b"", query=None, fragment=None))
    if isinstance(error, (httpx.TimeoutException, TimeoutError)):
        return ConnectionTimedOut(
            f"Nothing was sent: the deadline of {deadline.seconds:g} s ended while {shown} was fetched."
        )
    if isinstance(error.__cause__, PrivateAddress):
        advice = "pass the picture itself, or allow_private_image_urls=True to the client"
        return _invalid(name, f"{shown} leads to a private address", advice)
    if isinstance(error, (_Refused, httpx.TooManyRedirects, httpx.UnsupportedProtocol, httpx.InvalidURL)):
        return _invalid(
            name, f"{shown} can't be used: {error}", "pass the URL of a picture, or the picture itself"
        )
    return ConnectionFailed(f"Nothing was sent: {shown} could not be fetched ({told_of(error)}).")


def _invalid(name: str, given: str, advice: str) -> InvalidRequest:
    problem = Problem(name, given, advice)
    return InvalidRequest(str(problem), (problem,))
