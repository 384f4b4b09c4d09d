"""Take a large picture straight to a file while it arrives, instead of into memory.

The file is kept only if the reply is complete and the picture whole. In every other case, a full disk among
them, what came is read back into memory, and is judged there as any other reply.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING, Final

from ._content import FileChanged, PictureFile
from ._imagefile import SUFFIXES, FileView, read_picture, sniff
from ._limits import MIN_SPOOLED
from ._stored import StoredPicture, remove_own
from ._wire import Incoming, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from io import FileIO
    from pathlib import Path

_TELLING: Final = 64
"""How many bytes tell whether a picture begins."""


class SpoolingIncoming(Incoming):
    """What came of a reply so far; a large picture is in a file of the folder."""

    def __init__(self, limit: Callable[[Incoming], int], folder: Path) -> None:
        super().__init__(limit)
        self._folder = folder
        self._pid = os.getpid()
        self._wanted = False
        self._file: FileIO | None = None
        self._held: int | None = None  # how many bytes are in memory, where others could not be read back

    def begin(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        super().begin(status, headers)
        length = self.headers.get("content-length", "")
        self._wanted = (
            status == 200
            and self.headers.get("content-type", "").lower().startswith("image/")
            and "content-encoding" not in self.headers
            and length.isascii()
            and length.isdecimal()
            and int(length[:18]) >= MIN_SPOOLED
        )

    def expect(self, length: int) -> None:
        if not self._wanted:
            super().expect(length)

    def add(self, data: bytes) -> bool:
        if self._file is not None:
            try:
                _write(self._file, data)
            except OSError as error:
                _raise_the_callers(error)
                self._take_back(self._file)
            else:
                self.size += len(data)
                self.overflowed = self.size > self._limit(self)
                return not self.overflowed
        more = super().add(data)
        if self._wanted and self.size >= _TELLING:
            self._wanted = False
            self._begin_file()
        return more

    def _begin_file(self) -> None:
        """Go on in a file where what came begins a picture. Its start stays in memory too."""
        if (kind := sniff(self.start())) is None:
            return
        name = f"segmind-sd3-{secrets.token_hex(8)}{SUFFIXES[kind][0]}"
        self._part = self._folder / f"{name}.part"
        try:
            self._file = self._part.open("x+b", buffering=0)
            _write(self._file, self._body.getvalue())
        except OSError as error:
            self.discard()
            _raise_the_callers(error)
        else:
            self._body = BytesIO(self.start())

    def reply(self) -> Reply:
        if self._file is not None:
            if self.complete and (stored := self._keep(self._file)):
                return Reply(self.status, self.headers, self.start(), self.complete, stored)
            self._take_back(self._file)
        reply = super().reply()
        return reply if self._held is None else replace(reply, body=reply.body[: self._held], complete=False)

    def _keep(self, opened: FileIO) -> StoredPicture | None:
        """Give the file its name, where a whole picture is in it and it is still there."""
        try:
            file = PictureFile.of(self._part, opened)
            with file.open() as view:
                picture = read_picture(FileView(view, file.size))
        except (OSError, FileChanged):
            return None
        if picture is None:
            return None
        opened.close()
        self._file = None
        path = self._part
        with suppress(OSError):
            path = path.rename(path.with_suffix(""))
        return StoredPicture(replace(file, path=str(path)), picture)

    def _take_back(self, file: FileIO) -> None:
        """Go on in memory, with what was written. Where it can't be read, it stays in the file."""
        self._file, data = None, self.start()
        with suppress(OSError), file:
            file.seek(0)
            data = file.readall()[: self.size]
        if len(data) == self.size:
            remove_own(str(self._part), self._pid)
        else:
            self._held = len(data)
        self._body = BytesIO(data)
        self._body.seek(len(data))

    def discard(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            remove_own(str(self._part), self._pid)


def _raise_the_callers(error: OSError) -> None:
    """Raise an error that comes from a signal's handler: those of files have a number."""
    if error.errno is None:
        raise error


def _write(file: FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
