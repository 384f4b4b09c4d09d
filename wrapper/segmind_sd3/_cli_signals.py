"""What the command line does when it is to end: at Ctrl-C, `kill`, or a terminal that is closed.

- Before a call is sent, a signal raises `Interrupted`.
- From then on no signal interrupts any code, so nothing that came is lost. The call goes on in a thread. It
  may still take a moment, for its reply may be about to end; then its client is closed, and the SDK returns
  or raises what came.
- Only a second signal leaves a call that does not end even then, as in a look-up of a name that hangs. Once
  the reply is whole, nothing is left: the picture is saved first.

The handlers belong to the process, and so to the command line alone: the SDK sets none. This module imports
nothing that takes long, so that they are there from the start.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import FrameType

T = TypeVar("T")

WORDS: Final = {"SIGINT": "Interrupted.", "SIGTERM": "Terminated.", "SIGHUP": "Hung up."}
"""The signals that end a command, and what is said of each. Windows has no SIGHUP."""

TICK: Final = 0.05
"""How often it is looked whether a signal came, in seconds."""

GRACE: Final = 0.25
"""How long a call may take after a signal, in seconds, before its client is closed."""

PATIENCE: Final = 2.0
"""How long what does not end may take, in seconds, before a further signal leaves it."""


class Interrupted(BaseException):
    """A signal ends the command. No `except Exception` on the way may keep it."""


class Signals:
    """The signals that came, and whether they may raise."""

    def __init__(self) -> None:
        self.number = 0
        self._count = 0
        self._may_raise = False
        self._reported_at: float | None = None
        self._before: dict[int, Callable[[int, FrameType | None], object] | int] = {}
        self._report_lost = sys.unraisablehook

    @property
    def word(self) -> str:
        """What is said of the first signal that came."""
        return WORDS[signal.Signals(self.number).name]

    @property
    def exit_code(self) -> int:
        """The exit code that a shell would show for a command that the signal ended."""
        return 128 + self.number

    def watch(self) -> None:
        """Handle the signals that end the process, but for those that it was started to ignore."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in filter(None, (getattr(signal, name, None) for name in WORDS)):
            before = signal.getsignal(number)
            if before is not None and before is not signal.SIG_IGN:
                self._before[number] = before
                signal.signal(number, self._handle)
        sys.unraisablehook = self._lose

    def unwatch(self) -> None:
        """Leave the signals to those who handled them before."""
        sys.unraisablehook = self._report_lost
        while self._before:
            signal.signal(*self._before.popitem())

    def ignore(self) -> None:
        """Ignore the signals from now on: the process ends by itself."""
        for number in self._before:
            signal.signal(number, signal.SIG_IGN)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self.number = self.number or number
        self._count += 1
        if self._may_raise:
            self._may_raise = False
            raise Interrupted
        if self._reported_at is not None and time.monotonic() - self._reported_at > PATIENCE:
            os._exit(128 + number)  # nobody reads what is printed, and all else is done

    def _lose(self, lost: sys.UnraisableHookArgs) -> None:
        """Report what is raised in destructors, but for `Interrupted`, which is raised again later."""
        if lost.exc_type is Interrupted:
            self._may_raise = True
        else:
            self._report_lost(lost)

    def carry_out(self, work: Callable[[], T], *ends: Callable[[], object]) -> T:
        """Do work that no signal interrupts. A moment after each signal, the next of `ends` is called.

        Raises:
            Interrupted: it does not end, and one more signal came.
        """
        self._may_raise = False
        if self._count:  # what it raised was lost
            raise Interrupted
        results: list[T] = []
        errors: list[BaseException] = []

        def run() -> None:
            try:
                results.append(work())
            except BaseException as error:  # noqa: BLE001 - it is raised below
                errors.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        for number, end in enumerate(ends, 1):
            self._wait_for(thread, signals=number)
            thread.join(GRACE)
            if thread.is_alive():
                end()
        self._wait_for(thread, signals=len(ends) + 1)
        thread.join(PATIENCE)
        if errors:
            raise errors[0]
        if not results:
            raise Interrupted
        return results[0]

    def _wait_for(self, thread: threading.Thread, *, signals: int) -> None:
        while thread.is_alive() and self._count < signals:
            thread.join(TICK)

    @contextmanager
    def raising(self) -> Generator[None]:
        """Let a signal raise again, the first one too: what came is on disk."""
        self._may_raise = True
        try:
            if self._count:
                raise Interrupted
            yield
        finally:
            self._may_raise = False

    def settle(self) -> bool:
        """Return whether a signal came, for the report on it. A later one changes nothing any more."""
        self._may_raise = False
        self._reported_at = time.monotonic()
        return self.number != 0


SIGNALS: Final = Signals()
"""The signals of this process."""
