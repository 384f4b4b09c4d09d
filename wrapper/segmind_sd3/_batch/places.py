"""The places for a batch's pictures: a folder, or an address of an object store."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from segmind_sd3._errors import InvalidRequest

from . import storing
from .address import Address, parse_place

if TYPE_CHECKING:
    from collections.abc import Iterable

    from segmind_sd3._result import Generation

    from .values import Job


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder.

    Attributes:
        path: where it is.
        named: whether the journal has the whole path of a file, since it is in another folder.
    """

    path: Path
    named: bool = False

    def check(self) -> None:
        """Accept the folder: it was made when the batch was."""

    def mark(self, token: str) -> None:
        """Leave a mark, by which another machine knows the folder.

        Raises:
            InvalidRequest: nothing can be written there.
        """
        try:
            self._mark(token).write_text(token, "utf-8")
        except OSError as error:
            raise InvalidRequest(f"out was {self.path}, which can't be written: {error.strerror}") from error

    def sees(self, token: str) -> bool:
        """Return whether a mark is here."""
        return self._mark(token).is_file()

    def unmark(self, token: str) -> None:
        """Remove a mark; what can't be removed stays, and harms nobody."""
        with suppress(OSError):
            self._mark(token).unlink(missing_ok=True)

    def _mark(self, token: str) -> Path:
        return self.path / f".segmind-sd3-{token}"

    def room(self, calls: int) -> str:
        """Return why there is too little room for so many calls; empty where there is enough."""
        return storing.check_room(self.path, calls)

    def store(self, job: Job, drawn: Generation) -> tuple[list[str], str]:
        """Store the pictures of a job; return their files, as the journal has them, and what went wrong."""
        files, trouble = storing.store_pictures(self.path, job, drawn)
        return self._for_journal(files), trouble

    def keep(self, job: Job, body: bytes) -> str | None:
        """Keep the body of a reply that is no picture; return its file, or None where there is no place."""
        return storing.keep_reply(self.path, job, body)

    def find(self, job: Job, started: float) -> list[str]:
        """Return the files of a job whose run died, where all of its pictures are there, whole."""
        return self._for_journal(storing.find_pictures(self.path, job, started))

    def _for_journal(self, files: list[str]) -> list[str]:
        return [str(self.path.absolute() / file) for file in files] if self.named else files

    def sync(self, files: Iterable[str]) -> None:
        """Make the names of files outlast a power cut."""
        storing.sync_folders({(self.path / file).parent for file in files})

    def locate(self, file: str) -> Path:
        """Return the path of a file of the journal."""
        return self.path / file


Place = Folder | Address


def place_at(out: Path | str, journal: Path | None = None) -> Place:
    """Return the place at a path or an address.

    Args:
        out: where it is.
        journal: the folder of the journal, if it is in one. What can't be written to a store goes there.

    Raises:
        InvalidRequest: a library is missing.
    """
    place = parse_place(out)
    if isinstance(place, Path):
        return Folder(place, named=place != journal)
    return Address(place, (journal or Path.home()) / "segmind-sd3-unstored")
