"""When a call is sent again, and after how long: only what certainly was not billed, and may pass."""

from __future__ import annotations

import math
import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, cast

from ._errors import APIError, InvalidRequest, RateLimited
from ._public import public
from ._text import short_repr
from ._wire import moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._errors import SegmindError


_SINCE_1970: Final = 1e9
"""Seconds from which on a `Retry-After` is taken for a moment: as a wait they would be thirty years."""


@public
@dataclass(frozen=True, slots=True)
class Retry:
    """The retry policy of a client. One deadline, the client's `timeout`, covers every try and every wait.

    Tried again is what certainly was not billed and may pass: a connection that was never made, a request
    that was never handed over whole, and a 429.

    Attributes:
        attempts: how often a call is tried in all, at least 1; 1 switches retries off.
        backoff: the ceiling of the first wait, in seconds; it doubles with each try. The wait is drawn
            evenly between 0 and the ceiling (full jitter).
        backoff_max: what the ceiling never goes over, in seconds.
        rate_limit_max: the longest wait for a rate limit to reset, in seconds. A longer one is not begun.
        unknown: try again as well after errors whose `retryable` is None: a lost reply, a gateway's error, a
            503. **This may pay twice**: the service has no idempotency key, so a call whose reply was lost
            may have been drawn and billed.
    """

    attempts: int = 4
    backoff: float = 0.5
    backoff_max: float = 8.0
    rate_limit_max: float = 60.0
    unknown: bool = False

    def __post_init__(self) -> None:
        if type(self.attempts) is not int or self.attempts < 1:
            allowed = "a whole number of at least 1, the first try"
            raise InvalidRequest(f"attempts was {short_repr(self.attempts)}; allowed is {allowed}")
        for name in ("backoff", "backoff_max", "rate_limit_max"):
            seconds = getattr(self, name)
            # A limit may be infinite; a ceiling is multiplied, and must be a number that a float holds.
            most = math.inf if name == "rate_limit_max" else sys.float_info.max
            if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds <= most:
                raise InvalidRequest(
                    f"{name} was {short_repr(seconds)}; allowed is a number of seconds from 0"
                )
        if not isinstance(cast("object", self.unknown), bool):
            raise InvalidRequest(f"unknown was {short_repr(self.unknown)}; allowed is True or False")

    def wait_after(
        self, error: SegmindError, attempt: int, uniform: Callable[[float, float], float]
    ) -> float | None:
        """Return the seconds to wait before the next try, or None where the error is final.

        `attempt` counts from 1; `uniform` draws the jitter.
        """
        if attempt >= self.attempts or not self.may_repeat(error):
            return None
        # By the 64th doubling any ceiling is reached; some later one is more than a float holds.
        jitter = uniform(0, min(self.backoff_max, self.backoff * 2 ** min(attempt - 1, 64)))
        seconds = seconds_asked(error) if isinstance(error, APIError) else None
        if seconds is None:
            return jitter
        return seconds + jitter if seconds <= self.rate_limit_max else None

    def may_repeat(self, error: SegmindError) -> bool:
        """Return whether a call that ended like this may be sent again, as far as money goes."""
        return self.unknown if error.retryable is None else error.retryable


def seconds_asked(error: APIError) -> float | None:
    """Return the seconds that a reply asks to wait: `Retry-After`, else until its rate limit's window ends.

    A time is read by the reply's own date, since the local clock may be wrong.
    """
    asked = error.headers.get("retry-after", "")[:64].strip()
    until = moment(asked) or (error.reset_at if isinstance(error, RateLimited) else None)
    if re.fullmatch(r"\d+(?:\.\d+)?", asked, re.ASCII):
        seconds = float(asked)
        if seconds < _SINCE_1970 or moment(asked) is None:
            return seconds
    if until is None:
        return None
    sent_at = moment(error.headers.get("date", "")) or datetime.now(UTC)
    return max(0.0, (until - sent_at).total_seconds())
