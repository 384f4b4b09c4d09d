"""Write a JSON object into the file of a picture, and read it back, without decoding a pixel.

It stands where other programs look for text: in PNG, in an `iTXt` chunk with the keyword `segmind-sd3`; in
JPEG and WebP, in the `UserComment` of EXIF, or in the `ImageDescription` where another program has written
the comment. All else in the file stays as it is. What is new in EXIF is added at its end: no offset changes.

`UserComment` is UTF-8 with the code for an undefined character set: exiftool, exiv2 and libexif show it as it
is, and Pillow returns its bytes. (With the code for Unicode, libexif shows none.) `ImageDescription` is ASCII
with JSON's escapes, since Pillow reads it as Latin-1.
"""

from __future__ import annotations

import json
import struct
import zlib
from typing import TYPE_CHECKING, Any, Final

from ._imagefile import PNG_SIGNATURE, read_picture, sniff
from ._version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

NAME: Final = "segmind-sd3"
"""The first key of each object, with the version that wrote it; in PNG, the keyword too."""

_OURS: Final = f'{{"{NAME}":'
_DAMAGED: Final = (IndexError, struct.error)


class NoMetadata(ValueError):
    """The file of a picture can't hold metadata. The message says why."""


def embed(data: bytes, content: Mapping[str, Any]) -> bytes:
    """Return the file of a picture with an object in it, which replaces one that is there already.

    Raises:
        NoMetadata: the file can't hold it.
    """
    write = _WRITERS.get(sniff(data) or "")
    if write is None:
        raise NoMetadata("only PNG, JPEG and WebP hold metadata")
    try:
        return write(data, json.dumps({NAME: __version__, **content}, ensure_ascii=False))
    except _DAMAGED:
        raise NoMetadata("the file or its EXIF is damaged") from None


def extract(data: bytes) -> Any:
    """Return the object in the file of a picture, or None where there is none."""
    read = _READERS.get(sniff(data) or "")
    try:
        texts = [text for text in read(data) if text.startswith(_OURS)] if read else []
        return json.loads(texts[0].rstrip("\0")) if texts else None
    except (*_DAMAGED, ValueError, RecursionError):
        return None


def _utf8(text: str) -> bytes:
    # A lone surrogate becomes an escape, which is JSON's own.
    return text.encode("utf-8", "backslashreplace")


# -- PNG --------------------------------------------------------------------------------------------------

_ITXT: Final = b"iTXt" + NAME.encode() + b"\0\0\0\0\0"
"""What stands before the text: the keyword; not compressed; no language; no translated keyword."""


def _png_chunks(data: bytes) -> Iterator[bytes]:
    """Yield each chunk, and what follows the last one."""
    at, kind = len(PNG_SIGNATURE), b""
    while kind != b"IEND" and at + 12 <= len(data):
        kind, start = data[at + 4 : at + 8], at
        at += 12 + int.from_bytes(data[at : at + 4])
        yield data[start:at]
    yield data[at:]


def _write_png(data: bytes, text: str) -> bytes:
    first, *others = _png_chunks(data)
    chunk = _ITXT + _utf8(text)
    new = (len(chunk) - 4).to_bytes(4) + chunk + zlib.crc32(chunk).to_bytes(4)
    return b"".join(
        (PNG_SIGNATURE, first, new, *(other for other in others if not other.startswith(_ITXT, 4)))
    )


def _read_png(data: bytes) -> Iterator[str]:
    for chunk in _png_chunks(data):
        if chunk.startswith(_ITXT, 4):
            yield chunk[4 + len(_ITXT) : -4].decode("utf-8", "replace")


# -- JPEG -------------------------------------------------------------------------------------------------

_EXIF: Final = b"Exif\0\0"


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield the start, the end, and the marker with the first bytes, of each segment before the scan."""
    at = 2
    while data[at] == 0xFF and data[at + 1] != 0xDA:
        if data[at + 1] == 0xFF:  # a marker may be preceded by any number of them
            at += 1
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        yield at, end, data[at + 1 : at + 2] + data[at + 4 : at + 10]
        at = end


def _jpeg_exif(data: bytes) -> list[tuple[int, int]]:
    return [(start, end) for start, end, begins in _jpeg_segments(data) if begins == b"\xe1" + _EXIF]


def _write_jpeg(data: bytes, text: str) -> bytes:
    found = _jpeg_exif(data)
    if len(found) > 1:
        raise NoMetadata("its EXIF is in several parts")
    # Without EXIF: after the segments of JFIF, which must be the first.
    jfif = [end for _, end, begins in _jpeg_segments(data) if begins[0] == 0xE0]
    start, end = found[0] if found else (max(jfif, default=2),) * 2
    body = _EXIF + _add_to_exif(data[start + 4 + len(_EXIF) : end], text)
    if len(body) + 2 > 0xFFFF:
        raise NoMetadata(f"EXIF in a JPEG has at most {0xFFFF} bytes: save a PNG")
    return data[:start] + b"\xff\xe1" + (len(body) + 2).to_bytes(2) + body + data[end:]


def _read_jpeg(data: bytes) -> Iterator[str]:
    for start, end in _jpeg_exif(data):
        yield from _texts_in_exif(data[start + 4 + len(_EXIF) : end])


# -- WebP -------------------------------------------------------------------------------------------------

_HAS_ALPHA, _HAS_EXIF = 0x10, 0x08


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the type and the body of each chunk."""
    at, end = 12, 8 + int.from_bytes(data[4:8], "little")
    while at + 8 <= end:
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if at + 8 + size > min(end, len(data)):
            raise IndexError
        yield data[at : at + 4], data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _webp_chunk(kind: bytes, body: bytes) -> bytes:
    return kind + len(body).to_bytes(4, "little") + body + b"\0" * (len(body) % 2)


def _write_webp(data: bytes, text: str) -> bytes:
    chunks = list(_webp_chunks(data))
    if chunks[0][0] != b"VP8X":
        chunks.insert(0, (b"VP8X", _extended_header(data)))
    flags, *others = chunks[0][1]
    chunks[0] = (b"VP8X", bytes([flags | _HAS_EXIF, *others]))
    at = next((number for number, (kind, _) in enumerate(chunks) if kind == b"EXIF"), len(chunks))
    old = chunks[at][1] if at < len(chunks) else b""
    prefix = _EXIF if old.startswith(_EXIF) else b""  # in WebP it does not belong there; some write it
    chunks[at : at + 1] = [(b"EXIF", prefix + _add_to_exif(old.removeprefix(prefix), text))]
    body = b"WEBP" + b"".join(_webp_chunk(*chunk) for chunk in chunks)
    after = data[8 + int.from_bytes(data[4:8], "little") :]
    return b"RIFF" + len(body).to_bytes(4, "little") + body + after


def _extended_header(data: bytes) -> bytes:
    """Return what a WebP of one chunk needs before it may have metadata: flags, and the size in pixels."""
    picture = read_picture(data)
    if picture is None:
        raise IndexError
    alpha = _HAS_ALPHA if data[12:16] == b"VP8L" and data[24] & 0x10 else 0
    sides = (picture.width - 1, picture.height - 1)
    return bytes([alpha, 0, 0, 0]) + b"".join(side.to_bytes(3, "little") for side in sides)


def _read_webp(data: bytes) -> Iterator[str]:
    for kind, body in _webp_chunks(data):
        if kind == b"EXIF":
            yield from _texts_in_exif(body.removeprefix(_EXIF))


_WRITERS: Final[Mapping[str, Callable[[bytes, str], bytes]]] = {
    "image/png": _write_png,
    "image/jpeg": _write_jpeg,
    "image/webp": _write_webp,
}
_READERS: Final[Mapping[str, Callable[[bytes], Iterator[str]]]] = {
    "image/png": _read_png,
    "image/jpeg": _read_jpeg,
    "image/webp": _read_webp,
}


# -- EXIF -------------------------------------------------------------------------------------------------

_MAIN: Final = 4
"""Where EXIF says where its first directory is."""

_EMPTY: Final = b"MM\0*\0\0\0\x08" + b"\0" * 6
"""EXIF, big-endian, with a directory that has no entry."""

_DETAILS, _COMMENT, _DESCRIPTION = 0x8769, 0x9286, 0x010E
_BYTE, _ASCII, _LONG, _UNDEFINED = 1, 2, 4, 7
_CHARSET_UNDEFINED, _CHARSET_UNICODE = b"\0" * 8, b"UNICODE\0"


class _Exif:
    """EXIF data: directories of entries, each of 12 bytes: tag, type, count, and the value or its place.

    A directory is named by where its place is written. To change it, a copy is made at the end.
    """

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        self.order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4], "")
        if not self.order:
            raise struct.error

    def numbers(self, form: str, at: int) -> tuple[int, ...]:
        return struct.unpack_from(self.order + form, self.data, at)

    def find(self, directory: int, tag: int) -> int | None:
        """Return where an entry's value, or the place of it, is written; None where there is no entry."""
        (start,) = self.numbers("I", directory)
        (count,) = self.numbers("H", start)
        entries = range(start + 2, start + 2 + 12 * count, 12)
        return next((entry + 8 for entry in entries if self.numbers("H", entry) == (tag,)), None)

    def text(self, directory: int, tag: int) -> str | None:
        """Return an entry's text, as far as it is one; None where there is no entry."""
        value = self.find(directory, tag)
        if value is None:
            return None
        kind, count, place = self.numbers("HII", value - 6)
        start = place if count > 4 else value
        text = bytes(self.data[start : start + count]) if kind in (_BYTE, _ASCII, _UNDEFINED) else b""
        if tag == _COMMENT and text.startswith(_CHARSET_UNICODE):
            # We never write it; exiftool does where it copies a comment to another file.
            return text[8:].decode("utf-16-le" if self.order == "<" else "utf-16-be", "replace")
        return text[8 if tag == _COMMENT else 0 :].decode("utf-8", "replace")

    def put(self, directory: int, tag: int, kind: int, count: int, value: int) -> int:
        """Set an entry to a number, or to a value's place, and return where that is written."""
        (start,) = self.numbers("I", directory)
        (there,) = self.numbers("H", start)
        entries = struct.unpack_from("12s" * there, self.data, start + 2)
        new = struct.pack(self.order + "HHII", tag, kind, count, value)
        others = [entry for entry in entries if entry[:2] != new[:2]]
        # Entries stand in the order of their tags. What follows them is the place of the next directory.
        ordered = sorted([*others, new], key=lambda entry: struct.unpack(self.order + "H", entry[:2]))
        after = bytes(self.data[start + 2 + 12 * there :][:4]).ljust(4, b"\0")
        copy = self.append(struct.pack(self.order + "H", len(ordered)) + b"".join(ordered) + after)
        struct.pack_into(self.order + "I", self.data, directory, copy)
        return copy + 2 + 12 * ordered.index(new) + 8

    def append(self, more: bytes) -> int:
        """Add bytes at the end, and return their place, which is even, as EXIF wants it."""
        self.data += b"\0" * (len(self.data) % 2) + more
        return len(self.data) - len(more)


def _add_to_exif(data: bytes, text: str) -> bytes:
    exif = _Exif(data or _EMPTY)
    details = exif.find(_MAIN, _DETAILS)
    if details is None:
        details = exif.put(_MAIN, _DETAILS, _LONG, 1, exif.append(b"\0" * 6))
    for directory, tag, kind, value in (
        (details, _COMMENT, _UNDEFINED, _CHARSET_UNDEFINED + _utf8(text)),
        (_MAIN, _DESCRIPTION, _ASCII, json.dumps(json.loads(text)).encode() + b"\0"),
    ):
        there = exif.text(directory, tag)
        if there is None or there.startswith(_OURS):
            exif.put(directory, tag, kind, len(value), exif.append(value))
            return bytes(exif.data)
    raise NoMetadata("its EXIF has a comment and a description already")


def _texts_in_exif(data: bytes) -> Iterator[str]:
    exif = _Exif(data)
    details = exif.find(_MAIN, _DETAILS)
    yield (details and exif.text(details, _COMMENT)) or ""
    yield exif.text(_MAIN, _DESCRIPTION) or ""
