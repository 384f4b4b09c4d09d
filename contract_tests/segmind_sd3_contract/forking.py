"""Work in a forked child, as gunicorn, celery and multiprocessing do it: with everything that the parent had.

The child ends without cleaning up. A child that hangs prints where, and ends itself.
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import select
import signal
import threading
import time
import traceback
import warnings
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE: Final = 20.0
"""Seconds that a child has."""


@dataclass(frozen=True, slots=True)
class Died:
    """What is given in place of the result of a child that gave none."""

    why: str


class Child:
    """A forked child that does some work, and sends back what it gives."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._read, write = os.pipe()
        with warnings.catch_warnings():
            # From 3.12 on Python warns of a fork beside threads; that is what is to be tried.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.pid = os.fork()
        if self.pid == 0:
            _work(work, write)
        os.close(write)

    def kill(self) -> None:
        """End the child at once."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def result(self) -> Any:
        """Wait for the child's end, and give what its work gave, or `Died`. To be called once."""
        came, ends = bytearray(), time.monotonic() + PATIENCE + 2
        # Other children may hold copies of this pipe, so that it ends with its text, not with its process.
        while not came.endswith(_MARK):
            readable, _, _ = select.select([self._read], [], [], max(0.0, ends - time.monotonic()))
            piece = os.read(self._read, 1 << 20) if readable else b""
            if not piece:
                break
            came += piece
        os.close(self._read)
        if not came.endswith(_MARK):
            self.kill()
        _, status = os.waitpid(self.pid, 0)
        if came.endswith(_MARK):
            return pickle.loads(bytes(came[: -len(_MARK)]))  # noqa: S301 - from a process of our own
        return Died(f"child {self.pid} gave nothing; its status was {status}")


_MARK: Final = b"\nthat is all\n"


def _work(work: Callable[[], object], write: int) -> None:
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    try:
        result = work()
    except BaseException:  # noqa: BLE001 - whatever it is, the parent must hear of it
        result = Died(traceback.format_exc())
    try:
        rest = memoryview(pickle.dumps(result) + _MARK)
        while rest:
            rest = rest[os.write(write, rest) :]
    finally:
        os._exit(0)


def in_a_thread(work: Callable[[], Any]) -> Any:
    """Do work in a new thread: a child of an event loop is within that loop, and can run none in this one."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    thread.join()
    return results[0] if results else Died("its thread failed")
