"""The table of faults that a paid API may show its client, and how a call must end under each.

Each fault is permanent, and the call may be sent three times. So the number of POSTs shows whether the SDK
sends again. A row states the end of a call on the SDK's own connections. `allowed_ends` derives the ends for
another transport. `trials.py` tries every row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3 import (
    AuthenticationError,
    ConnectionFailed,
    ConnectionTimedOut,
    Generation,
    InsufficientCredits,
    NotFound,
    OutcomeTimedOut,
    OutcomeUnknown,
    RateLimited,
    RequestRefused,
    SegmindError,
    ServerError,
    UnusableReply,
)
from segmind_sd3_contract.reference.billed_errors import BILLED_ERRORS, BROKEN_OFF, STATUSES
from segmind_sd3_contract.reference.deliveries import DELIVERIES

from proofs.faults.targets import (
    LARGE,
    ONE,
    answering_and_closing,
    answering_and_reading_on,
    hinting_first,
    inside_the_body,
    over_tls,
    proxy,
    reset_when_reused,
    running,
    unanswered,
)
from proofs.fixtures.scripts import endless_head, resetting_in_the_body, stalling_in_the_body
from proofs.fixtures.sockets import (
    answering,
    authority,
    certified,
    deaf,
    dripping,
    greeting,
    hanging_up,
    never_accepting,
    refusing,
    reply,
    resetting,
)
from proofs.fixtures.ways import ROUTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from proofs.faults.targets import Address, Target
    from proofs.fixtures.ways import Route, Way

DEADLINE: Final = 0.3
"""The deadline, in seconds, of a call that must end by it."""

LONG_DEADLINE: Final = 1.5
"""The deadline, in seconds, of any other call, long enough for a busy machine."""

ATTEMPTS: Final = 3
"""The number of attempts that the retry policy allows."""

Params = dict[str, Any]
Failure = type[SegmindError]

JSON: Final[Params] = {**ONE, "extra": {"base64": True}}
TWO: Final[Params] = {**ONE, "batch_size": 2}
PNG: Final[Params] = {**ONE, "image_format": "png"}


@dataclass(frozen=True, slots=True)
class Row:
    """One fault, and how a call must end under it on the SDK's own connections.

    Attributes:
        fault: The name of the fault, and of the reference server's provocation if there is one.
        errors: The classes that the error may have; empty if the call returns a picture.
        billed: The error's `billed`; True for a picture.
        posts: The number of POSTs that arrive, of the three that the retry policy allows.
        params: The parameters of the call.
        deadline: The call's deadline, in seconds.
        lasts: The minimum duration of the call, in seconds.
        large: Whether the reply exceeds the size limit.
        target: Opens a server in place of the reference server.
        proxy: Opens a faulty proxy. Its requests are then counted, not the server's.
        routes: The routes on which the fault can occur.
        lossy: The routes on which a reset may discard the reply before it.
        reused: Whether the call reuses a connection of an earlier call.
        own_only: Whether the fault can occur only on the SDK's own connections.
    """

    fault: str
    errors: tuple[Failure, ...]
    billed: bool | None
    posts: int = 1
    params: Params = field(default_factory=ONE.copy, repr=False)
    deadline: float = LONG_DEADLINE
    lasts: float = 0.0
    large: bool = False
    target: Target | None = None
    proxy: Callable[[], Address] | None = None
    routes: tuple[Route, ...] = ROUTES
    lossy: tuple[Route, ...] = ()
    reused: bool = False
    own_only: bool = False

    @property
    def provoked(self) -> bool:
        """Return whether the reference server provokes the fault."""
        return self.target is None and self.proxy is None

    @property
    def affects_wire(self) -> bool:
        """Return whether the fault affects the connection or the bytes of the reply."""
        return not self.provoked or self.fault in DELIVERIES or self.fault in BROKEN_OFF

    def applies_to(self, way: Way) -> bool:
        """Return whether the fault can occur in a way to call."""
        if self.proxy and not way.proxied:
            return False
        if self.target and way.route == "in-process":
            return False
        if self.fault == "drip-headers" and not way.keeps_deadlines:
            return False  # the call would take a minute
        return way.route in self.routes and (way.own or not self.own_only)


@dataclass(frozen=True, slots=True)
class AllowedEnd:
    """A permitted end of a call: its classes, its values of `billed`, and its number of POSTs."""

    outcomes: tuple[type[SegmindError | Generation], ...]
    billed: tuple[bool | None, ...]
    posts: range

    def __str__(self) -> str:
        names = " or ".join(outcome.__name__ for outcome in self.outcomes)
        billed = " or ".join(str(each) for each in self.billed)
        posts = " to ".join(str(each) for each in dict.fromkeys((self.posts[0], self.posts[-1])))
        return f"{names}, billed={billed}, POSTs {posts}"


_UNKNOWN: Final = (OutcomeUnknown, OutcomeTimedOut)


def allowed_ends(row: Row, way: Way) -> list[AllowedEnd]:
    """Return the permitted ends of a call under a fault, for a way to call.

    The SDK does not know how far another transport got. So if a call was not sent, or was lost on the wire,
    its outcome there is unknown, and it is sent once.
    """
    outcomes = row.errors or (Generation,)
    exact = AllowedEnd(outcomes, (row.billed,), range(row.posts, row.posts + 1))
    if way.own and way.route in row.lossy:
        # A lost reply means that the request was not handed over whole, so it is tried again.
        tries = range(1, ATTEMPTS + 1)
        return [AllowedEnd(outcomes, (row.billed,), tries), AllowedEnd((ConnectionFailed,), (False,), tries)]
    if way.own or not row.affects_wire:
        return [exact]
    if any(issubclass(error, ConnectionFailed) for error in row.errors):
        return [AllowedEnd(_UNKNOWN, (None,), range(2))]
    return [exact, AllowedEnd(_UNKNOWN, (None, True), range(1, row.posts + 1))]


# -- The table --------------------------------------------------------------------------------------------

_OWN_TLS: Final[tuple[Route, ...]] = ("direct", "tunnel")
_NOT_FORWARDED: Final[tuple[Route, ...]] = ("direct", "tls", "tunnel")
_SWITCHED: Final = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"

_NUMBERS: Final = ("x-remaining-credits", "x-cost", "x-seed-value", "x-generation-time")
_HEADERS: Final = " ".join(
    [
        *(f"no-header:{name}" for name in (*_NUMBERS, "x-request-id")),
        *(f"odd-header:{name}:{value}" for name in _NUMBERS for value in ("plenty", "nan", "inf", "empty")),
    ]
)

_ERRORS_OF_BILLED: Final[Mapping[int, Failure]] = {
    302: RequestRefused,
    400: RequestRefused,
    401: AuthenticationError,
    402: InsufficientCredits,
    404: NotFound,
    408: OutcomeUnknown,
    429: RateLimited,
    500: ServerError,
    502: OutcomeUnknown,
    503: ServerError,
    520: OutcomeUnknown,
}


def _billed_faults(status: int) -> str:
    return " ".join(
        name for name in BILLED_ERRORS if name not in BROKEN_OFF and name.startswith(f"billed:{status}:")
    )


_TIMED_OUT: Final = (ConnectionTimedOut, OutcomeTimedOut)

_Group = tuple[str, type[SegmindError] | tuple[Failure, ...] | None, bool | None, int, dict[str, Any]]

_TABLE: Final[tuple[_Group, ...]] = (
    # No connection: nothing was sent.
    (
        "refused",
        ConnectionFailed,
        False,
        0,
        {"target": unanswered(refusing), "routes": _NOT_FORWARDED},
    ),
    (
        "never-accepted",
        ConnectionTimedOut,
        False,
        0,
        {"target": unanswered(never_accepting), "routes": _NOT_FORWARDED},
    ),
    (
        "tls:untrusted",
        ConnectionFailed,
        False,
        0,
        {
            "target": over_tls(
                answering(reply()), tls=lambda: certified("127.0.0.1", by=authority("untrusted"))
            ),
            "routes": _OWN_TLS,
        },
    ),
    (
        "tls:not-spoken",
        ConnectionFailed,
        False,
        0,
        {"target": over_tls(greeting(reply(400))), "routes": _OWN_TLS},
    ),
    ("tls:closed", ConnectionFailed, False, 0, {"target": over_tls(greeting(b"")), "routes": _OWN_TLS}),
    ("tls:stalled", ConnectionTimedOut, False, 0, {"target": over_tls(deaf), "routes": _OWN_TLS}),
    # A faulty proxy. Only a request for a tunnel is certainly not the call itself.
    ("proxy:407", ConnectionFailed, False, 1, {"proxy": proxy(answering(reply(407)))}),
    ("proxy:refused", ConnectionFailed, False, 0, {"proxy": lambda: unanswered(refusing)("http")}),
    *(
        (f"proxy:{fault}", ConnectionFailed, False, 3, {"proxy": proxy(script), "routes": ("tunnel",)})
        for fault, script in {
            "403": answering(reply(403, b"<html>Forbidden</html>")),
            "429": answering(reply(429)),
            "502": answering(reply(502)),
            "503": answering(reply(503)),
            "hang-up": hanging_up(),
            "reset": resetting(),
        }.items()
    ),
    (
        "proxy:stalled",
        ConnectionTimedOut,
        False,
        1,
        {"proxy": proxy(stalling_in_the_body), "routes": ("tunnel",)},
    ),
    (
        "proxy:drips",
        ConnectionTimedOut,
        False,
        1,
        {"proxy": proxy(dripping(b"HTTP/1.1 200 OK\r\nx: ")), "routes": ("tunnel",)},
    ),
    # Never handed over whole: it can't have been drawn.
    ("reset-in-request", ConnectionFailed, False, 3, inside_the_body(resetting_in_the_body)),
    (
        "stall-in-request",
        ConnectionTimedOut,
        False,
        1,
        {**inside_the_body(stalling_in_the_body), "deadline": 1.0},
    ),
    (
        "reset-when-reused",
        None,
        True,
        1,
        {"target": reset_when_reused, "reused": True, "own_only": True, "routes": ("direct", "tls")},
    ),
    # Answered before it was handed over whole: the answer counts.
    ("early:401 early-closed:401", AuthenticationError, False, 1, {}),
    ("early:402 early-closed:402", InsufficientCredits, False, 1, {}),
    ("early:413 early-closed:413", RequestRefused, False, 1, {}),
    ("early:429 early-closed:429", RateLimited, False, 3, {}),
    # Sent, and no intelligible reply.
    ("reset-after-large-request", OutcomeUnknown, None, 1, {"target": running(resetting()), "params": LARGE}),
    ("not-http", OutcomeUnknown, None, 1, {"target": running(hanging_up(b"220 smtp\r\n\r\n"))}),
    ("endless-head", OutcomeUnknown, None, 1, {"target": running(endless_head)}),
    ("status:101", OutcomeUnknown, None, 1, {"target": running(answering(_SWITCHED))}),
    ("hints-first", None, True, 1, {"target": hinting_first}),
    # Drawn and billed, and the reply is lost. After a 200 was read, the bill is certain.
    ("reset hang-up", OutcomeUnknown, None, 1, {}),
    ("stall-headers drip-headers", OutcomeTimedOut, None, 1, {}),
    ("reset-before-body reset-in-body truncated-body truncated-body:chunked", OutcomeUnknown, True, 1, {}),
    ("stall-body drip-body wrong-length:too-long", OutcomeTimedOut, True, 1, {}),
    ("wrong-length:too-long-closed", OutcomeUnknown, True, 1, {}),
    ("wrong-length:too-short gzip:truncated", UnusableReply, True, 1, {}),
    (
        """gzip:unasked gzip:upper-case gzip:twice gzip:once-of-two gzip:garbage deflate:zlib deflate:raw
        encoding:identity encoding:unknown-over-picture""",
        None,
        True,
        1,
        {},
    ),
    ("encoding:unknown", (UnusableReply, OutcomeUnknown), True, 1, {}),
    (
        "gzip:bomb gzip:nested-bomb endless-body",
        (UnusableReply, OutcomeUnknown),
        True,
        1,
        {"deadline": 20.0, "large": True, "routes": ("direct",)},
    ),
    # A 200 without a picture.
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
    # An unusual 200 with a picture.
    (
        """base64-default-1:json reply-format:jpeg reply-format:png reply-format:webp wrong-media-type
        wrong-media-type:other-picture wrong-media-type:missing wrong-media-type:octet-stream
        wrong-media-type:text wrong-media-type:html bytes-after-picture""",
        None,
        True,
        1,
        {},
    ),
    ("several-images:list several-images:images several-images:string", None, True, 1, {"params": TWO}),
    (
        "base64-default-1:picture more-members data-prefix bad-padding url-safe-base64",
        None,
        True,
        1,
        {"params": JSON},
    ),
    (_HEADERS, None, True, 1, {}),
    # Errors that were billed: never sent again; their body is kept.
    *(
        (_billed_faults(status), error, True, 1, {"params": PNG})
        for status, error in _ERRORS_OF_BILLED.items()
    ),
    # A partial reply. If it begins as a picture, the call was billed.
    *(
        (f"billed:{status}:picture-lost", (error, OutcomeUnknown), None, 1, {"params": PNG})
        for status, error in _ERRORS_OF_BILLED.items()
        if status in STATUSES
    ),
    *(
        (f"billed:{status}:picture-cut", (error, OutcomeUnknown), True, 1, {"params": PNG})
        for status, error in _ERRORS_OF_BILLED.items()
        if status in STATUSES
    ),
    # Errors that were not billed.
    ("406-not-only-credits:credits 406-not-only-credits:spend-limit", InsufficientCredits, False, 1, {}),
    ("406-not-only-credits:content-type 406-not-only-credits:parameter", RequestRefused, False, 1, {}),
    ("405-html status:400 status:422", RequestRefused, False, 1, {}),
    ("redirect:301 redirect:302 redirect:303 redirect:307 redirect:308", RequestRefused, False, 1, {}),
    ("status:401 status:403", AuthenticationError, False, 1, {}),
    ("status:402", InsufficientCredits, False, 1, {}),
    ("status:404 status:410", NotFound, False, 1, {}),
    ("server-error:plain server-error:json server-error:traceback", ServerError, False, 1, {}),
    ("gateway-html:503 status:503", ServerError, None, 1, {}),
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
    # The SDK does not begin a wait that would end after the deadline.
    (
        """no-retry-after:iso no-retry-after:naive-iso no-retry-after:spaced-iso no-retry-after:http-date
        no-retry-after:epoch no-retry-after:epoch-ms no-retry-after:far
        retry-after:far retry-after:huge retry-after:date retry-after:far-date
        retry-after:far-after-reset retry-after:garbage-beside-reset""",
        RateLimited,
        False,
        1,
        {},
    ),
    ("retry-after:more-seconds", RateLimited, False, 1, {"deadline": 20.0}),  # over `rate_limit_max`
    # After the second attempt, no time is left for another wait.
    ("retry-after:seconds", RateLimited, False, 2, {"deadline": 1.9, "lasts": 1.0}),
    (
        """no-retry-after:past no-retry-after:garbage no-retry-after:absent
        retry-after:zero retry-after:past-date retry-after:negative retry-after:garbage retry-after:empty
        retry-after:zero-before-reset""",
        RateLimited,
        False,
        3,
        {},
    ),
)


def _rows() -> Iterator[Row]:
    for faults, error, billed, posts, given in _TABLE:
        errors = error if isinstance(error, tuple) else (error,) if error else ()
        for fault in faults.split():
            kind, _, status = fault.partition(":")
            more = (
                {"early": answering_and_reading_on, "early-closed": answering_and_closing}[kind](int(status))
                if "early" in kind
                else given
            )
            limits: dict[str, Any] = {"deadline": DEADLINE} if error in _TIMED_OUT else {}
            yield Row(fault, errors, billed, posts, **limits | more)


ROWS: Final[Mapping[str, Row]] = {row.fault: row for row in _rows()}
"""The rows by fault."""
