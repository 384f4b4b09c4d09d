"""What calls leave behind, which should be nothing: open sockets, warnings, memory, and the key."""

from __future__ import annotations

import gc
import logging
import os
import pickle
import subprocess
import time
import traceback
import warnings
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

PATIENCE: Final = 2.0
"""Seconds in which the other end of a connection must have noticed that it is closed."""


@dataclass(slots=True)
class Watch:
    """What was left behind while it lasted; complete once it is over.

    Attributes:
        files: open files and sockets that were not there before.
        warnings: what was warned of, unclosed resources foremost.
        log: every record of every logger.
    """

    files: int = 0
    warnings: list[str] = field(default_factory=list[str])
    log: list[str] = field(default_factory=list[str])


@contextmanager
def watching(*, logs: bool = True, files: bool = True) -> Generator[Watch]:
    """Watch what happens in a context. Not for use from several threads at once."""
    watch = Watch()
    before = open_files()
    # What is there already is nothing to look through: it makes the collection below a quick one.
    gc.collect(1)
    gc.freeze()
    try:
        with warnings.catch_warnings(record=True) as warned, _logged(watch.log) if logs else nullcontext():
            warnings.simplefilter("always")
            yield watch
            gc.collect()
    finally:
        gc.unfreeze()
    watch.warnings = [f"{each.category.__name__}: {each.message}" for each in warned]
    watch.files = files_over(before) if files else 0


@contextmanager
def _logged(log: list[str]) -> Generator[None]:
    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            log.append(self.format(record))

    root, handler = logging.getLogger(), Handler(logging.DEBUG)
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


def open_files() -> int:
    """Count the open files and sockets of this process."""
    return len(list(Path("/dev/fd").iterdir()))


def files_over(before: int) -> int:
    """Count those above a number, once the server in this process had time to notice who has hung up."""
    over = time.monotonic() + PATIENCE
    while (more := open_files() - before) > 0 and time.monotonic() < over:
        time.sleep(0.005)
    return more


def resident_bytes() -> int:
    """Give the memory that this process holds at the moment."""
    status = Path("/proc/self/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    told = subprocess.run(["ps", "-o", "rss=", "-p", str(os.getpid())], capture_output=True, check=True)  # noqa: S603, S607 - where there is no /proc
    return int(told.stdout) * 1024


def places_of(secret: str, error: BaseException) -> Iterator[str]:
    """Name every part of an error in which a text can be read, however it is looked at."""
    described = traceback.TracebackException.from_exception(error, capture_locals=True)
    shown = {
        "str": str(error),
        "repr": repr(error),
        "args": repr(error.args),
        "attributes": repr(vars(error)),
        "pickle": pickle.dumps(error).decode("latin-1"),
        "traceback": "".join(described.format()),
    }
    return (place for place, text in shown.items() if secret in text)
