"""Put what came of a job on disk: its pictures beside the journal, and what is no picture as it came."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_api.parameters import OPERATIONS

from segmind_sd3._imagefile import SUFFIXES, read_picture
from segmind_sd3._result import save_images, source_of
from segmind_sd3._saving import save_all, target_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from segmind_sd3._result import Generation, Image

    from .values import Job

ROOM: Final = 8 * 1024**2
"""Bytes that must be free for each call before it is paid for: what the largest reply may need."""

_OLDER: Final = 2.0
"""Seconds that a file system's clock may be behind the system's."""


def check_room(folder: Path, calls: int) -> str:
    """Return why a folder has too little room for so many calls; empty where it has enough."""
    free = shutil.disk_usage(folder).free
    needed = ROOM * calls
    if free >= needed:
        return ""
    return f"{folder} has {free // 1024**2} MiB free, and {calls} at once may need {needed // 1024**2} MiB"


def store_pictures(folder: Path, job: Job, drawn: Generation) -> tuple[list[str], str]:
    """Save the pictures of a job under its id, each whole; return their files, and what went wrong."""
    with suppress(OSError):
        # What is in a file of the folder already is renamed below.
        is_held = isinstance(source_of(drawn.images[0]), bytes)
        if len(drawn.images) == 1 and is_held and (name := _write_new(folder, job.id, drawn.images[0])):
            return [name], ""
    saved = save_images(drawn.images, folder / job.id)
    files = [str(file.relative_to(folder) if file.parent == folder else file) for file in saved.files]
    if saved.failure is None:
        return files, ""
    lost = saved.wanted - len(saved.files)
    where = f"saved elsewhere: {', '.join(map(str, saved.elsewhere))}" if saved.elsewhere else "not saved"
    return files, f"{folder} could not be written ({saved.failure}); {where}" + (
        f"; {lost} lost" if lost else ""
    )


def _write_new(folder: Path, name: str, image: Image) -> str:
    """Write one picture in the fewest steps; return its name, or nothing where that is taken.

    A batch writes hundreds in a second, and has its folder for itself.
    """
    name = target_path(Path(name), image.media_type).name
    target, beside = f"{folder}/{name}", f"{folder}/.{name}.part"
    if os.path.lexists(target):
        return ""
    try:
        with open(beside, "wb", buffering=0) as file:  # noqa: PTH123 - a Path takes longer
            if file.write(image.data) != len(image.data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), beside)
            os.fsync(file.fileno())
        os.rename(beside, target)  # noqa: PTH104 - as above
    except OSError:
        with suppress(OSError):
            os.unlink(beside)  # noqa: PTH108 - as above
        raise
    return name


def keep_reply(folder: Path, job: Job, body: bytes) -> str | None:
    """Keep the body of a reply that is no picture; return its file, or None where there is no place."""
    with suppress(OSError):
        (folder / "kept").mkdir(exist_ok=True)
    saved = save_all([body], folder / "kept" / f"{job.id}-{job.attempt}.reply", lambda asked: [asked])
    return str(saved.files[0]) if saved.files else None


def sync_folders(folders: Iterable[Path]) -> None:
    """Make the names in folders outlast a power cut. Windows can't open a folder, and needs no such call."""
    for folder in folders:
        try:
            opened = os.open(folder, os.O_RDONLY)
        except OSError:
            continue
        try:
            os.fsync(opened)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems have no such thing
                raise OSError(error.errno, error.strerror, str(folder)) from error
        finally:
            os.close(opened)


def find_pictures(folder: Path, job: Job, started: float) -> list[str]:
    """Return the files of a job whose run died, where all of its pictures are there, whole."""
    count = _count(job)
    numbers = range(1, count + 1) if count > 1 else [None]
    found: list[str] = []
    for number in numbers:
        names = (target_path(folder / job.id, kind, number) for kind in SUFFIXES)
        file = next((name for name in names if _is_there(name, started)), None)
        if file is None:
            return []
        found.append(file.name)
    return found


def _is_there(file: Path, started: float) -> bool:
    """Return whether a picture is there. One that did not get its name before the run died gets it now."""
    if _is_whole(file, started):
        return True
    beside = file.with_name(f".{file.name}.part")
    if not _is_whole(beside, started) or os.path.lexists(file):
        return False
    with suppress(OSError):
        beside.rename(file)
    return file.exists()


def _is_whole(file: Path, started: float) -> bool:
    try:
        # A picture that was there before the call is another one.
        return file.stat().st_mtime >= started - _OLDER and read_picture(file.read_bytes()) is not None
    except OSError:
        return False


def _count(job: Job) -> int:
    values: Mapping[str, Any] = {**job.parameters, **job.parameters.get("extra", {})}
    known = OPERATIONS[job.operation].parameters.values()
    counts = (values.get(each.name) for each in known if each.counts_images)
    return max((count for count in counts if isinstance(count, int)), default=1)
