"""How many calls may be under way, and when the next may begin. No I/O; the clock is a monotonic one."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from segmind_sd3._errors import AuthenticationError, ConnectionFailed, InsufficientCredits, RateLimited
from segmind_sd3._retry import seconds_asked

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE: Final = 0.25
"""Seconds after which a worker that may not begin looks again."""

LONGEST_PAUSE: Final = 60.0
"""Seconds: the longest pause after a 429; the plans count calls by the minute."""

MOST_REFUSALS: Final = 20
"""After how many calls in a row that certainly were not billed, for the same reason, a batch ends."""

REASONS: Final[dict[type[Exception], str]] = {
    RateLimited: "the service limits every call",
    InsufficientCredits: "the account has too few credits",
    AuthenticationError: "the service refuses the key",
    ConnectionFailed: "the service can't be reached",
}
"""The errors after which the same job may be sent later, and what is wrong where they go on."""


class Pace:
    """Adapts the number of calls at once: half of them after a 429, and one more after as many successes.

    Args:
        at_once: the highest number.
        per_minute: how many calls may begin in a minute; None for no limit.
        clock: returns seconds.
    """

    def __init__(
        self, at_once: int, per_minute: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = at_once
        self._between = 60 / per_minute if per_minute else 0.0
        self._clock = clock
        self._lock = threading.Lock()
        self.limit = float(at_once)
        self.busy = 0
        self._not_before = 0.0
        self._refusals: list[type[Exception]] = []

    def begin(self) -> float:
        """Begin a call and return 0, or return the seconds after which to ask again."""
        with self._lock:
            now = self._clock()
            if self.busy >= int(self.limit):
                return PATIENCE
            if now < self._not_before:
                return min(self._not_before - now, PATIENCE)
            self.busy += 1
            if self._between:
                self._not_before = now + self._between
            return 0.0

    def hold(self, seconds: float) -> None:
        """Begin no call for some seconds."""
        with self._lock:
            self._not_before = max(self._not_before, self._clock() + seconds)

    def leave(self) -> None:
        """End what was begun without a call."""
        with self._lock:
            self.busy -= 1

    def end(self, outcome: object) -> str:
        """End a call; return why no other should begin, where it shows that."""
        with self._lock:
            self.busy -= 1
            kind = next((kind for kind in REASONS if isinstance(outcome, kind)), None)
            if kind is None:
                self._refusals.clear()
                self.limit = min(self._most, self.limit + 1 / self.limit)
                return ""
            if isinstance(outcome, RateLimited):
                # Calls that were under way at the first 429 of a window tell nothing new.
                if self._clock() >= self._not_before:
                    self.limit = max(1.0, self.limit / 2)
                self._pause(seconds_asked(outcome))
            elif isinstance(outcome, ConnectionFailed):
                self._pause(None)
            self._refusals = [kind] if kind not in self._refusals else [*self._refusals, kind]
            return REASONS[kind] if len(self._refusals) >= MOST_REFUSALS else ""

    def _pause(self, seconds: float | None) -> None:
        seconds = min(8.0, 0.25 * 2 ** min(len(self._refusals), 5)) if seconds is None else seconds
        self._not_before = max(self._not_before, self._clock() + min(seconds, LONGEST_PAUSE))
