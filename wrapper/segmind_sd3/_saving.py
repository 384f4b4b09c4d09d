"""Write what was paid for to files: whole or not at all, beside what is there, and elsewhere if need be."""

from __future__ import annotations

import errno
import logging
import os
import re
import secrets
import tempfile
import warnings
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ._imagefile import SUFFIXES
from ._stored import StoredPicture

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Content = bytes | StoredPicture

_log: Final = logging.getLogger("segmind_sd3")
_PICTURE_SUFFIXES: Final = {suffix for suffixes in SUFFIXES.values() for suffix in suffixes}


@dataclass(frozen=True, slots=True)
class Saved:
    """Where something was saved, and why it is not where it should be.

    Attributes:
        asked: the path that was asked for.
        wanted: how many files there should be.
        files: the files that were written, in their order.
        elsewhere: those of them that could not be written where they should be.
        taken: a name that was taken, so that another was chosen.
        failure: why files are elsewhere, or in no place at all.
        notes: what else the caller should know.
    """

    asked: object
    wanted: int
    files: list[Path]
    elsewhere: list[Path] = field(default_factory=list[Path])
    taken: Path | None = None
    failure: BaseException | None = None
    notes: list[str] = field(default_factory=list[str])

    def result(self) -> list[Path]:
        """Return the files to a function that a user called, or raise what failed. Warn at the user's line.

        Raises:
            OSError: `filename` is what was asked for, and `filename2` the file that was written instead, or
                the folder of several.
        """
        if self.taken is not None:
            # Python shows the same text once for each line of code, so the number found is not in it.
            example = numbered(self.taken, 1).name
            warnings.warn(
                f"{self.taken} exists already and is kept: the new file is beside it, as {example} or with "
                "the next free number; save() returns its path",
                stacklevel=3,
            )
        for note in self.notes:
            warnings.warn(note, stacklevel=3)
        if self.failure is None:
            return self.files
        raise self._error() from self.failure

    def _error(self) -> OSError:
        number = getattr(self.failure, "errno", None) or errno.EINVAL
        reason = getattr(self.failure, "strerror", None) or str(self.failure)
        if lost := self.wanted - len(self.files):
            reason += f"; {lost} could be saved in no other place either, and must be taken from memory"
        if not self.elsewhere:
            return OSError(number, reason, str(self.asked))
        kept = self.elsewhere[0] if len(self.elsewhere) == 1 else self.elsewhere[0].parent
        return OSError(number, f"{reason}; saved elsewhere instead", str(self.asked), None, str(kept))


def save_all(
    contents: Sequence[Content],
    path: str | os.PathLike[str],
    names_from: Callable[[Path], list[Path]],
    *,
    overwrite: bool = False,
    exclusive: bool = False,
) -> Saved:
    """Save each content under its name, and under another where that can't be had.

    Args:
        contents: what is written.
        path: the path that was asked for.
        names_from: makes the name of each content out of a path.
        overwrite: whether a file of that very name is replaced. One that has another suffix never is.
        exclusive: whether an error is raised, and nothing written, where a name is taken.

    Raises:
        FileExistsError: a name is taken and `exclusive` is true.
    """
    names: list[Path] = []
    files: list[Path] = []
    try:
        if overwrite and exclusive:
            raise ValueError("overwrite=True and exclusive=True exclude each other")
        asked = Path(path)
        if asked.name in ("", "..") or os.fspath(path).endswith(("/", os.sep)):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        names = names_from(asked)
        taken = next(filter(os.path.lexists, names), None)
        if taken and exclusive:
            raise FileExistsError(f"{taken} exists already: choose another name, or pass overwrite=True")
        # One number for all of them, so that they stay together.
        free = (n for n in count() if not any(os.path.lexists(numbered(name, n)) for name in names))
        start = next(free) if taken and not overwrite else 0
        for content, name in zip(contents, names, strict=True):
            replace = overwrite and (name.suffix == asked.suffix or not is_picture_name(asked))
            files.append(write_whole(content, name, overwrite=replace, exclusive=exclusive, start=start))
    except (OSError, ValueError, TypeError) as failure:
        if exclusive and isinstance(failure, FileExistsError):
            raise
        names = names or names_from(Path("segmind-sd3"))
        elsewhere = _save_elsewhere(contents[len(files) :], names[len(files) :])
        saved = Saved(path, len(contents), files + elsewhere, elsewhere, failure=failure)
    else:
        moved = next((name for file, name in zip(files, names, strict=True) if file != name), None)
        saved = Saved(path, len(contents), files, taken=moved)
    for file, name in zip(saved.files, names, strict=False):
        if file != name:
            _log.info("%s was saved as %s", name, file)
    return saved


def is_picture_name(path: Path) -> bool:
    return path.suffix.lower() in _PICTURE_SUFFIXES


def target_path(path: Path, media_type: str, number: int | None = None) -> Path:
    """Return the path with the number, if any, and a suffix of the format in place of another format's."""
    suffixes = SUFFIXES[media_type]
    given = path.suffix if is_picture_name(path) else ""
    stem = path.name.removesuffix(given) + ("" if number is None else f"-{number}")
    return path.with_name(stem + (given if given.lower() in suffixes else suffixes[0]))


def numbered(path: Path, number: int) -> Path:
    """Return the path with a number: `panda (1).jpg`. 0 is none."""
    return path.with_name(f"{path.stem} ({number}){path.suffix}") if number else path


def write_whole(
    data: Content, target: Path, *, overwrite: bool = False, exclusive: bool = False, start: int = 0
) -> Path:
    """Write a file completely or not at all: first under another name beside it, then renamed.

    A file that is there is kept, and the first free number from `start` is added to the name. A picture that
    is in a file already is moved.
    """
    beside = target.with_name(f".{target.name[:40]}.{secrets.token_hex(4)}")
    try:
        if isinstance(data, StoredPicture):
            data.write_to(beside)
        else:
            with beside.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())  # or a power cut could leave the name with half a file, or none
        if overwrite:
            name = beside.replace(target)
        else:
            name = _rename_to_free(beside, target, exclusive=exclusive, start=start)
    finally:
        beside.unlink(missing_ok=True)
    if isinstance(data, StoredPicture):
        data.saved_as(name)
    return name


def _rename_to_free(beside: Path, target: Path, *, exclusive: bool, start: int) -> Path:
    """Rename to the first free name from `start`, or fail where the name is taken and `exclusive` is true."""
    names = (numbered(target, number) for number in count(start))
    while True:
        name = next(names)
        try:
            _rename_if_free(beside, name)
        except FileExistsError:
            if exclusive:
                raise
        else:
            return name


def _rename_if_free(beside: Path, target: Path) -> None:
    """Rename, and fail where the name is taken: a link does, while a rename would replace the file."""
    try:
        target.hardlink_to(beside)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        with target.open("xb"):
            pass
        beside.replace(target)


def _save_elsewhere(contents: Sequence[Content], names: Sequence[Path]) -> list[Path]:
    """Save in a new folder, in the first place that can be written to. Return the files, perhaps too few."""
    files: list[Path] = []
    for place in (tempfile.gettempdir, Path.cwd, Path.home):
        if len(files) == len(contents):
            break
        with suppress(OSError, RuntimeError):
            folder = Path(tempfile.mkdtemp(prefix="segmind-sd3-", dir=place()))
            try:
                for content, name in zip(contents[len(files) :], names[len(files) :], strict=True):
                    # The name itself may be the reason: too long, or with characters that can't be in one.
                    plain = re.sub(r"[^\w. ()-]", "_", name.name)[-40:].lstrip(". ")
                    files.append(write_whole(content, folder / (plain or "picture")))
            finally:
                with suppress(OSError):
                    folder.rmdir()  # where it stayed empty
    # What is in a file already stays there.
    files += [content.stay() for content in contents[len(files) :] if isinstance(content, StoredPicture)]
    return files
