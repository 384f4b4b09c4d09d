"""A checked body, or a call that somebody prepared, becomes the request that sends it, byte for byte."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from segmind_sd3_api.calls import CALLS

from ._content import FileChanged, Picture, PictureBytes, PictureField, StreamedContent
from ._errors import InvalidRequest, Problem
from ._imagefile import sniff
from ._limits import MAX_HELD
from ._prepared import Prepared, values_in
from ._quirks import complete_body
from ._reply import decode_base64
from ._sent import SentRequest, digest_of, holds_digest
from ._url import URL, InvalidURL
from ._validation import build_body, find_operation
from ._wire import SENT_HEADERS, Request

if TYPE_CHECKING:
    from segmind_sd3_api.parameters import Operation


def prepare(base_url: str, operation: str, body: dict[str, Any]) -> tuple[Prepared, Request]:
    """Return a call that is complete, and the request that sends it to a base URL."""
    generated = CALLS[operation].request(body)
    prepared = Prepared(operation, base_url + generated["url"], _content(generated["json"]))
    return prepared, _request(prepared, generated)


def _content(values: dict[str, Any]) -> bytes | StreamedContent:
    """Return the JSON text of a body, piece by piece where it is large because of a picture."""
    if not any(isinstance(value, Picture) for value in values.values()):
        return _json(values)
    parts: list[bytes | PictureField] = []
    text = b"{"
    for name, value in values.items():
        text += _json(name) + b":"
        if isinstance(value, Picture):
            parts += [text + b'"', PictureField(name, value)]
            text = b'"'
        else:
            text += _json(value)
        text += b","
    content = StreamedContent((*parts, text[:-1] + b"}"))
    return bytes(content) if len(content) <= MAX_HELD else content


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def request_of(base_url: str, prepared: Prepared) -> Request:
    """Return the request that sends a prepared call, which may have been made by hand.

    Raises:
        InvalidRequest: it can't be sent as it stands.
    """
    scheme, _, rest = base_url.partition("://")
    start = f"{scheme}://{rest.partition('/')[0]}/"
    if not _is_sent_unchanged(prepared.url, start):
        raise InvalidRequest(
            f"the prepared call's url can't be sent as it stands: allowed is one that begins with {start}, "
            "percent-encoded, without dot segments or a fragment"
        )
    operation = find_operation(prepared.operation).operation_id
    content: Any = prepared.content
    try:
        body: Any = values_in(prepared)
        if not isinstance(content, (bytes, StreamedContent)) or not isinstance(body, dict):
            raise TypeError(f"a {type(body).__name__} in {type(content).__name__}")
        generated = CALLS[operation].request(cast("dict[str, Any]", body))
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as wrong:
        raise InvalidRequest(
            f"the prepared call's content is no JSON object, in bytes, with what {operation} requires "
            f"({type(wrong).__name__}: {wrong}): make it with client.prepare()"
        ) from None
    return _request(prepared, generated)


def _is_sent_unchanged(url: Any, start: str) -> bool:
    """Return whether a URL leads to an origin, and httpx, by which it may be sent, would not change it."""
    try:
        return isinstance(url, str) and url.startswith(start) and "#" not in url and str(URL(url)) == url
    except InvalidURL:
        return False


def _request(prepared: Prepared, generated: dict[str, Any]) -> Request:
    headers = [(name.lower().encode(), value.encode()) for name, value in generated["headers"].items()]
    headers += [*SENT_HEADERS, (b"content-length", str(len(prepared.content)).encode())]
    method = generated["method"].upper().encode()
    return Request(method, _target(prepared.url), headers, prepared.content)


def credits_request(base_url: str) -> tuple[str, Request]:
    """Return the request for the account's balance (evidence: vendor), and its address."""
    url = f"{base_url}/v1/get-user-credits"
    return url, Request(b"GET", _target(url), SENT_HEADERS)


def _target(url: str) -> bytes:
    return b"/" + url.split("/", 3)[3].encode()


# -- What is kept of it -----------------------------------------------------------------------------------


def sent_request(operation: str, body: dict[str, Any], *, checked: bool = False) -> SentRequest:
    """Return what sends a body again: arguments of the endpoint's method, with digests for pictures.

    A body is `checked` where nothing in it came out of `extra`, which alone can send what is out of bounds.

    Raises:
        InvalidRequest: a picture is in a file that was changed since it was checked.
    """
    known = find_operation(operation)
    hidden = {name for name, parameter in known.parameters.items() if parameter.hidden}
    usual = complete_body(known, {name: value for name, value in body.items() if name not in hidden})
    arguments: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, value in body.items():
        parameter = known.parameters.get(name)
        if parameter is None or parameter.kind == "image":
            try:
                kept = _with_digests(value)
            except FileChanged as changed:
                problem = Problem(name, str(changed), "prepare the call anew")
                raise InvalidRequest(f"{operation} was not sent:\n  {problem}", (problem,)) from None
            (arguments if parameter and holds_digest(kept) else extra)[name] = kept
        elif value is not None and not parameter.hidden:
            arguments[name] = value
        elif usual.get(name) != value or not parameter.hidden:
            extra[name] = value
    for name in () if checked else _refused(known, arguments):
        if name in arguments:
            extra[name] = arguments.pop(name)
    return SentRequest(operation, {**arguments, **({"extra": extra} if extra else {})})


def _refused(operation: Operation, arguments: dict[str, Any]) -> list[str]:
    """Return the names of what is out of bounds. A digest stands for a picture that was not."""
    pictures = [name for name in arguments if operation.parameters[name].kind == "image"]
    others = {name: value for name, value in arguments.items() if name not in pictures}
    try:
        build_body(operation, {**others, "extra": dict.fromkeys(pictures)})
    except InvalidRequest as refused:
        return [problem.parameter for problem in refused.problems]
    return []


def _with_digests(value: Any) -> Any:
    """Return a value with each picture in it, base64 text included, replaced by the digest of its bytes."""
    if isinstance(value, Picture):
        return digest_of(value.sha256())
    if isinstance(value, dict):
        return {name: _with_digests(each) for name, each in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_with_digests(each) for each in cast("list[Any]", value)]
    if isinstance(value, str) and (data := decode_base64(value)) and sniff(data):
        return digest_of(PictureBytes(data).sha256())
    return value
