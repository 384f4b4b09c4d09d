"""Corrupted replies: still a 200, still billed, and not what the pages promise.

Each corruption is a pure function that changes a 200 and returns any other answer unchanged. Its docstring is
its claim. It loses nothing unless its claim says so, so that a correct repair restores the original answer.
"""

from __future__ import annotations

import base64
import json
from functools import wraps
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, cast

from PIL import Image

from segmind_sd3_contract.reference.pictures import encoded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from segmind_sd3_contract.reference.exchange import Answer, Change

FAULTS_OF_200: Final[dict[str, Change]] = {}
"""Every fault of a 200, by name."""


def _reply_fault(name: str, claim: str | None = None) -> Callable[[Change], Change]:
    def register(change: Change) -> Change:
        @wraps(change)
        def fault(answer: Answer) -> Answer:
            return change(answer) if answer.status == 200 else answer

        fault.__doc__ = claim or change.__doc__
        FAULTS_OF_200[name] = fault
        return fault

    return register


def media_type_of(picture: bytes) -> str:
    """Name the format that the bytes of a drawn picture have."""
    if picture.startswith(b"\x89PNG"):
        return "image/png"
    return "image/webp" if picture.startswith(b"RIFF") else "image/jpeg"


def as_json(pictures: list[bytes]) -> dict[str, Any]:
    """Return the JSON reply: one picture is a text, several are a list."""
    texts = [base64.b64encode(picture).decode() for picture in pictures]
    return {"image": texts[0] if len(texts) == 1 else texts}


def _is_json(answer: Answer) -> bool:
    return answer.headers.get("content-type") == "application/json"


def _texts(answer: Answer) -> list[str]:
    image: Any = json.loads(answer.body)["image"]
    return cast("list[str]", image) if isinstance(image, list) else [str(image)]


def pictures_of(answer: Answer) -> list[bytes]:
    """Return the pictures of a drawn answer, binary or JSON."""
    return [base64.b64decode(text) for text in _texts(answer)] if _is_json(answer) else [answer.body]


def _with_pictures(answer: Answer, pictures: list[bytes]) -> Answer:
    if _is_json(answer):
        return answer.with_json(as_json(pictures))
    return answer.with_body(pictures[0], media_type_of(pictures[0]))


@_reply_fault("base64-default-1:json")
def _(answer: Answer) -> Answer:
    """A picture comes as JSON with base64 text, though the picture itself was asked for."""
    return answer.with_json(as_json(pictures_of(answer)))


@_reply_fault("base64-default-1:picture")
def _(answer: Answer) -> Answer:
    """The first picture itself comes, though JSON was asked for; any further ones are lost."""
    first = pictures_of(answer)[0]
    return answer.with_body(first, media_type_of(first))


@_reply_fault("several-images:list")
def _(answer: Answer) -> Answer:
    """The `image` of a JSON reply is a list, even of one."""
    return answer.with_json({"image": _texts(answer)}) if _is_json(answer) else answer


@_reply_fault("several-images:images")
def _(answer: Answer) -> Answer:
    """A JSON reply has a list named `images`, and no `image`."""
    return answer.with_json({"images": _texts(answer)}) if _is_json(answer) else answer


@_reply_fault("several-images:string")
def _(answer: Answer) -> Answer:
    """The `image` of a JSON reply is one text, the first picture's; any further ones are lost."""
    return answer.with_json({"image": _texts(answer)[0]}) if _is_json(answer) else answer


def _reformatted(file_format: str) -> Change:
    def change(answer: Answer) -> Answer:
        drawn = [Image.open(BytesIO(picture)).convert("RGB") for picture in pictures_of(answer)]
        return _with_pictures(answer, [encoded(image, file_format, 95) for image in drawn])

    return change


for _name in ("jpeg", "png", "webp"):
    _reply_fault(
        f"reply-format:{_name}",
        f"The picture is encoded anew as {_name.upper()}, whatever was asked for, and labelled as that.",
    )(_reformatted(_name))


def _labelled(media_type: str | None) -> Change:
    return lambda answer: answer.with_headers(content_type=media_type)


@_reply_fault("wrong-media-type")
def _(answer: Answer) -> Answer:
    """The content type names another kind of body: a picture is called JSON, JSON is called a picture."""
    return answer.with_headers(content_type="image/jpeg" if _is_json(answer) else "application/json")


@_reply_fault("wrong-media-type:other-picture")
def _(answer: Answer) -> Answer:
    """The content type names another picture format: a PNG is called a JPEG, and anything else a PNG."""
    is_png = answer.headers.get("content-type") == "image/png"
    return answer.with_headers(content_type="image/jpeg" if is_png else "image/png")


for _name, _label, _claim in (
    ("missing", None, "There is no content type."),
    ("octet-stream", "application/octet-stream", "The content type says nothing: application/octet-stream."),
    ("text", "text/plain; charset=utf-8", "The content type calls the body plain text."),
    ("html", "text/html; charset=utf-8", "The content type calls the body a page of HTML."),
):
    _reply_fault(f"wrong-media-type:{_name}", _claim)(_labelled(_label))


@_reply_fault("more-members")
def _(answer: Answer) -> Answer:
    """A JSON reply has `status`, `infer_time`, `image_format` and `outputs` beside the `image`."""
    if not _is_json(answer):
        return answer
    beside: dict[str, Any] = {"status": "success", "infer_time": 1.25, "image_format": "jpeg", "outputs": []}
    return answer.with_json(beside | json.loads(answer.body))


@_reply_fault("data-prefix")
def _(answer: Answer) -> Answer:
    """Each base64 text of a JSON reply is a `data:` URI."""
    return _each_text(answer, lambda text: f"data:{media_type_of(base64.b64decode(text))};base64,{text}")


@_reply_fault("bad-padding")
def _(answer: Answer) -> Answer:
    """Each base64 text of a JSON reply has lost its padding, or has some where none belongs."""
    return _each_text(answer, lambda text: text.rstrip("=") if text.endswith("=") else f"{text}=")


@_reply_fault("url-safe-base64")
def _(answer: Answer) -> Answer:
    """Each base64 text of a JSON reply has the alphabet for URLs: `-` and `_` for `+` and `/`."""
    return _each_text(answer, lambda text: text.replace("+", "-").replace("/", "_"))


@_reply_fault("broken-base64")
def _(answer: Answer) -> Answer:
    """Each base64 text of a JSON reply is a character too short to be one."""
    return _each_text(answer, lambda text: text.rstrip("=")[: (len(text.rstrip("=")) - 1) // 4 * 4 + 1])


def _each_text(answer: Answer, change: Callable[[str], str]) -> Answer:
    if not _is_json(answer):
        return answer
    texts = [change(text) for text in _texts(answer)]
    return answer.with_json({"image": texts[0] if len(texts) == 1 else texts})


@_reply_fault("truncated-picture")
def _(answer: Answer) -> Answer:
    """Each picture is cut in half; in JSON its base64 is that of the half."""
    halves = [picture[: len(picture) // 2] for picture in pictures_of(answer)]
    if _is_json(answer):
        return answer.with_json(as_json(halves))
    return answer.with_body(halves[0], answer.headers.get("content-type"))


@_reply_fault("bytes-after-picture")
def _(answer: Answer) -> Answer:
    """A picture itself is whole, and followed by bytes that are none of it."""
    if _is_json(answer):
        return answer
    return answer.with_body(answer.body + b"\r\nafter the picture", answer.headers.get("content-type"))


def _body(body: bytes, media_type: str | None) -> Change:
    return lambda answer: answer.with_body(body, media_type)


_ERROR: Final = b'{"error": "The model could not draw this"}'

_BODIES: Final[Mapping[str, tuple[bytes, str | None, str]]] = {
    "error-in-200": (_ERROR, "application/json", "A 200 carries an error as JSON, and no picture."),
    "error-in-200:as-picture": (_ERROR, "image/jpeg", "A 200 carries an error as JSON, labelled a picture."),
    "error-in-200:detail": (
        b'{"detail": [{"loc": ["body", "steps"], "msg": "too small", "type": "value_error"}]}',
        "application/json",
        "A 200 carries a list of validation errors.",
    ),
    "error-in-200:html-message": (
        b'{"html-message": "<p>The model could not draw this</p>"}',
        "application/json",
        "A 200 carries an error as HTML inside JSON.",
    ),
    "error-in-200:html": (
        b"<html><head><title>Something went wrong</title></head><body></body></html>",
        "text/html",
        "A 200 carries a page of HTML.",
    ),
    "json-in-200:string": (b'"done"', "application/json", "A 200 carries a JSON text."),
    "json-in-200:list": (b'["done"]', "application/json", "A 200 carries a JSON list."),
    "json-in-200:null": (b"null", "application/json", "A 200 carries a JSON null."),
    "json-in-200:number": (b"1", "application/json", "A 200 carries a JSON number."),
    "json-in-200:no-image": (
        b'{"image": null}',
        "application/json",
        "A 200 carries JSON whose `image` is null.",
    ),
    "json-in-200:empty-list": (
        b'{"image": []}',
        "application/json",
        "A 200 carries JSON with no picture in its list.",
    ),
    "empty-200": (b"", "image/jpeg", "A 200 has an empty body, labelled a picture."),
    "garbage": (bytes(range(256)) * 4, "image/jpeg", "A 200 carries bytes of no format, labelled a picture."),
}
for _name, (_bytes, _label, _claim) in _BODIES.items():
    _reply_fault(_name, _claim)(_body(_bytes, _label))


def _header(name: str, value: str | None) -> Change:
    return lambda answer: answer.with_headers(**{name: value})


for _header_name, _what in (
    ("x-remaining-credits", "credits left"),
    ("x-cost", "cost"),
    ("x-seed-value", "seed"),
    ("x-generation-time", "time it took"),
    ("x-request-id", "name of the request"),
):
    _reply_fault(f"no-header:{_header_name}", f"A 200 does not tell the {_what}.")(
        _header(_header_name, None)
    )
for _header_name in ("x-remaining-credits", "x-cost", "x-seed-value", "x-generation-time"):
    for _value in ("plenty", "nan", "inf", ""):
        _reply_fault(
            f"odd-header:{_header_name}:{_value or 'empty'}",
            f"The header {_header_name} holds {_value!r}, which is no number.",
        )(_header(_header_name, _value))
