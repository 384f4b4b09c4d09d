"""When a call is sent again, and after how long: only what certainly was not paid for, and may pass."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from ._errors import ConnectionFailed, InvalidRequest, OutcomeUnknown, RateLimited, ServerError
from ._text import shown
from ._wire import moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._errors import SegmindError


@dataclass(frozen=True, slots=True)
class Retry:
    """The retry policy of a client. One deadline, the client's `timeout`, covers every try and every wait.

    A connection that was never made, a 429 and a 503 are tried again: none of them was billed.

    Attributes:
        attempts: how often a call is tried in all, at least 1; 1 switches retries off.
        backoff: the ceiling of the first wait, in seconds; it doubles with each try. The wait is drawn
            evenly between 0 and the ceiling (full jitter).
        backoff_max: what the ceiling never goes over, in seconds.
        rate_limit_max: the longest wait for a rate limit to reset, in seconds. A longer one is not begun.
        unknown: try again after `OutcomeUnknown` as well. **This may pay twice**: the service has no
            idempotency key, so a call whose reply was lost may have been drawn and billed.
    """

    attempts: int = 4
    backoff: float = 0.5
    backoff_max: float = 8.0
    rate_limit_max: float = 60.0
    unknown: bool = False

    def __post_init__(self) -> None:
        if type(self.attempts) is not int or self.attempts < 1:
            allowed = "a whole number of at least 1, the first try"
            raise InvalidRequest(f"attempts was {shown(self.attempts)}; allowed is {allowed}")
        for name in ("backoff", "backoff_max", "rate_limit_max"):
            seconds = getattr(self, name)
            # A limit may be infinite; a ceiling is multiplied, and must be a number that a float holds.
            most = math.inf if name == "rate_limit_max" else sys.float_info.max
            if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds <= most:
                raise InvalidRequest(f"{name} was {shown(seconds)}; allowed is a number of seconds from 0")
        if not isinstance(cast("object", self.unknown), bool):
            raise InvalidRequest(f"unknown was {shown(self.unknown)}; allowed is True or False")

    def wait_after(
        self, error: SegmindError, attempt: int, uniform: Callable[[float, float], float]
    ) -> float | None:
        """Give the seconds to wait before the next try, or None where the error is final.

        `attempt` counts from 1; `uniform` draws the jitter.
        """
        if attempt >= self.attempts or not self.may_repeat(error):
            return None
        # By the 64th doubling any ceiling is reached; some later one is more than a float holds.
        jitter = uniform(0, min(self.backoff_max, self.backoff * 2 ** min(attempt - 1, 64)))
        if isinstance(error, RateLimited) and (seconds := seconds_to_reset(error)) is not None:
            return seconds + jitter if seconds <= self.rate_limit_max else None
        return jitter

    def may_repeat(self, error: SegmindError) -> bool:
        """Say whether a call that ended like this may be sent again, as far as money goes."""
        match error:
            case ConnectionFailed():
                return error.may_pass
            case RateLimited():
                return True
            case ServerError():
                return error.status == 503
            case OutcomeUnknown():
                return self.unknown
            case _:
                return False


def seconds_to_reset(error: RateLimited) -> float | None:
    """Give the seconds from the reply's own date to the end of its window: the local clock may be wrong."""
    if error.reset_at is None:
        return None
    sent_at = moment(error.headers.get("date", "")) or datetime.now(UTC)
    return max(0.0, (error.reset_at - sent_at).total_seconds())
