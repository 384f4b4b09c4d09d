"""One exchange, whole: what is sent, what is tried again, how long to wait, and when to give up.

Nothing here does I/O or reads a clock. `exchange` is a generator. It yields `SEND` (send the call once, now)
or a number of seconds to wait, and is sent the event that came of it: a `Reply`, a `Failure`, or None after a
wait. It returns what the event means, or raises one of the errors in `_errors.py`. `_transport.py` drives it,
with `await` and without; a test drives it with a list.

What it guarantees:

- A call that may have been billed is never sent twice, unless `Retry(unknown=True)` asks for that.
- Whatever comes back, the caller gets a picture or an error of the SDK, never another exception.
"""

from __future__ import annotations

import random
from itertools import count
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from ._errors import SegmindError
from ._events import Reporter
from ._wire import Failure, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ._budget import Meter
    from ._result import Credits, Generation
    from ._retry import Retry

SEND: Final = "send"

Step = Literal["send"] | float
Arrival = Reply | Failure | None
Outcome = TypeVar("Outcome", "Generation", "Credits")

_SILENT: Final = Reporter("call")


def exchange(
    retry: Retry,
    interpret: Callable[[Reply | Failure], Outcome | SegmindError],
    *,
    left: Callable[[], float],
    report: Reporter = _SILENT,
    uniform: Callable[[float, float], float] = random.uniform,
    meter: Meter | None = None,
) -> Generator[Step, Arrival, Outcome]:
    """Run one call to its end.

    `interpret` says what an event means, `left` returns the seconds until the deadline, `uniform` draws the
    jitter, `meter` reserves the price of each sending and settles it.
    """
    at_first = left()
    outcome: Outcome | SegmindError | None = None
    for attempt in count(1):
        if meter is not None and (refusal := meter.refusal()):
            # A call that was sent before ends as that sending did: it may have been billed.
            raise outcome if isinstance(outcome, SegmindError) else refusal
        report.sending(attempt)
        event = yield SEND
        if event is None:
            raise TypeError("no event came of a sending")
        outcome = interpret(event)
        if meter is not None:
            meter.settle(outcome)
        if not isinstance(outcome, SegmindError):
            report.finished(attempt, at_first - left(), outcome)
            return outcome
        wait = retry.wait_after(outcome, attempt, uniform)
        if wait is None or wait >= left():
            seconds = at_first - left()
            if attempt > 1:
                outcome.args = (f"{outcome} ({attempt} tries in {seconds:.1f} s)", *outcome.args[1:])
            report.finished(attempt, seconds, outcome)
            raise outcome
        report.waiting(attempt, wait, outcome)
        yield wait
    raise AssertionError  # pragma: no cover - count() has no end
