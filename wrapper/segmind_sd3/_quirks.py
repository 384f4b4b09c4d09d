"""The functions of the quirks: what the SDK does where the docs pages are wrong or vague.

`openapi/quirks.yaml` has a row for each quirk. A function is bound to its row by the row's name. The kind of
the row says what the function may do:

default    completes a body. A value that is always the same needs no function: it is an action of
           `openapi/sdk.overlay.yaml`.
refusal    yields what is wrong with the parameters, so that nothing is sent.
repair     corrects a reply. It returns any other reply unchanged.
diagnosis  says more about an error, or finds how long to wait. It returns any other fault unchanged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, cast, get_args

from segmind_sd3_api.parameters import PICTURE_MEMBERS

from ._errors import Fault, InsufficientCredits, Problem, RateLimited, UnusableReply, text_of
from ._imagefile import sniff
from ._text import short_repr
from ._wire import Reply, json_of, moment

if TYPE_CHECKING:
    from segmind_sd3_api.parameters import Operation, Parameter

Body = dict[str, Any]
Parameters = Mapping[str, Any]
Kind = Literal["default", "refusal", "repair", "diagnosis"]
F = TypeVar("F", bound=Callable[..., Any])

FUNCTIONS: dict[Kind, dict[str, Callable[..., Any]]] = {kind: {} for kind in get_args(Kind)}
"""The functions of each kind by the names of their rows, in the order in which they are called."""


def _quirk(kind: Kind, row: str) -> Callable[[F], F]:
    """Bind a function to a row of quirks.yaml."""

    def bind(function: F) -> F:
        FUNCTIONS[kind][row] = function
        return function

    return bind


def complete_body(operation: Operation, body: Body) -> Body:
    """Return the body with those defaults that depend on its other values."""
    for function in FUNCTIONS["default"].values():
        body = function(operation, body)
    return body


def find_problems(operation: Operation, parameters: Parameters) -> Iterator[Problem]:
    """Yield what the refusals find wrong with the parameters."""
    for function in FUNCTIONS["refusal"].values():
        yield from function(operation, parameters)


def repair_reply(reply: Reply) -> Reply:
    for function in FUNCTIONS["repair"].values():
        reply = function(reply)
    return reply


def diagnose(reply: Reply, fault: Fault) -> Fault:
    """Return the fault with what the reply says about its cause, or about how long to wait."""
    for function in FUNCTIONS["diagnosis"].values():
        fault = function(reply, fault)
    return fault


# -- Defaults ---------------------------------------------------------------------------------------------


@_quirk("default", "base64-default-1")
def set_base64(operation: Operation, body: Body) -> Body:
    if "base64" not in operation.parameters or "base64" in body:
        return body
    counts = [body.get(name, 1) for name, known in operation.parameters.items() if known.counts_images]
    return {**body, "base64": any(isinstance(count, (int, float)) and count > 1 for count in counts)}


# -- Refusals ---------------------------------------------------------------------------------------------

_ALLOWED_IMAGES = "pass a path, bytes, an open file, a PIL image, base64 text, or the URL itself"


@_quirk("refusal", "tob64-inside-quotes")
def refuse_quoted_call(operation: Operation, parameters: Parameters) -> Iterator[Problem]:
    for name in _image_names(operation, parameters):
        value = parameters[name]
        if isinstance(value, str) and (call := re.match(r"\s*([A-Za-z_][\w.]{0,40})\s*\(", value)):
            yield Problem(name, f"the text of a call, {call[1]}(…)", _ALLOWED_IMAGES)


@_quirk("refusal", "tob64-promise")
def refuse_object_as_image(operation: Operation, parameters: Parameters) -> Iterator[Problem]:
    for name in _image_names(operation, parameters):
        if isinstance(parameters[name], Mapping):
            yield Problem(name, "an object, as an un-awaited toB64(…) leaves it", _ALLOWED_IMAGES)


@_quirk("refusal", "tob64-url-as-file")
def refuse_url_as_path(operation: Operation, parameters: Parameters) -> Iterator[Problem]:
    for name in _image_names(operation, parameters):
        if isinstance(parameters[name], PurePath) and re.match(r"https?:[/\\]", str(parameters[name])):
            yield Problem(name, "a URL made into a path", "pass the URL as a str, as it is")


@_quirk("refusal", "size-ignored-unless-custom")
def refuse_ignored_size(operation: Operation, parameters: Parameters) -> Iterator[Problem]:
    ratio = parameters.get("aspect_ratio")
    if "aspect_ratio" not in operation.parameters or not isinstance(ratio, str) or ratio == "custom":
        return
    for name in ("width", "height"):
        if parameters.get(name) is not None:
            yield Problem(
                name,
                f"given beside aspect_ratio {ratio[:40]!r}",
                'it counts only with aspect_ratio="custom": leave one of the two out',
            )


@_quirk("refusal", "count-without-bounds")
def refuse_unusual_count(operation: Operation, parameters: Parameters) -> Iterator[Problem]:
    for name, known in operation.parameters.items():
        count = parameters.get(name)
        if not known.counts_images or not isinstance(count, int):
            continue
        if known.minimum is None and count < 1:
            yield Problem(name, f"got {short_repr(count)}", "allowed is a whole number of at least 1")
        most = known.sdk_maximum if known.maximum is None else None
        if most is not None and count > most:
            yield Problem(
                name,
                f"got {short_repr(count)}, {_describe_cost(operation, count)}",
                f"allowed is a whole number from 1 to {most}{_to_send(name, short_repr(count))}",
            )


def _describe_cost(operation: Operation, count: int) -> str:
    price = operation.usd_per_picture
    if price is None:
        return "whose price is not known"
    # A count may have more digits than a float holds.
    counted = min(count, 10**6)
    return f"which costs {'about' if counted == count else 'more than'} ${price * counted:,.2f} (an estimate)"


@_quirk("refusal", "blank-prompt")
def refuse_blank_prompt(operation: Operation, parameters: Parameters) -> Iterator[Problem]:
    prompt = parameters.get("prompt")
    if "prompt" in operation.parameters and isinstance(prompt, str) and not prompt.strip():
        given = "a blank text" if prompt else "an empty text"
        advice = "it would be paid for as any other: say what to draw"
        yield Problem("prompt", given, advice + _to_send("prompt", '""'))


@_quirk("refusal", "reversed-timestep-range")
def refuse_reversed_range(operation: Operation, parameters: Parameters) -> Iterator[Problem]:
    names = ("conditioningsettimesteprange_start", "conditioningsettimesteprange_stop")
    if not operation.parameters.keys() >= {*names}:
        return
    first, last = (operation.parameters[name] for name in names)
    start, stop = (_number_within(each, parameters) for each in (first, last))
    if start is not None and stop is not None and start > stop:
        yield Problem(
            names[0],
            f"{start} is above the {names[1]} {stop}",
            f"allowed is at most {stop}{_to_send(names[0], start)}",
        )


def _number_within(known: Parameter, parameters: Parameters) -> float | None:
    """Return a plain number within the bounds: a subclass may misstate it. Others are refused already."""
    match parameters.get(known.name, known.documented_default):
        case int() as value:
            number = int.__int__(value)
        case float() as value:
            number = float.__float__(value)
        case _:
            return None
    low, high = known.minimum, known.maximum
    return number if (low is None or number >= low) and (high is None or number <= high) else None


def _to_send(name: str, value: object) -> str:
    return f' (to send it all the same: extra={{"{name}": {value}}})'


def _image_names(operation: Operation, parameters: Parameters) -> Iterator[str]:
    images = (name for name, known in operation.parameters.items() if known.kind == "image")
    return (name for name in images if name in parameters)


# -- Repairs of a reply -----------------------------------------------------------------------------------


@_quirk("repair", "wrong-media-type")
def correct_media_type(reply: Reply) -> Reply:
    named = _media_type(reply)
    if picture := sniff(reply.body):
        return reply if named.startswith("image/") else _with_media_type(reply, picture)
    if reply.body[:64].lstrip().startswith(b"{") and not named.endswith("json"):
        return _with_media_type(reply, "application/json")
    return reply


@_quirk("repair", "reply-format")
def correct_picture_format(reply: Reply) -> Reply:
    named, picture = _media_type(reply), sniff(reply.body)
    if picture and named.startswith("image/") and named != picture:
        return _with_media_type(reply, picture)
    return reply


def _media_type(reply: Reply) -> str:
    return reply.headers.get("content-type", "").partition(";")[0].strip().lower()


def _with_media_type(reply: Reply, media_type: str) -> Reply:
    return replace(reply, headers={**reply.headers, "content-type": media_type})


_BEGINS_WITH_IMAGE: Final = re.compile(rb'\s*\{\s*"image"\s*:\s*(\[\s*)?"[^"]')


@_quirk("repair", "several-images")
def rename_images(reply: Reply) -> Reply:
    # Pictures are long, and to search them for a name takes as long as to copy them.
    if sniff(reply.body) or _BEGINS_WITH_IMAGE.match(reply.body):
        return reply
    others = (name for name in PICTURE_MEMBERS if name != "image")
    if not any(f'"{name}"'.encode() in reply.body for name in others):
        return reply
    content = json_of(reply.body)
    if not isinstance(content, dict):
        return reply
    content = cast("dict[str, Any]", content)
    found = next((content[name] for name in PICTURE_MEMBERS if content.get(name)), None)
    if content.get("image") or not found:
        return reply
    kept = {name: value for name, value in content.items() if name not in PICTURE_MEMBERS}
    return replace(reply, body=json.dumps({**kept, "image": found}).encode())


# -- Diagnoses --------------------------------------------------------------------------------------------


# Every repetition is bounded: else a text of many "spend" would be searched to its end from each of them.
_SPEND_LIMIT = r"spend\w{0,20}\W{1,20}limit|limit\W{1,20}\w{1,20}\W{1,20}spend"


@_quirk("diagnosis", "406-not-only-credits")
def explain_406(reply: Reply, fault: Fault) -> Fault:
    if reply.status != 406:
        return fault
    if re.search(_SPEND_LIMIT, fault.text, re.IGNORECASE):
        return fault._replace(error=InsufficientCredits, advice="The team's spend limit is met: raise it.")
    if re.search(r"credit|balance", fault.text, re.IGNORECASE):
        return fault._replace(error=InsufficientCredits)
    if re.search(r"content.?type", fault.text, re.IGNORECASE):
        return fault._replace(advice="The body was not read as JSON: look for a proxy that changes headers.")
    return fault._replace(advice="The text names no credits: a parameter's value was most likely refused.")


@_quirk("diagnosis", "405-html")
def read_405_page(reply: Reply, fault: Fault) -> Fault:
    return _with_title(reply, fault) if reply.status == 405 else fault


@_quirk("diagnosis", "gateway-html")
def read_gateway_page(reply: Reply, fault: Fault) -> Fault:
    return _with_title(reply, fault) if reply.status != 405 else fault


def _with_title(reply: Reply, fault: Fault) -> Fault:
    import html  # noqa: PLC0415 - rare, and takes a while to load

    head = reply.body[:65536].decode("utf-8", "replace")
    if not re.match(r"\s*<(!doctype|html|head|\?xml)", head, re.IGNORECASE):
        return fault
    # Two searches: a single expression would search for the closing tag once for each opening tag.
    opened = re.search(r"<(?:title|h1)[^>]{0,200}>", head, re.IGNORECASE)
    text = head[opened.end() :] if opened else ""
    closed = re.search(r"</(?:title|h1)\s*>", text, re.IGNORECASE)
    title = html.unescape(text[: closed.start()]).strip() if closed else "an HTML page without a title"
    return fault._replace(text=title)


@_quirk("diagnosis", "error-in-200")
def read_error_in_200(reply: Reply, fault: Fault) -> Fault:
    if fault.error is not UnusableReply:
        return fault
    content = json_of(reply.body)
    text = "" if not isinstance(content, dict) or "image" in content else text_of(cast("object", content))
    return fault._replace(text=text) if text else fault


@_quirk("diagnosis", "no-retry-after")
def read_reset_time(reply: Reply, fault: Fault) -> Fault:
    if fault.error is not RateLimited:
        return fault
    return fault._replace(reset_at=moment(reply.headers.get("x-rate-limit-reset-at-utc", "")))
