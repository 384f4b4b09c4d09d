"""What happens to a call while it is under way: events for a listener, and lines for the log.

INFO has one line for each call, and one for each image that is larger than the pages allow. DEBUG has one for
each try and each wait. Neither holds the key: errors come here without it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ._errors import SegmindError
from ._public import public
from ._wire import clip

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._result import Credits, Generation

log: Final = logging.getLogger("segmind_sd3")


@public
@dataclass(frozen=True, slots=True)
class Sending:
    """A call is about to be sent.

    Attributes:
        endpoint: its name, such as `sd35_turbo_txt2img`, or `credits`.
        attempt: which try this is, from 1.
    """

    endpoint: str
    attempt: int


@public
@dataclass(frozen=True, slots=True)
class Waiting:
    """A try failed, was certainly not billed, and another follows after a wait.

    With `Retry(unknown=True)` it may have been billed.

    Attributes:
        endpoint: the endpoint's name.
        attempt: which try failed, from 1.
        seconds: how long the wait is.
        error: what came of the try.
    """

    endpoint: str
    attempt: int
    seconds: float
    error: SegmindError


@public
@dataclass(frozen=True, slots=True)
class Finished:
    """A call has ended. It does not come where the call was interrupted or cancelled.

    Attributes:
        endpoint: the endpoint's name.
        attempts: how many tries there were.
        seconds: how long all of it took, waits included.
        outcome: what the call returns, or the error that it raises.
    """

    endpoint: str
    attempts: int
    seconds: float
    outcome: Generation | Credits | SegmindError


Event = Sending | Waiting | Finished
Listener = "Callable[[Event], object]"


class Reporter:
    """Reports on one call, to the log and to a listener. A listener that fails changes nothing."""

    def __init__(self, endpoint: str, listener: Callable[[Event], object] | None = None) -> None:
        self._endpoint = endpoint
        self._listener = listener

    def sending(self, attempt: int) -> None:
        log.debug("%s: try %d", self._endpoint, attempt)
        if self._listener is not None:
            self._tell(self._listener, Sending(self._endpoint, attempt))

    def waiting(self, attempt: int, seconds: float, error: SegmindError) -> None:
        log.debug("%s: try %d failed, waits %.2f s: %s", self._endpoint, attempt, seconds, error)
        if self._listener is not None:
            self._tell(self._listener, Waiting(self._endpoint, attempt, seconds, error))

    def finished(self, attempts: int, seconds: float, outcome: Generation | Credits | SegmindError) -> None:
        if log.isEnabledFor(logging.INFO):
            log.info("%s: %s", self._endpoint, _line(attempts, seconds, outcome))
        if self._listener is not None:
            self._tell(self._listener, Finished(self._endpoint, attempts, seconds, outcome))

    def _tell(self, listener: Callable[[Event], object], event: Event) -> None:
        try:
            listener(event)
        except Exception as fault:  # noqa: BLE001 - a display that breaks must not lose a picture
            log.warning("on_event raised %s at %s", type(fault).__name__, type(event).__name__)


def _line(attempts: int, seconds: float, outcome: object) -> str:
    status = getattr(outcome, "status", 200 if not isinstance(outcome, SegmindError) else None)
    ended = type(outcome).__name__ if isinstance(outcome, SegmindError) else "ok"
    parts = [
        f"{ended}, status {status or '-'}",
        f"{seconds:.2f} s",
        f"{attempts} {'try' if attempts == 1 else 'tries'}",
        f"cost {cost}" if (cost := getattr(outcome, "cost", None)) is not None else "",
        f"request {clip(request, 100)}" if (request := getattr(outcome, "request_id", None)) else "",
    ]
    return ", ".join(part for part in parts if part)
