"""Errors that were billed all the same: a picture was drawn and paid for, and its status says otherwise.

Each is a pure function that changes an answer of status 200 alone. Its docstring is the claim.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from segmind_sd3_contract.reference.deliveries import Delivery, gzipped
from segmind_sd3_contract.reference.faults import OF_A_PICTURE, error_text
from segmind_sd3_contract.reference.reply_faults import as_json, media_type_of, pictures_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from segmind_sd3_contract.reference.exchange import Answer, Change

STATUSES: Final = (400, 402, 404, 429, 500, 503)
"""The statuses that say of themselves that nothing was billed, or leave it open."""

FURTHER_STATUSES: Final = (302, 401, 408, 502, 520)
"""Others, which are given less often."""

BILLED_ERRORS: Final[dict[str, Change]] = {}
"""Every error that was billed, by name."""

_WORD: Final = "The gateway gave up"


def _picture(answer: Answer) -> Answer:
    first = pictures_of(answer)[0]
    return answer.with_body(first, media_type_of(first))


def _json(answer: Answer) -> Answer:
    return answer.with_json({"error": _WORD, **as_json(pictures_of(answer))})


def _without_its_headers(answer: Answer) -> Answer:
    return replace(
        answer, headers={name: value for name, value in answer.headers.items() if name not in OF_A_PICTURE}
    )


_FORMS: Final[Mapping[str, tuple[str, Callable[[Answer], Answer]]]] = {
    "picture-and-cost": ("the picture itself, and names its cost", _picture),
    "cost": (
        "no picture, and names a cost",
        lambda answer: answer.with_body(error_text(_WORD), "application/json"),
    ),
    "picture": (
        "the picture itself, and names no cost",
        lambda answer: _without_its_headers(_picture(answer)),
    ),
}

_FURTHER_FORMS: Final[Mapping[str, tuple[str, Callable[[Answer], Answer]]]] = {
    "json-and-cost": ("the picture as base64 in JSON, and names its cost", _json),
    "json": (
        "the picture as base64 in JSON, and names no cost",
        lambda answer: _without_its_headers(_json(answer)),
    ),
    "picture-cost-0": (
        "the picture itself, and names a cost of 0",
        lambda answer: _picture(answer).with_headers(x_cost="0"),
    ),
    "picture-in-gzip": (
        "the picture in a gzip that nobody asked for, and names no cost",
        lambda answer: _gzipped(_without_its_headers(_picture(answer))),
    ),
}


def _gzipped(answer: Answer) -> Answer:
    return replace(answer.with_headers(content_encoding="gzip"), body=gzipped(answer.body))


def _with_status(status: int, change: Callable[[Answer], Answer]) -> Change:
    return lambda answer: replace(change(answer), status=status) if answer.status == 200 else answer


_FORMS_BROKEN_OFF: Final[Mapping[str, tuple[str, Callable[[Answer], Answer]]]] = {
    "picture-lost": (
        "the picture itself, and names no cost; the connection is closed after the headers",
        lambda answer: _broken_off(_without_its_headers(_picture(answer)), Delivery("the head", "hang up")),
    ),
    "picture-cut": (
        "the picture itself, and names no cost; the connection is closed in mid-body",
        lambda answer: _broken_off(
            _without_its_headers(_picture(answer)), Delivery("half the body", "hang up")
        ),
    ),
}


def _broken_off(answer: Answer, delivery: Delivery) -> Answer:
    return replace(answer, delivery=delivery)


for _statuses, _forms in (
    (STATUSES, {**_FORMS, **_FURTHER_FORMS, **_FORMS_BROKEN_OFF}),
    (FURTHER_STATUSES, _FORMS),
):
    for _status in _statuses:
        for _name, (_what, _change) in _forms.items():
            _changed = _with_status(_status, _change)
            _changed.__doc__ = f"A {_status} that was billed carries {_what}."
            BILLED_ERRORS[f"billed:{_status}:{_name}"] = _changed

BROKEN_OFF: Final = frozenset(name for name in BILLED_ERRORS if name.rpartition(":")[2] in _FORMS_BROKEN_OFF)
"""Those that do not come whole."""
