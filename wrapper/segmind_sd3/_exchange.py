"""One exchange, whole: what is sent, what is tried again, how long to wait, and when to give up.

Nothing here does I/O or reads a clock. `exchange` is a generator. It yields `SEND` (send the call once, now)
or a number of seconds to wait, and is sent the event that came of it: a `Reply`, a `Failure`, or None after a
wait. It returns a `Generation`, or raises one of the errors in `_errors.py`. `_transport.py` drives it, with
`await` and without; a test drives it with a list.

What it guarantees:

- A call that may have been billed is never sent twice, unless `Retry(unknown=True)` asks for that.
- Whatever comes back, the caller gets a picture or an error of the SDK, never another exception.
"""

from __future__ import annotations

import random
from itertools import count
from typing import TYPE_CHECKING, Final, Literal, cast

from ._reply import interpret
from ._result import Generation
from ._wire import Failure, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ._retry import Retry
    from ._wire import Key

SEND: Final = "send"

Step = Literal["send"] | float
Event = Reply | Failure | None


def exchange(
    retry: Retry,
    key: Key,
    *,
    seed: int | None,
    left: Callable[[], float],
    uniform: Callable[[float, float], float] = random.uniform,
) -> Generator[Step, Event, Generation]:
    """Run one call to its end.

    `seed` is what the call sends, `left` returns the seconds until its deadline, `uniform` draws the jitter.
    """
    for attempt in count(1):
        event = yield SEND
        if event is None:
            raise TypeError("no event came of a sending")
        outcome = interpret(event, key, seed)
        if isinstance(outcome, Generation):
            return outcome
        wait = retry.wait_after(outcome, attempt, uniform)
        if wait is None or wait >= left():
            raise outcome
        yield wait
    raise AssertionError  # pragma: no cover - count() has no end


def advance(steps: Generator[Step, Event, Generation], event: Event) -> Step | Generation:
    """Send an event to the exchange, and return its next step, or its outcome where that was the last."""
    try:
        return steps.send(event)
    except StopIteration as done:
        return cast("Generation", done.value)
