"""Every way a call can fail: who must act, and whether it was paid for.

`billed` is the question that each error answers: False, it certainly was not; True, it was, and what came
is kept; None, nobody can know. The tables at the end are the whole mapping from statuses to errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from ._result import write_whole
from ._wire import json_of

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from datetime import datetime

    from ._wire import Key, Reply


class SegmindError(Exception):
    """The root of every error that a call raises.

    Attributes:
        billed: whether the call was paid for; None where nobody can know.
    """

    billed: bool | None = False


# -- Refused here -----------------------------------------------------------------------------------------


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


class InvalidRequest(SegmindError, ValueError):
    """The call is wrong and was not sent: a parameter, the key, the base URL. You must change it.

    Attributes:
        problems: every parameter that is wrong, with what was given and what is allowed.
    """

    problems: tuple[Problem, ...] = ()

    def __init__(self, message: str, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class BudgetExceeded(SegmindError):
    """The call would go over the cap that you set, and was not sent."""


# -- No whole reply ---------------------------------------------------------------------------------------


class ConnectionFailed(SegmindError):
    """No connection was made and nothing was sent. The network, a proxy or the base URL must be mended.

    Attributes:
        may_pass: false where another try is sure to fail alike, as with a certificate that is not trusted.
    """

    may_pass: bool = True


class ConnectionTimedOut(ConnectionFailed, TimeoutError):
    """The deadline came before the call was sent."""


class OutcomeUnknown(SegmindError):
    """The call was sent and no whole reply came: it may have been drawn and billed; it was, once a 200 began.

    It is never sent again unless you say so (`Retry(unknown=True)`): look at your credits first.

    Attributes:
        status: the reply's status, where a status line came; None where none did.
        headers: the reply's headers, names in lower case.
        body: what came of the body.
    """

    billed: bool | None = None
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
        """Write what came of the body to a new file, byte for byte."""
        return _save_body(self.body, path)


class OutcomeTimedOut(OutcomeUnknown, TimeoutError):
    """The deadline came after the call was sent and before its whole reply was there."""


# -- The service answered ---------------------------------------------------------------------------------


class APIError(SegmindError):
    """The service answered, and not with a picture.

    Attributes:
        status: the HTTP status.
        message: what the service said, taken out of its JSON, text or HTML.
        request_id: the service's name for this call, where it gave one (header `x-request-id`).
        headers: the reply's headers, names in lower case.
        body: the reply's body, byte for byte except that the key is blotted out.
    """

    status: int = 0
    message: str = ""
    request_id: str | None = None
    headers: Mapping[str, str]
    body: bytes = b""

    def __init__(self, message: str, reply: Reply | None = None, *, told: str = "") -> None:
        super().__init__(message)
        self.message = told or message
        self.headers = {}
        if reply is not None:
            self.status, self.headers, self.body = reply.status, dict(reply.headers), reply.body
            self.request_id = reply.headers.get("x-request-id")


class RequestRefused(APIError):
    """The service takes no such request. You must change it."""


class AuthenticationError(APIError):
    """The key is missing, wrong, or may not use this model. You must give another, or ask for access."""


class InsufficientCredits(APIError):
    """The account has too few credits, or has met its spend limit; a 406 may say so too. You must pay."""


class NotFound(APIError):
    """There is no such model any more, or the base URL is wrong. You must look which."""


class RateLimited(APIError):
    """Too many calls in too short a time. You must wait.

    Attributes:
        reset_at: when the window ends, where the reply says so; aware, in UTC.
    """

    reset_at: datetime | None = None


class ServerError(APIError):
    """The service failed. The vendor must act; yet a 500 is often a bad parameter in disguise."""


class UnusableReply(APIError):
    """A success that is no whole picture. It is kept; billed, if it names a cost or holds picture bytes."""

    billed: bool | None = None

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the reply's body to a new file, byte for byte.

        Raises:
            FileExistsError: the file is there already.
        """
        return _save_body(self.body, path)


def _save_body(body: bytes, path: str | os.PathLike[str]) -> Path:
    write_whole(body, Path(path), overwrite=False)
    return Path(path)


# -- From a reply to an error -----------------------------------------------------------------------------

_TEXT_KEYS: Final = ("error_description", "error", "message", "detail", "html-message", "msg")


def text_of(content: object, depth: int = 4) -> str:
    """Find the words in an error's JSON: the envelope differs from surface to surface (evidence: vendor)."""
    match content:
        case str():
            return content.strip()
        case dict() if depth:
            known = cast("dict[str, object]", content)
            return next((text for key in _TEXT_KEYS if (text := text_of(known.get(key), depth - 1))), "")
        case list() if depth:
            texts = (text_of(item, depth - 1) for item in cast("list[object]", content))
            return "; ".join(text for text in texts if text)
        case _:
            return ""


def text_in(reply: Reply) -> str:
    """Give what a reply says in words: out of its JSON, else its text."""
    return text_of(json_of(reply.body)) or reply.body[:4096].decode("utf-8", "replace").strip()


def clipped(text: str, limit: int = 500) -> str:
    """Give a text on one line, and at most so many characters of it."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * limit]).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is made of a reply that is no picture, before it is an error; `told` is the service's text."""

    error: type[APIError | OutcomeUnknown]
    told: str
    billed: bool | None
    advice: str = ""
    reset_at: datetime | None = None


STATUS_ERRORS: Final[Mapping[int, type[APIError | OutcomeUnknown]]] = {
    401: AuthenticationError,
    402: InsufficientCredits,
    403: AuthenticationError,
    404: NotFound,
    408: OutcomeUnknown,
    410: NotFound,
    429: RateLimited,
    499: OutcomeUnknown,
    500: ServerError,
    503: ServerError,
}
"""The error of each status that has one of its own."""

CLASS_ERRORS: Final[Mapping[int, type[APIError | OutcomeUnknown]]] = {
    1: OutcomeUnknown,
    2: UnusableReply,
    3: RequestRefused,
    4: RequestRefused,
    5: OutcomeUnknown,
}
"""The error of every other status, by its first digit."""


def error_for(status: int) -> type[APIError | OutcomeUnknown]:
    return STATUS_ERRORS.get(status) or CLASS_ERRORS.get(status // 100, OutcomeUnknown)


def raised(fault: Fault, reply: Reply, key: Key) -> APIError | OutcomeUnknown:
    """Make the error of a fault, with the key blotted out of everything that the service echoed."""
    reply = key.blot(reply)
    told = clipped(key.redact(fault.told))
    request_id = reply.headers.get("x-request-id")
    parts = (f"HTTP {reply.status}: {told}", fault.advice, f"(request {request_id})" if request_id else "")
    sentence = " ".join(part for part in parts if part)
    if issubclass(fault.error, OutcomeUnknown):
        return fault.error(sentence, reply, billed=fault.billed)
    error = fault.error(sentence, reply, told=told)
    error.billed = fault.billed
    if isinstance(error, RateLimited):
        error.reset_at = fault.reset_at
    return error
