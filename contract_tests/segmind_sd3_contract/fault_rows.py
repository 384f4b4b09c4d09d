"""The table of faults: what a paid API can meet its client with, and what must come of it.

Law: data, and no judgement. Each fault is met for ever by a call that may be sent three times, so that the
number of POSTs says whether the SDK holds back. `faults.py` tries every row.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3 import (
    AuthenticationError,
    ConnectionFailed,
    InsufficientCredits,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    RequestRefused,
    SegmindError,
    ServerError,
    UnusableReply,
)
from segmind_sd3._errors import ConnectionTimedOut, OutcomeTimedOut

from segmind_sd3_contract.sockets import (
    answering,
    certified,
    deaf,
    greeting,
    never_accepting,
    refusing,
    reply,
    serving,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from segmind_sd3_contract.sockets import Script

DEADLINE: Final = 0.3
"""Seconds that a call has which is to end by its deadline."""

TIME_ENOUGH: Final = 1.5
"""Seconds that any other has: a busy machine must not make another fault of it."""

Address = AbstractContextManager[tuple[str, Sequence[object]]]
Params = dict[str, Any]

ONE: Final[Params] = {"prompt": "a lighthouse", "seed": 7, "width": 64, "height": 64}
JSON: Final[Params] = {**ONE, "extra": {"base64": True}}
TWO: Final[Params] = {**ONE, "batch_size": 2}


@dataclass(frozen=True, slots=True)
class Row:
    """One fault, and what must come of it.

    Attributes:
        fault: its name; a provocation of the reference server has the same.
        error: the class of the error, or None where a picture comes.
        billed: what the error must say of money; a picture was paid for.
        posts: how many POSTs arrive, of the three that the retry policy allows.
        params: what turbo is asked for.
        deadline: seconds that the call has.
        large: whether it is to meet the limit on the size of a reply.
        address: opens what is called in place of the reference server; gives its URL, and what it is sent.
    """

    fault: str
    error: type[SegmindError] | None
    billed: bool | None
    posts: int = 1
    params: Params = field(default_factory=ONE.copy)
    deadline: float = TIME_ENOUGH
    large: bool = False
    address: Callable[[], Address] | None = None


def _over_tls(script: Script, *, certified_for: str | None = None) -> Callable[[], Address]:
    """Give a server to be called with TLS; it speaks TLS where it has a certificate, which nobody trusts."""

    @contextmanager
    def opened() -> Generator[tuple[str, Sequence[object]]]:
        with serving(script, tls=certified(certified_for) if certified_for else None) as peer:
            yield peer.url.replace("http:", "https:"), peer.requests

    return opened


def _without_anybody(held: Callable[[], AbstractContextManager[str]]) -> Callable[[], Address]:
    @contextmanager
    def opened() -> Generator[tuple[str, Sequence[object]]]:
        with held() as url:
            yield url, ()

    return opened


_REFUSED: Final = _without_anybody(refusing)
_NEVER_ACCEPTED: Final = _without_anybody(never_accepting)
_UNTRUSTED: Final = _over_tls(answering(reply()), certified_for="127.0.0.1")
_PLAIN: Final = _over_tls(greeting(reply(400)))
_CLOSED: Final = _over_tls(greeting(b""))
_DEAF: Final = _over_tls(deaf)

_NUMBERS: Final = ("x-remaining-credits", "x-cost", "x-seed-value", "x-generation-time")
_HEADERS: Final = " ".join(
    [
        *(f"no-header:{name}" for name in (*_NUMBERS, "x-request-id")),
        *(f"odd-header:{name}:{value}" for name in _NUMBERS for value in ("plenty", "nan", "inf", "empty")),
    ]
)

_TIMED_OUT: Final = (ConnectionTimedOut, OutcomeTimedOut)
_IN_TIME: Final = {"deadline": DEADLINE}

_Group = tuple[str, type[SegmindError] | None, bool | None, int, dict[str, Any]]

_TABLE: Final[tuple[_Group, ...]] = (
    # No connection: nothing was sent.
    ("refused", ConnectionFailed, False, 0, {"address": _REFUSED}),
    ("never-accepted", ConnectionTimedOut, False, 0, {"address": _NEVER_ACCEPTED}),
    ("tls:untrusted", ConnectionFailed, False, 0, {"address": _UNTRUSTED}),
    ("tls:not-spoken", ConnectionFailed, False, 0, {"address": _PLAIN}),
    ("tls:closed", ConnectionFailed, False, 0, {"address": _CLOSED}),
    ("tls:stalled", ConnectionTimedOut, False, 0, {"address": _DEAF}),
    # Drawn and billed, and lost on its way; once a 200 was read, that is certain.
    ("reset hang-up", OutcomeUnknown, None, 1, {}),
    ("stall-headers drip-headers", OutcomeTimedOut, None, 1, {}),
    ("reset-before-body reset-in-body truncated-body truncated-body:chunked", OutcomeUnknown, True, 1, {}),
    ("stall-body drip-body wrong-length:too-long", OutcomeTimedOut, True, 1, {}),
    ("wrong-length:too-long-closed gzip:garbage", OutcomeUnknown, True, 1, {}),
    ("wrong-length:too-short gzip:truncated", UnusableReply, True, 1, {}),
    ("gzip:unasked", None, True, 1, {}),
    ("gzip:bomb endless-body", OutcomeUnknown, True, 1, {"deadline": 20.0, "large": True}),
    # A 200, and no picture.
    (
        """truncated-picture garbage empty-200 error-in-200 error-in-200:as-picture error-in-200:detail
        error-in-200:html-message error-in-200:html json-in-200:string json-in-200:list json-in-200:null
        json-in-200:number json-in-200:no-image json-in-200:empty-list""",
        UnusableReply,
        True,
        1,
        {},
    ),
    ("broken-base64", UnusableReply, True, 1, {"params": JSON}),
    # A 200, and a picture all the same.
    (
        """base64-default-true:json reply-format:jpeg reply-format:png reply-format:webp wrong-media-type
        wrong-media-type:other-picture wrong-media-type:missing wrong-media-type:octet-stream
        wrong-media-type:text wrong-media-type:html bytes-after-picture""",
        None,
        True,
        1,
        {},
    ),
    ("several-images:list several-images:images several-images:string", None, True, 1, {"params": TWO}),
    ("base64-default-true:picture more-members data-prefix bad-padding", None, True, 1, {"params": JSON}),
    (_HEADERS, None, True, 1, {}),
    # Errors that say so.
    ("406-not-only-credits:credits 406-not-only-credits:spend-limit", InsufficientCredits, False, 1, {}),
    ("406-not-only-credits:content-type 406-not-only-credits:parameter", RequestRefused, False, 1, {}),
    ("405-html status:400 status:422", RequestRefused, False, 1, {}),
    ("redirect:301 redirect:302 redirect:303 redirect:307 redirect:308", RequestRefused, False, 1, {}),
    ("status:401 status:403", AuthenticationError, False, 1, {}),
    ("status:402", InsufficientCredits, False, 1, {}),
    ("status:404 status:410", NotFound, False, 1, {}),
    ("server-error:plain server-error:json server-error:traceback", ServerError, False, 1, {}),
    ("gateway-html:503 status:503", ServerError, False, 3, {}),
    ("gateway-html:502 gateway-html:504 status:408 status:499 status:520", OutcomeUnknown, None, 1, {}),
    (
        """error-body:string error-body:list error-body:null error-body:number error-body:error
        error-body:nested-error error-body:message error-body:detail error-body:detail-text
        error-body:html-message error-body:auth error-body:plain error-body:empty error-body:garbage""",
        RequestRefused,
        False,
        1,
        {},
    ),
    # A window that ends after the deadline is not waited for.
    (
        """no-retry-after:iso no-retry-after:naive-iso no-retry-after:spaced-iso no-retry-after:http-date
        no-retry-after:epoch no-retry-after:epoch-ms no-retry-after:far""",
        RateLimited,
        False,
        1,
        {},
    ),
    ("no-retry-after:past no-retry-after:garbage no-retry-after:absent", RateLimited, False, 3, {}),
)

ROWS: Final[Mapping[str, Row]] = {
    fault: Row(fault, error, billed, posts, **(_IN_TIME if error in _TIMED_OUT else {}), **more)
    for faults, error, billed, posts, more in _TABLE
    for fault in faults.split()
}
"""Every fault, by name."""
