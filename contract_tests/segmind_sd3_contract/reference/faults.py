"""Errors that replace a picture and are never billed.

Each fault is a pure function of the answer that it replaces. It keeps the date, balance and request id. Its
docstring is its claim. Times to wait are relative to the answer's own `date`.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_contract.reference.exchange import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from segmind_sd3_contract.reference.exchange import Change

RESET_AFTER: Final = timedelta(seconds=2)
"""How long a provoked rate limit says that it lasts."""

DAY: Final = timedelta(days=1)
"""A wait that no call has the time for."""

FAULTS: Final[dict[str, Change]] = {}
"""Every fault, by name."""

OF_A_PICTURE: Final = ("x-cost", "x-generation-time", "x-seed-value")


def failed(answer: Answer, status: int, body: bytes, media_type: str | None = None, **headers: str) -> Answer:
    """Return the error that replaces an answer."""
    kept = {name: value for name, value in answer.headers.items() if name not in OF_A_PICTURE}
    return Answer(status, kept, b"").with_body(body, media_type).with_headers(**headers)


def error_text(text: str) -> bytes:
    """Return the usual envelope of an error."""
    return json.dumps({"error": text}).encode()


def page(title: str) -> bytes:
    """Return the page of HTML that web servers answer with."""
    return f"<html>\n<head><title>{title}</title></head>\n<body><h1>{title}</h1></body>\n</html>\n".encode()


def _fault(
    name: str,
    claim: str,
    status: int,
    body: bytes,
    media_type: str | None = "application/json",
    **headers: str,
) -> None:
    def change(answer: Answer) -> Answer:
        return failed(answer, status, body, media_type, **headers)

    change.__doc__ = claim
    FAULTS[name] = change


for _name, _text, _claim in (
    ("credits", "Not enough credits", "A 406 that means what the page says: too few credits."),
    (
        "content-type",
        "Invalid content type",
        "A 406 about the content type of the request, not about credits.",
    ),
    (
        "spend-limit",
        "Team spend limit reached",
        "A 406 about a limit that a team has set, not about credits.",
    ),
    (
        "parameter",
        "sampler is not one that this model knows",
        "A 406 about a parameter's value, not about credits.",
    ),
):
    _fault(f"406-not-only-credits:{_name}", _claim, 406, error_text(_text))

_fault("405-html", "A 405 is a page of HTML.", 405, page("405 Method Not Allowed"), "text/html", allow="POST")
for _status, _title in (
    (502, "502 Bad Gateway"),
    (503, "503 Service Unavailable"),
    (504, "504 Gateway Time-out"),
):
    _fault(
        f"gateway-html:{_status}",
        f"A {_status} is the gateway's page of HTML.",
        _status,
        page(_title),
        "text/html",
    )

_fault(
    "server-error:plain",
    "A 500 says no more than that, as text.",
    500,
    b"Internal Server Error!",
    "text/plain",
)
_fault("server-error:json", "A 500 has the usual envelope.", 500, error_text("Internal Server Error"))
_fault(
    "server-error:traceback",
    "A 500 is a traceback as text, and its last line the reason.",
    500,
    b'Traceback (most recent call last):\n  File "model.py", line 71, in draw\n    sampler = SAMPLERS[name]\n'
    b"KeyError: 'no_such_sampler'\n",
    "text/plain",
)

for _status, _text in (
    (400, "Inputs which are supposed to be numbers are in alphabet"),
    (401, "Unauthorized. API key is invalid or may have expired..."),
    (402, "Insufficient credits. You have 0.0 credits."),
    (403, "This account may not use this model"),
    (404, "Not Found"),
    (408, "Request Timeout"),
    (410, "This model is no longer served"),
    (422, "Validation failed"),
    (499, "Client Closed Request"),
    (503, "Service Unavailable"),
    (520, "Unknown Error"),
):
    _fault(f"status:{_status}", f"A {_status} with the usual envelope.", _status, error_text(_text))

for _status in (301, 302, 303, 307, 308):
    _fault(
        f"redirect:{_status}",
        f"A {_status} points to another host, which must never see the key.",
        _status,
        b"",
        None,
        location="https://elsewhere.invalid/v1/taken",
    )

_WORD: Final = "The model could not draw this"
_ERROR_BODIES: Final[Mapping[str, tuple[Any, str]]] = {
    "string": (_WORD, "A 400 is a JSON text."),
    "list": ([_WORD], "A 400 is a JSON list."),
    "null": (None, "A 400 is a JSON null."),
    "number": (7, "A 400 is a JSON number."),
    "error": ({"error": _WORD}, "A 400 has the text in `error`."),
    "nested-error": ({"error": {"message": _WORD, "code": 7}}, "A 400 has the text in `error.message`."),
    "message": ({"message": _WORD}, "A 400 has the text in `message`."),
    "detail": (
        {"detail": [{"loc": ["body"], "msg": _WORD, "type": "value_error"}]},
        "A 400 has a list in `detail`.",
    ),
    "detail-text": ({"detail": _WORD}, "A 400 has the text in `detail`."),
    "html-message": ({"html-message": f"<p>{_WORD}</p>"}, "A 400 has HTML in `html-message`."),
    "auth": (
        {"error": "bad_request", "error_description": _WORD, "status_code": 400},
        "A 400 has a code in `error`, and the text in `error_description`.",
    ),
}
for _name, (_value, _claim) in _ERROR_BODIES.items():
    _fault(f"error-body:{_name}", _claim, 400, json.dumps(_value).encode())
_fault("error-body:plain", "A 400 is plain text.", 400, _WORD.encode(), "text/plain")
_fault("error-body:empty", "A 400 has no body.", 400, b"", None)
_fault(
    "error-body:garbage", "A 400 is bytes of no format.", 400, bytes(range(256)), "application/octet-stream"
)


def iso_utc(moment: datetime) -> str:
    """Write a moment as ISO 8601 with a Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _limited(claim: str, **headers: Callable[[datetime], str | None]) -> Change:
    """Make a 429 whose headers are written from the moment that it is sent at."""

    def change(answer: Answer) -> Answer:
        replaced = failed(answer, 429, error_text("Rate limit exceeded"), "application/json")
        now = parsedate_to_datetime(answer.headers.get("date", "Thu, 01 Jan 1970 00:00:00 GMT"))
        return replaced.with_headers(**{name: write(now) for name, write in headers.items()})

    change.__doc__ = claim
    return change


def _http_date(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)


_WRITINGS: Final[Mapping[str, tuple[str, Callable[[datetime], str | None]]]] = {
    "iso": ("as ISO 8601 in UTC", iso_utc),
    "naive-iso": ("as ISO 8601 without a zone", lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%S")),
    "spaced-iso": (
        "as date and time with a space between",
        lambda moment: moment.strftime("%Y-%m-%d %H:%M:%S"),
    ),
    "http-date": ("as an HTTP date", _http_date),
    "epoch": ("in seconds since 1970", lambda moment: str(int(moment.timestamp()))),
    "epoch-ms": ("in milliseconds since 1970", lambda moment: str(int(moment.timestamp() * 1000))),
    "far": ("a day away", lambda moment: iso_utc(moment + DAY)),
    "past": ("an hour ago", lambda moment: iso_utc(moment - timedelta(hours=1))),
    "garbage": ("in words that are no date", lambda _: "soon"),
    "absent": ("not at all", lambda _: None),
}
for _name, (_how, _write) in _WRITINGS.items():
    FAULTS[f"no-retry-after:{_name}"] = _limited(
        f"A 429 has no Retry-After, and tells when its window ends {_how}.",
        x_rate_limit_reset_at_utc=lambda now, write=_write: write(now + RESET_AFTER),
    )

_WAITS: Final[Mapping[str, tuple[str, Callable[[datetime], str]]]] = {
    "seconds": ("says to wait for a second", lambda _: "1"),
    "zero": ("says to wait for no time", lambda _: "0"),
    "more-seconds": ("says to wait for 4 seconds", lambda _: "4"),
    "far": ("says to wait for a day", lambda _: "86400"),
    "huge": ("has 400 digits", lambda _: "9" * 400),
    "date": (
        "says, as an HTTP date, to wait for a minute",
        lambda now: _http_date(now + timedelta(minutes=1)),
    ),
    "far-date": ("says, as an HTTP date, to wait for a day", lambda now: _http_date(now + DAY)),
    "past-date": ("is an HTTP date, a day ago", lambda now: _http_date(now - DAY)),
    "negative": ("is below zero", lambda _: "-5"),
    "garbage": ("is no time", lambda _: "soon"),
    "empty": ("is empty", lambda _: ""),
}
for _name, (_how, _write) in _WAITS.items():
    FAULTS[f"retry-after:{_name}"] = _limited(f"A 429 has a Retry-After that {_how}.", retry_after=_write)
for _name, _wait, _reset, _how in (
    ("zero-before-reset", "0", DAY, "says to wait for no time, and its window ends a day away"),
    ("far-after-reset", "86400", -DAY, "says to wait for a day, and its window ended a day ago"),
    ("garbage-beside-reset", "soon", DAY, "is no time, and its window ends a day away"),
):
    FAULTS[f"retry-after:{_name}"] = _limited(
        f"A 429 has a Retry-After that {_how}.",
        retry_after=lambda _, wait=_wait: wait,
        x_rate_limit_reset_at_utc=lambda now, reset=_reset: iso_utc(now + reset),
    )
