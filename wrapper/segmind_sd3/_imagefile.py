"""Read the format and size of a picture from its bytes, and whether they are complete.

The bytes are read segment by segment. A name, a content type or the last bytes alone decide nothing. Pillow
would decode every pixel to find out the same, and is no dependency of the SDK.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, overload

from ._content import PictureBytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from io import BufferedReader

    from ._content import Picture as Source

SUFFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    "image/jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "image/png": (".png",),
    "image/webp": (".webp",),
    "image/gif": (".gif",),
}
"""The file name suffixes of each format. `save` adds the first."""

PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"


class Picture(NamedTuple):
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


_OTHERS: Final = (
    (0, b"BM", "BMP"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (4, b"ftypavi", "AVIF"),
    *(
        (4, b"ftyp" + brand, "HEIC (opened by Pillow with pillow-heif)")
        for brand in (b"hei", b"hev", b"mif1", b"msf1")
    ),
    (4, b"JXL ", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (4, b"jP  ", "JPEG 2000"),
    (0, b"\0\0\1\0", "ICO"),
    (0, b"8BPS", "PSD"),
    (0, b"%PDF", "PDF"),
    (0, b"PK\3\4", "a ZIP archive"),
    (0, b"<svg", "SVG"),
    (0, b"<?xml", "XML, perhaps SVG"),
    (0, b"<!doctype html", "an HTML page"),
    (0, b"<html", "an HTML page"),
)
"""What else is often given for a picture: at which byte, which bytes, and its name."""

_NAMES: Final[Mapping[str, str]] = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/webp": "WebP",
    "image/gif": "GIF",
}


class NotAnImage(ValueError):
    """A value can't be sent as an image. The message says what it is, `advice` what to pass instead."""

    def __init__(self, given: str, advice: str) -> None:
        super().__init__(given)
        self.advice = advice


class FileView:
    """The bytes of an open file, read where they are looked at: a few places tell what a picture is."""

    def __init__(self, file: BufferedReader, size: int, tail: bytes = b"") -> None:
        self._file = file
        self._size = size
        self._tail = tail
        self._start = 0
        self._window = b""

    def __len__(self) -> int:
        return self._size + len(self._tail)

    def __add__(self, tail: bytes) -> FileView:
        return FileView(self._file, self._size, self._tail + tail)

    @overload
    def __getitem__(self, at: int) -> int: ...
    @overload
    def __getitem__(self, at: slice) -> bytes: ...
    def __getitem__(self, at: int | slice) -> int | bytes:
        if isinstance(at, int):
            return self._window[at - self._start] if self._shows(at, at + 1) else self[at : at + 1][0]
        start, stop, _ = at.indices(len(self))
        if not self._shows(start, stop):
            self._file.seek(start)
            data = self._file.read(min(max(_WINDOW, stop - start), max(0, self._size - start)))
            self._start, self._window = start, data
            if start + len(data) >= self._size:
                self._window += self._tail[max(0, start - self._size) :]
        return self._window[start - self._start : stop - self._start]

    def _shows(self, start: int, stop: int) -> bool:
        return self._start <= start and stop <= self._start + len(self._window)

    def rfind(self, what: bytes, start: int) -> int:
        """Return where the last occurrence at or after `start` begins, or -1, searching from the end."""
        end = len(self)
        while end > start:
            begin = max(start, end - _SEARCHED)
            if (found := self[begin : end + len(what) - 1].rfind(what)) != -1:
                return begin + found
            end = begin
        return -1


_WINDOW: Final = 512
"""How many bytes of a file are read at least: what is looked at next is often near."""

_SEARCHED: Final = 64 * 1024
"""How many bytes of a file are searched at a time."""

_START: Final = 64
"""How many bytes tell what a file is, and whether it is one that is often given for a picture."""

Data = bytes | FileView


def require_picture(data: Data, subject: str) -> Picture:
    """Return what a picture for the API is. `subject` names the bytes in an error.

    Raises:
        NotAnImage: the bytes are no whole picture in a format that the API is known to take.
    """
    picture = read_picture(data)
    if picture is None and sniff(data[:_START]) == "image/gif":
        # Some programs leave out the last byte of a GIF, and every viewer does without it.
        picture = read_picture(data + b";")
    if picture is None:
        raise no_picture(data, subject)
    return picture


def no_picture(data: Data, subject: str) -> NotAnImage:
    """Return the error of bytes that are no whole picture.

    The pages name PNG, JPEG and GIF, and one of their samples sends WebP. Nothing is known of other formats.
    """
    start = data[:_START]
    if media_type := sniff(start):
        given = f"{subject} is a {_NAMES[media_type]} that is cut short or damaged ({len(data)} bytes)"
        return NotAnImage(given, "pass the whole file; extra= sends base64 text unchecked")
    if not start:
        return NotAnImage(f"{subject} is empty", "pass a picture")
    words = start.lstrip().lower()
    name = next((n for at, magic, n in _OTHERS if start.startswith(magic, at) or words.startswith(magic)), "")
    given = f"{subject} is {name and f'{name}, and '}no PNG, JPEG, GIF or WebP"
    advice = "pass one of these, since the pages name no other; of what Pillow opens, PIL.Image.open(path)"
    return NotAnImage(given, advice)


class EncodedImage(NamedTuple):
    """An image that the API takes: where its bytes are, and what it is."""

    source: Source
    picture: Picture

    @classmethod
    def of(cls, data: bytes, subject: str) -> EncodedImage:
        """Check the bytes of a picture; `subject` names it in an error.

        Raises:
            NotAnImage: it is no whole picture that the API takes.
        """
        return cls(PictureBytes(data), require_picture(data, subject))


def read_picture(data: Data) -> Picture | None:
    """Return what the bytes of a complete picture say, or None where they are cut short or no picture."""
    media_type = sniff(data[:_START])
    if media_type is None:
        return None
    try:
        size = _SIZE_READERS[media_type](data)
    except IndexError:
        return None
    return Picture(media_type, *size) if size is not None and min(size) > 0 else None


def _jpeg_size(data: Data) -> tuple[int, int] | None:
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


def _png_size(data: Data) -> tuple[int, int] | None:
    size = (int.from_bytes(data[16:20]), int.from_bytes(data[20:24]))
    at = len(PNG_SIGNATURE)
    has_pixels = False
    end = len(data)
    while at + 12 <= end:
        head = data[at : at + 8]
        kind = head[4:]
        if kind == b"IEND":
            return size if has_pixels else None
        has_pixels = has_pixels or kind == b"IDAT"
        at += 12 + int.from_bytes(head[:4])
    return None


def _gif_size(data: Data) -> tuple[int, int] | None:
    size = (int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little"))

    def after_table(packed: int, at: int) -> int:
        return at + (3 << (packed & 7) + 1) if packed & 0x80 else at

    at = after_table(data[10], 13)
    has_pixels = False
    while data[at] != 0x3B:
        if data[at] == 0x2C:
            has_pixels = True
            at = after_table(data[at + 9], at + 10) + 1
        elif data[at] == 0x21:
            at += 2
        else:
            return None
        while data[at]:
            at += 1 + data[at]
        at += 1
    return size if has_pixels else None


def _webp_size(data: Data) -> tuple[int, int] | None:
    """Read the chunks up to the first with pixels. The size is that of the canvas, where there is one."""
    end = 8 + int.from_bytes(data[4:8], "little")
    size: tuple[int, int] | None = None
    at = 12
    while at + 8 <= end <= len(data):
        kind, start = data[at : at + 4], at + 8
        at = start + int.from_bytes(data[at + 4 : start], "little")
        if at > end:
            return None
        if kind == b"ANMF":
            return size
        if kind in (b"VP8X", b"VP8 ", b"VP8L"):
            size = size or _webp_chunk_size(kind, data[start : start + 10])
            if kind != b"VP8X":
                return size
        at += at & 1
    return None


def _webp_chunk_size(kind: bytes, chunk: bytes) -> tuple[int, int]:
    if len(chunk) < (5 if kind == b"VP8L" else 10):
        return 0, 0
    if kind == b"VP8X":
        return int.from_bytes(chunk[4:7], "little") + 1, int.from_bytes(chunk[7:10], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(chunk[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return int.from_bytes(chunk[6:8], "little") & 0x3FFF, int.from_bytes(chunk[8:10], "little") & 0x3FFF


_SIZE_READERS: Final[Mapping[str, Callable[[Data], tuple[int, int] | None]]] = {
    "image/jpeg": _jpeg_size,
    "image/png": _png_size,
    "image/gif": _gif_size,
    "image/webp": _webp_size,
}
