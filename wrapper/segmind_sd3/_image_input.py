"""What users may pass as an image, and how it becomes the base64 text that the API takes.

Only a whole PNG, JPEG, GIF or WebP is sent, byte for byte: a string from outside must not upload any file of
that name, and a picture that is cut short is not paid for. What may be meant in one way only is taken.
Anything else is refused with its cause and the way out. An object with an async `read()` is read by the async
client alone (`AsyncFile`); a coroutine is left to its owner.
"""

from __future__ import annotations

import io
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import suppress
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from ._content import PictureFile
from ._image_text import (
    ALLOWED,
    BLANKS,
    START,
    begins_as_text,
    check_url,
    decode_text,
    expand,
    parse_text,
    quoted,
)
from ._imagefile import EncodedImage, FileView, NotAnImage, no_picture, require_picture, sniff
from ._limits import MAX_HELD
from ._pixels import encode_array, encode_pil_image, is_pil_image
from ._result import Generation, Image
from ._text import describe_error, printable, type_name
from ._url import URL

_TENSOR: Final = (
    "pass an array of numpy of uint8, height x width x 3; of a tensor of 3 x height x width from 0 to 1, "
    "(tensor.permute(1, 2, 0) * 255).byte().cpu().numpy()"
)


class AsyncFile(NamedTuple):
    """An open file that has to be read with `await`."""

    read: Callable[[], Awaitable[object]]


def encode_image(value: object, *, can_await: bool = False) -> EncodedImage | URL | AsyncFile:
    """Return an image as the API takes it, or the URL or the file that it still has to be read from.

    Raises:
        NotAnImage: the value is of no kind that may be passed, or it is no picture.
    """
    if isinstance(value, str):
        value = parse_text(str.__str__(value))
    if isinstance(value, EncodedImage):
        return value
    if isinstance(value, URL):
        return check_url(value)
    if iscoroutinefunction(read := getattr(value, "read", None)):
        _check_status(value)
        if can_await:
            return AsyncFile(read)
        given = f"a value of type {type_name(value)}, whose read() is async"
        raise NotAnImage(given, "pass await value.read(), or use AsyncClient, which reads it")
    return _encode(value)


# -- Objects ----------------------------------------------------------------------------------------------


def _encode(value: Any) -> EncodedImage:
    """Encode what is in memory or can be read now."""
    if isinstance(value, Generation):
        if len(value.images) != 1:
            raise NotAnImage(f"a Generation of {len(value.images)} pictures", "pass one of them: .images[0]")
        value = value.image
    if isinstance(value, Image):
        return EncodedImage.of(value.data, "the picture that was drawn")
    if isinstance(value, (bytes, bytearray, memoryview)):
        return encode_content(cast("bytes", value), "the value")
    if isinstance(value, os.PathLike):
        return _read_file(Path(os.fsdecode(cast("os.PathLike[str]", value))))
    if is_pil_image(value):
        return EncodedImage.of(encode_pil_image(value), "the PIL image")
    return _encode_readable(value) or _encode_array(value)


def _encode_readable(value: Any) -> EncodedImage | None:
    if callable(getattr(value, "read", None)):
        _check_status(value)
        return _read_open_file(value)
    if callable(getattr(value, "read_bytes", None)):  # of a package's resources, or in a ZIP archive
        return encode_content(_call(value.read_bytes, value), "the file")
    if hasattr(value, "status_code") and hasattr(value, "content"):
        _check_status(value)
        return encode_content(_call(lambda: value.content, value), "the response")
    return None


def _encode_array(value: object) -> EncodedImage:
    if hasattr(type(value), "__array_interface__"):
        return EncodedImage.of(encode_array(value), "the array")
    if not _is_foreign_array(value):
        with suppress(TypeError):  # which says that it is no buffer
            return encode_content(memoryview(cast("bytes", value)), "the value")
    raise _refuse_object(value)


def _is_foreign_array(value: object) -> bool:
    """Return whether only numpy can read it, such as a tensor."""
    return hasattr(type(value), "__array__")


def _encode_bytes(data: bytes, subject: str) -> EncodedImage:
    """Encode the bytes of a picture, or of its base64 text or `data:` URI."""
    text = data.decode("ascii").strip(BLANKS) if begins_as_text(data) and data.isascii() else ""
    return decode_text(text) or EncodedImage.of(data, subject)


def _read_file(path: Path) -> EncodedImage:
    try:
        path = expand(path)
        subject = f"the file {quoted(path)}"
        with suppress(FileNotFoundError, NotADirectoryError, ValueError):
            path.stat()  # raises what is_file() hides from Python 3.14 on, such as a name that is too long
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "is no regular file"
            given = f"{subject} {what if path.exists() else 'does not exist'}"
            raise NotAnImage(given, "pass the path of a file that exists")
        with path.open("rb") as file:
            return _leave_in_file(file, path, subject) or _read_binary(file, subject)
    except OSError as error:
        given = f"the file {quoted(path)} can't be read ({error.strerror})"
        raise NotAnImage(given, "pass a file that can be read") from None


def _leave_in_file(file: io.BufferedReader, path: Path, subject: str) -> EncodedImage | None:
    """Check a large picture, and leave it in its file; return None where the file is small or no picture."""
    source = PictureFile.of(path, file)
    is_picture = sniff(file.read(START)) is not None
    file.seek(0)
    if source.size <= MAX_HELD or not is_picture:
        return None
    return EncodedImage(source, require_picture(FileView(file, source.size), subject))


def _read_binary(file: Any, subject: str) -> EncodedImage:
    # A large or endless file of another kind is refused by its first bytes, before the rest is read.
    start = b""
    while len(start) < START and (piece := file.read(START - len(start))):
        start += piece
    if sniff(start) is None and not begins_as_text(start):
        raise no_picture(start, subject)
    return _encode_bytes(start + file.read(), subject)


def _read_open_file(file: Any) -> EncodedImage:
    if getattr(file, "closed", False) is True:
        raise NotAnImage("a closed file", "open it anew, and pass it while it is open")
    if isinstance(file, io.TextIOBase):
        raise _text_file()
    position = _position(file)
    try:
        if isinstance(file, io.IOBase):
            return _read_binary(file, "the file")
        return encode_content(_call(file.read, file), "the file")
    except OSError as error:
        raise _unreadable(file, error) from None
    except NotAnImage as wrong:
        if position:
            given = f"{wrong}, read from byte {position} on"
            raise NotAnImage(given, "rewind it first: file.seek(0)") from None
        raise


def _position(file: Any) -> int:
    with suppress(Exception):
        return int(file.tell())
    return 0


def _call(read: Callable[[], object], owner: object) -> object:
    try:
        return read()
    except Exception as error:  # noqa: BLE001 - an object's methods may raise anything
        raise _unreadable(owner, error) from None


def encode_content(data: object, subject: str) -> EncodedImage:
    """Encode what a file's `read()` gave.

    Raises:
        NotAnImage: it is no bytes of a picture.
    """
    if isinstance(data, str):
        raise _text_file()
    try:
        content = data if type(data) is bytes else bytes(memoryview(cast("bytes", data)))
    except TypeError:
        given = f"{subject} gives a {type_name(data)}, and no bytes"
        raise NotAnImage(given, "pass the bytes themselves") from None
    return _encode_bytes(content, subject)


def _check_status(response: Any) -> None:
    """Refuse the answer of a host that is no success, as a URL's would be: it may show another picture."""
    status = getattr(response, "status_code", None) or getattr(response, "status", None)
    if isinstance(status, int) and not isinstance(status, bool) and status != 200:
        raise NotAnImage(f"a response with the status {status}, not 200", "pass one with a picture")


# -- What is refused --------------------------------------------------------------------------------------


def _text_file() -> NotAnImage:
    return NotAnImage("a file opened as text", 'open it in binary mode: open(path, "rb")')


def _unreadable(owner: object, error: Exception) -> NotAnImage:
    given = f"a value of type {type_name(owner)} that can't be read ({describe_error(error)})"
    return NotAnImage(given, "open it for reading, and pass it while it is open")


_ADVICE: Final[tuple[tuple[Callable[[Any], bool], str], ...]] = (
    (lambda value: isinstance(value, Awaitable), "await it, and pass what it gives"),
    (lambda value: isinstance(value, AsyncGenerator), 'b"".join([piece async for piece in value]) joins it'),
    (lambda value: isinstance(value, Generator), 'b"".join(value) joins its pieces'),
    (lambda value: isinstance(value, (list, tuple)), "pass one picture of it, such as value[0]"),
    (_is_foreign_array, _TENSOR),
    (lambda value: type_name(value).lower().endswith("url"), "pass it as a text: str(url)"),
    (callable, "call it, and pass what it gives"),
)
"""What to do about an object of no kind that may be passed; the first that fits counts."""


def _refuse_object(value: object) -> NotAnImage:
    advice = next((advice for fits, advice in _ADVICE if fits(value)), f"pass {ALLOWED}")
    return NotAnImage(f"a value of type {printable(type_name(value), 60)}", advice)
