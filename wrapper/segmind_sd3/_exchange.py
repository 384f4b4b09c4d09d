"""One exchange, whole: what is sent, what is made of each answer, what is tried again, and when it ends.

Law: no I/O and no clock. `exchange` is a generator. It yields `SEND` (send the call once, now) or a number
of seconds to wait, and is told what came of it: a `Reply`, a `Failure`, or None after a wait. It returns a
`Generation`, or raises one error of the tree in `errors.py`. `transport.py` drives it, with `await` and
without; a test drives it with a list.

What it promises:

- A call that may have been billed is never sent twice, unless `Retry(unknown=True)` asked for that.
- Whatever comes back, the caller gets a picture or an error of the tree, never another exception.
- Of what may have been paid for, every byte that came is in the `Generation` or in the error.
"""

from __future__ import annotations

import base64
import binascii
import math
import random
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from . import _quirks as quirks
from ._errors import (
    ConnectionFailed,
    ConnectionTimedOut,
    Fault,
    OutcomeTimedOut,
    OutcomeUnknown,
    SegmindError,
    UnusableReply,
    clipped,
    error_for,
    raised,
    text_in,
)
from ._imagefile import sniff, whole
from ._result import Generation, Image
from ._wire import Failure, Reply, json_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ._retry import Retry
    from ._wire import Key

SEND: Final = "send"

Step = Literal["send"] | float
Told = Reply | Failure | None


def exchange(
    retry: Retry,
    key: Key,
    *,
    seed: int | None,
    left: Callable[[], float],
    uniform: Callable[[float, float], float] = random.uniform,
) -> Generator[Step, Told, Generation]:
    """Run one call to its end.

    `seed` is what the call sends, `left` gives the seconds until its deadline, `uniform` draws the jitter.
    """
    for attempt in count(1):
        outcome = judged((yield SEND), key, seed)
        if isinstance(outcome, Generation):
            return outcome
        wait = retry.wait_after(outcome, attempt, uniform)
        if wait is None or wait >= left():
            raise outcome
        yield wait
    raise AssertionError  # pragma: no cover - count() has no end


def advanced(steps: Generator[Step, Told, Generation], told: Told) -> Step | Generation:
    """Tell the exchange what came, and give its next step, or its outcome where that was the last."""
    try:
        return steps.send(told)
    except StopIteration as done:
        return cast("Generation", done.value)


def judged(told: Told, key: Key, seed: int | None) -> Generation | SegmindError:
    """Say what came of one sending."""
    if isinstance(told, Failure):
        return failed(told, key)
    if told is None:
        raise TypeError("told nothing of what came of a sending")
    # Before anything is cut short: half a key is a key too. A picture's bytes stay as they are.
    told = key.blot(told, body=sniff(told.body) is None)
    if told.status // 100 != 2:
        return refused(told, key)
    reply = quirks.repaired(told)
    found = pictures_in(reply)
    if isinstance(found, Fault):
        # What is kept is what came, not what a repair made of it.
        return raised(quirks.read(told, found), told, key)
    return drawn(found, reply, seed)


def failed(failure: Failure, key: Key) -> SegmindError:
    """Name a failure of the network by what it means for the caller's money."""
    reason = key.redact(failure.reason)
    if failure.reached == "nothing":
        refusal = ConnectionTimedOut if failure.timed_out else ConnectionFailed
        error = refusal(f"Nothing was sent: {reason}")
        error.may_pass = failure.may_pass
        return error
    partial = None if failure.partial is None else key.blot(failure.partial)
    billed = True if partial is not None and partial.status == 200 else None
    lost = OutcomeTimedOut if failure.timed_out else OutcomeUnknown
    fate = "was drawn and paid for" if billed else "may have been drawn and paid for"
    came = (
        f"; {len(partial.body)} bytes of the reply came and are in .body" if partial and partial.body else ""
    )
    return lost(
        f"The call was sent and {fate}, but no whole reply came: {reason}{came}.", partial, billed=billed
    )


def refused(reply: Reply, key: Key) -> SegmindError:
    """Make the error of a reply that is no success."""
    error = error_for(reply.status)
    billed, advice = False, ""
    if issubclass(error, OutcomeUnknown):
        billed, advice = None, "The call may have been drawn and paid for."
    elif reply.status // 100 == 3:
        advice = "A redirect is never followed: check the base URL."
    fault = Fault(error, text_in(reply) or "no text", billed, advice)
    return raised(quirks.read(reply, fault), reply, key)


def _unusable(reply: Reply, why: str, *, drawn: bool = False) -> Fault:
    paid = drawn or (number(reply, "x-cost") or 0) > 0
    return Fault(UnusableReply, why, True if paid else None, advice="What came is kept: .body, .save(path).")


def pictures_in(reply: Reply) -> list[Image] | Fault:
    """Give the pictures of a successful reply, all of them whole, or what is wrong with it."""
    media_type = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type.startswith("image/"):
        image = _image(reply.body, media_type)
        return [image] if image else _not_whole(reply, reply.body)
    if not reply.body:
        return _unusable(reply, "the reply is empty")
    content = json_of(reply.body)
    if not isinstance(content, dict):
        text = clipped(text_in(reply), 80) or "no text"
        return _unusable(reply, f"the reply is neither a picture nor a JSON object ({text})")
    texts = cast("dict[str, Any]", content).get("image")
    if texts is None or texts == []:
        return _unusable(reply, "the reply is JSON without a picture")
    found: list[Image] = []
    for text in cast("list[Any]", texts) if isinstance(texts, list) else [texts]:
        data = decoded(text)
        if data is None:
            return _unusable(reply, "the reply's picture is no base64 text", drawn=bool(found))
        image = _image(data, sniff(data) or "")
        if image is None:
            return _not_whole(reply, data, drawn=bool(found))
        found.append(image)
    return found


def _image(data: bytes, media_type: str) -> Image | None:
    picture = whole(data)
    return picture and Image(data, media_type, picture.width, picture.height)


def _not_whole(reply: Reply, data: bytes, *, drawn: bool = False) -> Fault:
    if not data:
        return _unusable(reply, "the reply is empty", drawn=drawn)
    if sniff(data):
        return _unusable(reply, "the picture is cut short", drawn=True)
    return _unusable(reply, "the reply's bytes are no picture", drawn=drawn)


def decoded(text: object) -> bytes | None:
    """Decode base64 text, with or without a `data:` prefix, line breaks and padding."""
    if not isinstance(text, str):
        return None
    if text.startswith("data:"):
        text = text.partition(",")[2]
    text = "".join(text.split()).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def drawn(images: list[Image], reply: Reply, seed: int | None) -> Generation:
    named = number(reply, "x-seed-value")
    if seed is None or seed < 0:
        seed = int(named) if named is not None and named >= 0 else None
    return Generation(
        images=tuple(images),
        seed=seed,
        cost=number(reply, "x-cost"),
        credits_remaining=number(reply, "x-remaining-credits"),
        generation_time=number(reply, "x-generation-time"),
        request_id=reply.headers.get("x-request-id"),
    )


def number(reply: Reply, header: str) -> float | None:
    """Read a header as a finite number; None where it is missing or none."""
    try:
        value = float(reply.headers[header])
    except (KeyError, ValueError):
        return None
    return value if math.isfinite(value) else None
