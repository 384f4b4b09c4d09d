"""Describe a body: JSON, text or a picture, with large pictures named by their digest. It never raises."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
from dataclasses import dataclass, field
from typing import Any, Final, cast

from segmind_sd3._imagefile import sniff

LARGEST_INLINE: Final = 2048
"""Bytes of a picture that still stands in the report itself."""

LONGEST_TEXT: Final = 16_384
"""Characters of a text that are kept."""


@dataclass(frozen=True, slots=True)
class Content:
    """A body, read.

    Attributes:
        form: json, text, picture or bytes; None where there is no body.
        value: the JSON, with a description in place of each large picture; the text, cut to `LONGEST_TEXT`
            characters; the base64 of a small picture or of other bytes, else None.
        pictures: the bytes of each picture that it is or carries.
    """

    form: str | None
    value: Any
    pictures: tuple[bytes, ...] = field(default=(), repr=False)


def read(body: bytes, largest: int = LARGEST_INLINE) -> Content:
    """Read the body of a reply; pictures of more than `largest` bytes are not in its value."""
    if not body:
        return Content(None, None)
    if sniff(body):
        return Content("picture", _inline(body, largest), (body,))
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return Content("bytes", _inline(body, largest))
    try:
        return Content("json", *unpacked(json.loads(text), largest))
    except (ValueError, RecursionError):
        return Content("text", text[:LONGEST_TEXT])


def described(data: bytes) -> dict[str, Any]:
    """Say which bytes they are: digest, size, and the media type that they begin as."""
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "media_type": sniff(data)}


def unpacked(value: Any, largest: int = LARGEST_INLINE) -> tuple[Any, tuple[bytes, ...]]:
    """Return a JSON value without its large pictures, and all pictures that it holds in base64.

    In place of one of more than `largest` bytes stands its description. What JSON can't say, such as NaN, is
    given as text.
    """
    pictures: list[bytes] = []

    def plain(part: Any) -> Any:
        match part:
            case str():
                data = _pictured(part)
                if data is None:
                    return part
                pictures.append(data)
                return described(data) if len(data) > largest else part
            case dict():
                return {str(name): plain(each) for name, each in cast("dict[Any, Any]", part).items()}
            case list() | tuple():
                return [plain(each) for each in cast("list[Any]", part)]
            case float() if not math.isfinite(part):
                return str(part)
            case _:
                return part

    return plain(value), tuple(pictures)


def _pictured(text: str) -> bytes | None:
    """Return the picture that a base64 text or a `data:` URI holds."""
    packed = text.partition(";base64,")[2] if text.startswith("data:") else text
    # Whether it begins as a picture is told by 16 characters: most texts are none, and some are long.
    if len(packed) < 16 or sniff(_decoded(packed[:16])) is None:
        return None
    return _decoded(packed) or None


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        return b""


def _inline(data: bytes, largest: int) -> str | None:
    return base64.b64encode(data).decode() if len(data) <= largest else None
