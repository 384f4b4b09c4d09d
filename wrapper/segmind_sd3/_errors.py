"""Every way a call can fail: who must act, whether it was billed, and whether it is tried again.

`billed` is False where the call certainly was not billed, True where it was (what came is kept), and None
where nobody can know. `RULES`, at the end, is the whole mapping from statuses to errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from ._limits import MAX_TEXTS
from ._public import public
from ._wire import clip

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from ._wire import Reply


@public
class SegmindError(Exception):
    """The root of every error that a call raises.

    Attributes:
        billed: whether the call was billed; None where nobody can know.
        retryable: whether the SDK may send the call again by itself; None where it does so only with
            `Retry(unknown=True)`, since the call may have been billed.
    """

    billed: bool | None = False
    retryable: bool | None = False


# -- Refused here -----------------------------------------------------------------------------------------


@public
@dataclass(frozen=True, slots=True)
class Problem:
    """One parameter that is wrong: what was given, and what is allowed or to be done instead."""

    parameter: str
    given: str
    advice: str

    def __str__(self) -> str:
        return (
            f"{self.parameter}: {self.given}; {self.advice}"
            if self.given
            else f"{self.parameter}: {self.advice}"
        )


@public
class InvalidRequest(SegmindError, ValueError):
    """The call is wrong and was not sent: a parameter, the key, an option. Change it.

    Attributes:
        problems: every parameter that is wrong, with what was given and what is allowed.
    """

    problems: tuple[Problem, ...] = ()

    def __init__(self, message: str, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


@public
class BudgetExceeded(SegmindError):
    """The call would exceed the budget that you set, and was not sent."""


# -- No whole reply ---------------------------------------------------------------------------------------


@public
class ConnectionFailed(SegmindError):
    """No connection was made, or the request was never handed over whole. Check network, proxy and base URL.

    `retryable` is false where another try is sure to fail alike, as with a certificate that is not trusted.
    """

    retryable: bool | None = True


@public
class ConnectionTimedOut(ConnectionFailed, TimeoutError):
    """The deadline came before the request was handed over whole."""


@public
class OutcomeUnknown(SegmindError):
    """The call was sent and no whole reply came: it may have been billed; it was, once a 200 began.

    It is never sent again unless you say so (`Retry(unknown=True)`): look at your credits first.

    Attributes:
        status: the reply's status, where a status line came; None where none did.
        headers: the reply's headers, names in lower case.
        body: what came of the body.
    """

    billed: bool | None = None
    retryable: bool | None = None
    status: int | None = None
    headers: Mapping[str, str]
    body: bytes = b""

    def __init__(self, message: str, reply: Reply | None = None, *, billed: bool | None = None) -> None:
        super().__init__(message)
        self.billed = billed
        self.headers = {}
        if reply is not None:
            self.status, self.headers, self.body = reply.status, dict(reply.headers), reply.body

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write what came of the body to a new file, byte for byte, and return its path.

        As in `Image.save`, another file is never replaced, and another place is found where need be.
        """
        return _save(self.body, path)


@public
class OutcomeTimedOut(OutcomeUnknown, TimeoutError):
    """The deadline came after the call was sent and before its whole reply was there."""


# -- The service answered ---------------------------------------------------------------------------------


@public
class APIError(SegmindError):
    """The service answered, and not with a picture.

    Attributes:
        status: the HTTP status.
        message: what the service said, taken out of its JSON, text or HTML.
        request_id: the service's name for this call, where it gave one (header `x-request-id`).
        headers: the reply's headers, names in lower case.
        body: the reply's body, byte for byte, except that the key is taken out of it.
    """

    status: int = 0
    message: str = ""
    request_id: str | None = None
    headers: Mapping[str, str]
    body: bytes = b""

    def __init__(self, message: str, reply: Reply | None = None, *, text: str = "") -> None:
        super().__init__(message)
        self.message = text or message
        self.headers = {}
        if reply is not None:
            self.status, self.headers, self.body = reply.status, dict(reply.headers), reply.body
            self.request_id = reply.headers.get("x-request-id")

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the reply's body to a new file, byte for byte, and return its path.

        As in `Image.save`, another file is never replaced, and another place is found where need be.
        """
        return _save(self.body, path)


@public
class RequestRefused(APIError):
    """The service refuses this request. Change it."""


@public
class AuthenticationError(APIError):
    """The key is missing, wrong, or may not use this model. Give another, or ask for access."""


@public
class InsufficientCredits(APIError):
    """The account has too few credits, or has met its spend limit; a 406 may say so too. Add credits."""


@public
class NotFound(APIError):
    """There is no such model (any more), or the base URL is wrong."""


@public
class RateLimited(APIError):
    """Too many calls in too short a time. Wait.

    Attributes:
        reset_at: when the window ends, where the reply says so; aware, in UTC.
    """

    reset_at: datetime | None = None


@public
class ServerError(APIError):
    """The service failed. A 500 is often caused by a bad parameter; whether a 503 was billed is unknown."""


@public
class UnusableReply(APIError):
    """A success that is no whole picture. It is kept; billed, if it names a cost or holds picture bytes."""

    billed: bool | None = None


# -- From a reply to an error -----------------------------------------------------------------------------


class Rule(NamedTuple):
    """What a reply of some statuses means: the error, whether it was billed, and whether it is tried again.

    Attributes:
        statuses: the statuses; a number below 10 is the first digit of all that have no rule of their own.
        error: the error's class.
        billed: what is known of money by the status alone. A cost or a picture in the reply says more.
        retryable: as in `SegmindError`.
        advice: what to do, where the status says more of that than the error's class.
    """

    statuses: tuple[int, ...]
    error: type[APIError | OutcomeUnknown]
    billed: bool | None
    retryable: bool | None = False
    advice: str = ""


RULES: Final = (
    Rule(
        (401,), AuthenticationError, billed=False, advice="Check the key that was given, or SEGMIND_API_KEY."
    ),
    Rule((402,), InsufficientCredits, billed=False),
    Rule((403,), AuthenticationError, billed=False),
    Rule(
        (404,), NotFound, billed=False, advice="There is no such model at this address: check the base URL."
    ),
    Rule(
        (410,),
        NotFound,
        billed=False,
        advice="The vendor has retired this model: https://www.segmind.com/models lists those that remain.",
    ),
    Rule((429,), RateLimited, billed=False, retryable=True),
    Rule((500,), ServerError, billed=False),
    Rule((503,), ServerError, billed=None, retryable=None),
    Rule((408, 499), OutcomeUnknown, billed=None, retryable=None),
    Rule((2,), UnusableReply, billed=None),
    Rule((3,), RequestRefused, billed=False, advice="A redirect is never followed: check the base URL."),
    Rule((4,), RequestRefused, billed=False),
    Rule((1, 5), OutcomeUnknown, billed=None, retryable=None),
)
"""The whole mapping from statuses to errors. For money the more cautious reading wins: a gateway sends a 503
too when the service behind it broke off with the request in its hands."""

_RULES: Final = {status: rule for rule in RULES for status in rule.statuses}
_NO_HTTP: Final = _RULES[1]


def rule_for(status: int) -> Rule:
    return _RULES.get(status) or _RULES.get(status // 100, _NO_HTTP)


class Fault(NamedTuple):
    """What is made of a reply that is no picture, before it is an error; `text` is the service's text."""

    error: type[APIError | OutcomeUnknown]
    text: str
    billed: bool | None
    advice: str = ""
    reset_at: datetime | None = None
    retryable: bool | None = False


_TEXT_KEYS: Final = ("error_description", "error", "message", "detail", "html-message", "msg")


def text_of(content: object, depth: int = 4) -> str:
    """Find the words in an error's JSON: the envelope differs from surface to surface (evidence: vendor)."""
    match content:
        case str():
            return clip(content)
        case dict() if depth:
            known = cast("dict[str, object]", content)
            return next((text for key in _TEXT_KEYS if (text := text_of(known.get(key), depth - 1))), "")
        case list() if depth:
            texts = (text_of(item, depth - 1) for item in cast("list[object]", content)[:MAX_TEXTS])
            return clip("; ".join(text for text in texts if text))
        case _:
            return ""


def mark_unsent(error: Exception) -> None:
    """Note on an unexpected error that nothing was sent, so that nothing was billed."""
    if not isinstance(error, SegmindError):
        error.__dict__["billed"] = False


def _save(body: bytes, path: str | os.PathLike[str]) -> Path:
    from ._saving import save_all  # noqa: PLC0415 - takes a while to load, and few programs save a reply

    return save_all([body], path, lambda asked: [asked]).result()[0]
