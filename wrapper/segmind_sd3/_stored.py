"""A picture that is in a file instead of memory, and what becomes of the file."""

from __future__ import annotations

import os
import shutil
import threading
import weakref
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ._content import PictureFile

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ._imagefile import Picture


def remove_own(path: str, pid: int) -> None:
    """Remove a file, in the process that made it alone: a fork has the same objects."""
    if os.getpid() == pid:
        with suppress(OSError):
            Path(path).unlink()


class StoredPicture:
    """The file of a whole picture. It is removed with this object, unless the picture was saved before.

    A forked process neither moves nor removes the file: to save there makes a copy.
    """

    def __init__(self, file: PictureFile, picture: Picture) -> None:
        self.picture = picture
        self._file = file
        self._pid = os.getpid()
        self._lock = threading.RLock()  # a signal's handler may save too
        self._removal = weakref.finalize(self, remove_own, file.path, self._pid)

    def _locked(self) -> AbstractContextManager[object]:
        # In a fork, the thread that holds the lock may not exist.
        return self._lock if os.getpid() == self._pid else nullcontext()

    def read(self) -> bytes:
        """Return the bytes of the file.

        Raises:
            FileChanged: it was changed, or is there no more.
        """
        with self._locked(), self._file.open() as file:
            return file.read()

    def write_to(self, path: Path) -> None:
        """Give the file another name too, or copy it where it can have none. It is on disk afterwards.

        Raises:
            FileChanged: the file was changed, or is there no more.
            OSError: the path can't be written.
        """
        with self._locked():
            with self._file.open():
                pass
            try:
                # Two files that a user has must not be one.
                if not self._removal.alive or os.getpid() != self._pid:
                    raise OSError
                path.hardlink_to(self._file.path)
            except OSError:
                shutil.copyfile(self._file.path, path)
        with path.open("r+b") as written:
            os.fsync(written.fileno())

    def saved_as(self, path: Path) -> None:
        """Read the picture from the file that it was saved in, and remove the old one."""
        with self._locked(), path.open("rb") as file:
            if os.path.realpath(path) == os.path.realpath(self._file.path):
                self._removal.detach()
            self._file = PictureFile.of(path, file)
            self._removal()

    def stay(self) -> Path:
        """Leave the file where it is, for good, and return its path."""
        self._removal.detach()
        return Path(self._file.path)
