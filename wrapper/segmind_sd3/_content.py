"""The body of a call with large pictures. Each time that it is sent, their base64 text is made in pieces.

A picture in a file stays there, and is read anew for each try. Size, time and inode of the file are compared
before it is read, and again before its last piece is given out: if it was changed, the request is never
handed over whole. A change that leaves all three as they were is not seen.
"""

from __future__ import annotations

import hashlib
import json
import os
from binascii import b2a_base64
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple

from ._public import public

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from io import BufferedReader

PIECE: Final = 48 * 1024
"""How many bytes of a picture are read and encoded at a time.

A multiple of 3, so that the texts join; and few, so that they stay in the processor's cache.
"""


class FileChanged(ValueError):
    """The file of a picture is no longer what it was when the call was prepared."""


@dataclass(frozen=True, slots=True)
class PictureBytes:
    """A picture in memory."""

    data: bytes = field(repr=False)

    @property
    def size(self) -> int:
        return len(self.data)

    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    def encoded(self) -> Iterator[bytes]:
        """Yield the pieces of its base64 text."""
        view = memoryview(self.data)
        for at in range(0, len(view), PIECE):
            yield b2a_base64(view[at : at + PIECE], newline=False)


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A picture in a file, as the file was when it was checked.

    Attributes:
        path: the absolute path.
        size: the file's size in bytes.
        version: the device, the inode, and the time of the last change in nanoseconds.
    """

    path: str
    size: int
    version: tuple[int, int, int]

    @classmethod
    def of(cls, path: Path, file: BinaryIO) -> PictureFile:
        """Describe an open file."""
        return cls(str(path.absolute()), *_size_and_version(file))

    def sha256(self) -> str:
        """Read the file, and return the digest of what it holds.

        Raises:
            FileChanged: it was changed.
        """
        with self.open() as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            self._compare(file)
        return digest

    def encoded(self) -> Iterator[bytes]:
        """Read the file, and yield the pieces of its base64 text.

        Raises:
            FileChanged: it was changed. The last piece was not yielded.
        """
        with self.open() as file:
            for at in range(0, self.size, PIECE):
                text = b2a_base64(file.read(min(PIECE, self.size - at)), newline=False)
                if at + PIECE >= self.size:
                    self._compare(file)
                yield text

    @contextmanager
    def open(self) -> Generator[BufferedReader]:
        """Open the file.

        Raises:
            FileChanged: it was changed, or can't be read.
        """
        try:
            with Path(self.path).open("rb") as file:
                self._compare(file)
                yield file
        except OSError as error:
            raise FileChanged(f"the file {self.path!r} can't be read any more ({error.strerror})") from None

    def _compare(self, file: BinaryIO) -> None:
        if _size_and_version(file) != (self.size, self.version):
            raise FileChanged(f"the file {self.path!r} was changed since the picture in it was checked")


def _size_and_version(file: BinaryIO) -> tuple[int, tuple[int, int, int]]:
    status = os.fstat(file.fileno())
    return status.st_size, (status.st_dev, status.st_ino, status.st_mtime_ns)


Picture = PictureBytes | PictureFile
"""What a body holds in place of a picture's base64 text, which is made of it when it is sent."""


class PictureField(NamedTuple):
    """A field of a body that holds a picture."""

    name: str
    picture: Picture


@public
@dataclass(frozen=True, slots=True)
class StreamedContent:
    """The JSON text of a body with large pictures: its length is known, and it can be read again and again.

    `len(content)` is its length in bytes, to iterate gives its pieces, and `bytes(content)` joins them. A
    picture that was given as a path is read from its file each time: a `ValueError` says that it was changed.

    Attributes:
        parts: the JSON text, with a field in place of each large picture.
    """

    parts: tuple[bytes | PictureField, ...] = field(repr=False)

    def __len__(self) -> int:
        return sum(
            len(part) if isinstance(part, bytes) else (part.picture.size + 2) // 3 * 4 for part in self.parts
        )

    def __iter__(self) -> Iterator[bytes]:
        for part in self.parts:
            if isinstance(part, bytes):
                yield part
            else:
                yield from part.picture.encoded()

    def __bytes__(self) -> bytes:
        return b"".join(self)


def values_of(content: StreamedContent) -> dict[str, Any]:
    """Return the JSON object, with a `Picture` in place of the text of each large picture."""
    text = b"".join(part for part in content.parts if isinstance(part, bytes))
    fields = (part for part in content.parts if isinstance(part, PictureField))
    return json.loads(text) | {field.name: field.picture for field in fields}
