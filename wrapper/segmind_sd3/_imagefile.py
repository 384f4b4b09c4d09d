"""Read the format and size of a picture from its bytes, and whether they are complete.

The bytes are read segment by segment. A name, a content type or the last bytes alone decide nothing. Pillow
would decode every pixel to find out the same, and is no dependency of the SDK.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SUFFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    "image/jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "image/png": (".png",),
    "image/webp": (".webp",),
    "image/gif": (".gif",),
}
"""The file name suffixes of each format. `save` adds the first."""

PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class Picture:
    """The media type of a picture, and its size in pixels."""

    media_type: str
    width: int
    height: int


def sniff(data: bytes) -> str | None:
    """Return the media type that the first bytes show, or None where they begin no known format."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(PNG_SIGNATURE):
        return "image/png"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return None


def read_picture(data: bytes) -> Picture | None:
    """Return what the bytes of a complete picture say, or None where they are cut short or no picture."""
    media_type = sniff(data)
    if media_type is None:
        return None
    try:
        size = _SIZE_READERS[media_type](data)
    except IndexError:
        return None
    return Picture(media_type, *size) if size is not None and min(size) > 0 else None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Read the segments up to the scan, then find an end marker. What follows the marker is ignored."""
    frames = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
    size: tuple[int, int] | None = None
    at = 2
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        after = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if marker in frames:
            size = (int.from_bytes(data[at + 7 : at + 9]), int.from_bytes(data[at + 5 : at + 7]))
        if marker == 0xDA:
            # From the end, where a complete picture has it: to search through the scan would take longest.
            return size if data.rfind(b"\xff\xd9", after) != -1 else None
        if after < at + 4:
            return None
        at = after
    return None


def _png_size(data: bytes) -> tuple[int, int] | None:
    size = (int.from_bytes(data[16:20]), int.from_bytes(data[20:24]))
    at = len(PNG_SIGNATURE)
    while at + 12 <= len(data):
        after = at + 12 + int.from_bytes(data[at : at + 4])
        if data[at + 4 : at + 8] == b"IEND":
            return size
        at = after
    return None


def _gif_size(data: bytes) -> tuple[int, int] | None:
    size = (int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little"))

    def after_table(packed: int, at: int) -> int:
        return at + (3 << (packed & 7) + 1) if packed & 0x80 else at

    at = after_table(data[10], 13)
    while data[at] != 0x3B:
        if data[at] == 0x2C:
            at = after_table(data[at + 9], at + 10) + 1
        elif data[at] == 0x21:
            at += 2
        else:
            return None
        while data[at]:
            at += 1 + data[at]
        at += 1
    return size


def _webp_size(data: bytes) -> tuple[int, int] | None:
    if len(data) < 8 + int.from_bytes(data[4:8], "little"):
        return None
    chunk = data[12:16]
    if chunk == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if chunk == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 ":
        return (
            int.from_bytes(data[26:28], "little") & 0x3FFF,
            int.from_bytes(data[28:30], "little") & 0x3FFF,
        )
    return None


_SIZE_READERS: Final[Mapping[str, Callable[[bytes], tuple[int, int] | None]]] = {
    "image/jpeg": _jpeg_size,
    "image/png": _png_size,
    "image/gif": _gif_size,
    "image/webp": _webp_size,
}
