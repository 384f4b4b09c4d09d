"""Faults: what comes in place of a picture, and is never billed.

Law: a fault is a pure function of the answer that it replaces, whose date, balance and request id it
keeps. Its docstring is the claim. Waits are told in relation to the answer's own `date`.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_contract.reference.exchange import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from segmind_sd3_contract.reference.spoils import Change

RESET_AFTER: Final = timedelta(seconds=2)
"""How long a provoked rate limit says that it lasts."""

FAULTS: Final[dict[str, Change]] = {}
"""Every fault, by name."""

OF_A_PICTURE: Final = ("x-cost", "x-generation-time", "x-seed-value")


def failed(answer: Answer, status: int, body: bytes, media_type: str | None = None, **headers: str) -> Answer:
    """Give the error that replaces an answer."""
    kept = {name: value for name, value in answer.headers.items() if name not in OF_A_PICTURE}
    return Answer(status, kept, b"").with_body(body, media_type).with_headers(**headers)


def error_text(text: str) -> bytes:
    """Give the usual envelope of an error."""
    return json.dumps({"error": text}).encode()


def page(title: str) -> bytes:
    """Give the page of HTML that web servers answer with."""
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


def _limited(claim: str, write: Callable[[datetime], str | None]) -> Change:
    def change(answer: Answer) -> Answer:
        replaced = failed(answer, 429, error_text("Rate limit exceeded"), "application/json")
        dated = parsedate_to_datetime(answer.headers.get("date", "Thu, 01 Jan 1970 00:00:00 GMT"))
        return replaced.with_headers(x_rate_limit_reset_at_utc=write(dated + RESET_AFTER))

    change.__doc__ = claim
    return change


_WRITINGS: Final[Mapping[str, tuple[str, Callable[[datetime], str | None]]]] = {
    "iso": ("as ISO 8601 in UTC", iso_utc),
    "naive-iso": ("as ISO 8601 without a zone", lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%S")),
    "spaced-iso": (
        "as date and time with a space between",
        lambda moment: moment.strftime("%Y-%m-%d %H:%M:%S"),
    ),
    "http-date": ("as an HTTP date", lambda moment: format_datetime(moment, usegmt=True)),
    "epoch": ("in seconds since 1970", lambda moment: str(int(moment.timestamp()))),
    "epoch-ms": ("in milliseconds since 1970", lambda moment: str(int(moment.timestamp() * 1000))),
    "far": ("a day away", lambda moment: iso_utc(moment + timedelta(days=1))),
    "past": ("an hour ago", lambda moment: iso_utc(moment - timedelta(hours=1))),
    "garbage": ("in words that are no date", lambda _: "soon"),
    "absent": ("not at all", lambda _: None),
}
for _name, (_how, _write) in _WRITINGS.items():
    FAULTS[f"no-retry-after:{_name}"] = _limited(
        f"A 429 has no Retry-After, and tells when its window ends {_how}.", _write
    )
