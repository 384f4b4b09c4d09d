"""Every difference between what the docs pages say and what is sensible or was observed: one row each.

A difference that has no row here is handled nowhere else. A row has one of four kinds, which says what its
function may do:

default    sets a value that is sent when the caller gives none. Most rows are only data: an action of
           `openapi/sdk.overlay.yaml`. A function completes a body.
refusal    yields what is wrong with the parameters, so that nothing is sent.
repair     corrects a reply. It returns any other reply unchanged.
diagnosis  says more about an error, or finds how long to wait. It returns any other fault unchanged.

A row says what the page documents, what was observed, and how surely: `vendor`, `client`, `reported` or
`inferred`, as in the overlay. The README prints this table.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from segmind_sd3_api.parameters import PICTURE_MEMBERS

from ._errors import Fault, InsufficientCredits, Problem, RateLimited, UnusableReply, text_of
from ._imagefile import sniff
from ._wire import Reply, json_of, moment

if TYPE_CHECKING:
    from segmind_sd3_api.parameters import Operation

Body = dict[str, Any]
Parameters = Mapping[str, Any]
Kind = Literal["default", "refusal", "repair", "diagnosis"]
F = TypeVar("F", bound=Callable[..., Any])

QUIRKS: dict[str, Quirk] = {}


@dataclass(slots=True)
class Quirk:
    """One row. It enters `QUIRKS` when it is made. As a decorator, it takes a function as its code.

    `actions` are the overlay actions that contain its data.
    """

    name: str
    kind: Kind
    documented: str
    observed: str
    grade: str
    evidence: str
    does: str
    actions: tuple[str, ...] = ()
    function: Callable[..., Any] | None = None

    def __post_init__(self) -> None:
        QUIRKS[self.name] = self

    def __call__(self, function: F) -> F:
        self.function = function
        return function


def complete_body(operation: Operation, body: Body) -> Body:
    """Return the body with those defaults that depend on its other values."""
    for function in _functions("default"):
        body = function(operation, body)
    return body


def find_problems(operation: Operation, parameters: Parameters) -> Iterator[Problem]:
    """Yield what the refusals find wrong with the parameters."""
    for function in _functions("refusal"):
        yield from function(operation, parameters)


def repair_reply(reply: Reply) -> Reply:
    for function in _functions("repair"):
        reply = function(reply)
    return reply


def diagnose(reply: Reply, fault: Fault) -> Fault:
    """Return the fault with what the reply says about its cause, or about how long to wait."""
    for function in _functions("diagnosis"):
        fault = function(reply, fault)
    return fault


def _functions(kind: Kind) -> list[Callable[..., Any]]:
    return [quirk.function for quirk in QUIRKS.values() if quirk.kind == kind and quirk.function]


# -- Defaults ---------------------------------------------------------------------------------------------

Quirk(
    "steps-default-below-minimum",
    "default",
    documented="turbo: `steps` has the default 4 and the minimum 10",
    observed="programs send 4 and get a picture: the minimum is not enforced",
    grade="client",
    evidence="public programs",
    does='sends 10 unless given; refuses 4 and says how to send it, `extra={"steps": 4}`',
    actions=("sdk-turbo-steps",),
)

Quirk(
    "fixed-seed-default",
    "default",
    documented="one seed for everybody, so that the same prompt draws the same picture each time",
    observed="an omitted seed takes the page's default; -1 means random on medium txt2img",
    grade="inferred",
    evidence="vendor's newer page for -1; the rest is reasoned",
    does="draws a seed, sends it and reports it",
    actions=("sdk-medium-image-seed", "sdk-turbo-seed", "sdk-medium-text-seed"),
)

Quirk(
    "prompt-default-1",
    "default",
    documented="large: `prompt` and `negative_prompt` have the default `1`",
    observed="perhaps the page's rendering of true",
    grade="inferred",
    evidence="the page's `base64` shows the same `1`",
    does="requires a prompt; sends an empty negative prompt unless given",
    actions=("sdk-large-prompt", "sdk-large-negative-prompt"),
)

Quirk(
    "mode-without-values",
    "default",
    documented="large: `mode` is required and no value is listed",
    observed="`image-to-image`",
    grade="vendor",
    evidence="the page's sample and the vendor's own programs",
    does="sends `image-to-image` unless given",
    actions=("sdk-large-mode",),
)

Quirk(
    "sampler-required-no-values",
    "default",
    documented="turbo: `sampler` and `scheduler` are required, without a default or a value listed",
    observed="calls without them are drawn",
    grade="reported",
    evidence="public programs",
    does="sends the sample's `dpmpp_2m` and `sgm_uniform` unless given",
    actions=("sdk-turbo-sampler", "sdk-turbo-scheduler"),
)

Quirk(
    "enum-without-values",
    "default",
    documented="`sampler`, `scheduler`, `aspect_ratio`, `image_format`, `output_format` list no value",
    observed="values that newer pages list and programs send",
    grade="client",
    evidence="the vendor's pages of sibling models, public programs; each list has its own grade",
    does="accepts any text; editors, completion and the documentation offer the known values",
    actions=(
        "medium-sampler-values",
        "scheduler-values",
        "medium-txt2img-scheduler-values",
        "turbo-aspect-ratio-values",
        "turbo-image-format-values",
        "large-output-format-values",
    ),
)

Quirk(
    "negative-prompt-none",
    "default",
    documented="medium txt2img: `negative_prompt` is a str with the default `None`",
    observed="",
    grade="inferred",
    evidence="the page's rendering of no default",
    does="is not sent unless given",
    actions=("sdk-medium-negative-prompt",),
)

Quirk(
    "strength-both-ways",
    "default",
    documented="tile: `strength` is that of the transformation, and in prose higher is more like the input",
    observed="",
    grade="inferred",
    evidence="the page contradicts itself",
    does="documents both, and sends what it is given",
    actions=("sdk-tile-strength",),
)


@Quirk(
    "base64-default-true",
    "default",
    documented="`base64` has the default 1, and the reply is an image/jpeg",
    observed="the live default is false on the vendor's newer page, true on these pages",
    grade="vendor",
    evidence="the vendor's newer page",
    does="always sends it: false for one picture, true for several; reads both replies",
    actions=("sdk-base64", "sdk-several-pictures"),
)
def set_base64(operation: Operation, body: Body) -> Body:
    if "base64" not in operation.parameters or "base64" in body:
        return body
    counts = [body.get(name, 1) for name, known in operation.parameters.items() if known.counts_images]
    return {**body, "base64": any(isinstance(count, (int, float)) and count > 1 for count in counts)}


# -- Refusals ---------------------------------------------------------------------------------------------

_ALLOWED_IMAGES = "pass a path, bytes, an open file, a PIL image, base64 text, or the URL itself"


@Quirk(
    "tob64-inside-quotes",
    "refusal",
    documented="tile: the sample sends the text `toB64('https://…')`",
    observed="",
    grade="vendor",
    evidence="the page's sample: the call stands inside quotes",
    does="refuses it, and says what to pass instead",
)
def refuse_quoted_call(operation: Operation, parameters: Parameters) -> Iterator[Problem]:
    for name in _image_names(operation, parameters):
        value = parameters[name]
        if isinstance(value, str) and (call := re.match(r"\s*([A-Za-z_][\w.]{0,40})\s*\(", value)):
            yield Problem(name, f"the text of a call, {call[1]}(…)", _ALLOWED_IMAGES)


@Quirk(
    "tob64-promise",
    "refusal",
    documented="`toB64` is async and never awaited, so the body holds `{}`",
    observed="",
    grade="vendor",
    evidence="the pages' JavaScript samples",
    does="refuses it, and says what to pass instead",
)
def refuse_object_as_image(operation: Operation, parameters: Parameters) -> Iterator[Problem]:
    for name in _image_names(operation, parameters):
        if isinstance(parameters[name], Mapping):
            yield Problem(name, "an object, as an un-awaited toB64(…) leaves it", _ALLOWED_IMAGES)


@Quirk(
    "tob64-url-as-file",
    "refusal",
    documented="`toB64` opens a URL as if it were a file",
    observed="",
    grade="vendor",
    evidence="the pages' JavaScript samples",
    does="accepts a path, bytes, file, PIL image, `data:` URI, base64 text or URL; refuses a URL made a path",
)
def refuse_url_as_path(operation: Operation, parameters: Parameters) -> Iterator[Problem]:
    for name in _image_names(operation, parameters):
        if isinstance(parameters[name], PurePath) and re.match(r"https?:[/\\]", str(parameters[name])):
            yield Problem(name, "a URL made into a path", "pass the URL as a str, as it is")


@Quirk(
    "size-ignored-unless-custom",
    "refusal",
    documented="turbo: `width` and `height` count only with `aspect_ratio` custom",
    observed="",
    grade="vendor",
    evidence="the page's description of `aspect_ratio`",
    does="refuses a width or height beside another aspect ratio",
)
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


def _image_names(operation: Operation, parameters: Parameters) -> Iterator[str]:
    images = (name for name, known in operation.parameters.items() if known.kind == "image")
    return (name for name in images if name in parameters)


# -- Repairs of a reply -----------------------------------------------------------------------------------


@Quirk(
    "wrong-media-type",
    "repair",
    documented="the content type names the format",
    observed="a 200 may carry a wrong one, or none",
    grade="reported",
    evidence="programs that look at the first bytes instead",
    does="looks at the first bytes: a picture is read as one, and JSON as JSON, under any content type",
)
def correct_media_type(reply: Reply) -> Reply:
    named = _media_type(reply)
    if picture := sniff(reply.body):
        return reply if named.startswith("image/") else _with_media_type(reply, picture)
    if reply.body[:64].lstrip().startswith(b"{") and not named.endswith("json"):
        return _with_media_type(reply, "application/json")
    return reply


@Quirk(
    "reply-format",
    "repair",
    documented="format parameters exist, and the reply is documented as image/jpeg alone",
    observed="png and webp replies",
    grade="client",
    evidence="public programs",
    does="takes the format from the reply's own bytes",
)
def correct_picture_format(reply: Reply) -> Reply:
    named, picture = _media_type(reply), sniff(reply.body)
    if picture and named.startswith("image/") and named != picture:
        return _with_media_type(reply, picture)
    return reply


def _media_type(reply: Reply) -> str:
    return reply.headers.get("content-type", "").partition(";")[0].strip().lower()


def _with_media_type(reply: Reply, media_type: str) -> Reply:
    return replace(reply, headers={**reply.headers, "content-type": media_type})


@Quirk(
    "several-images",
    "repair",
    documented="one jpeg, while `samples` and `batch_size` allow more",
    observed="`image` is a string or a list of strings; one program expected `images`",
    grade="client",
    evidence="public programs; `images` is reported once",
    does="accepts all three",
)
def rename_images(reply: Reply) -> Reply:
    others = (name for name in PICTURE_MEMBERS if name != "image")
    if sniff(reply.body) or not any(f'"{name}"'.encode() in reply.body for name in others):
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


@Quirk(
    "406-not-only-credits",
    "diagnosis",
    documented='406 means "Not enough credits"',
    observed="also a wrong content type, a refused value, or a team's spend limit",
    grade="vendor",
    evidence="vendor's newer pages and worker code",
    does="distinguishes them by the text",
)
def explain_406(reply: Reply, fault: Fault) -> Fault:
    if reply.status != 406:
        return fault
    if re.search(_SPEND_LIMIT, fault.text, re.IGNORECASE):
        return replace(fault, error=InsufficientCredits, advice="The team's spend limit is met: raise it.")
    if re.search(r"credit|balance", fault.text, re.IGNORECASE):
        return replace(fault, error=InsufficientCredits)
    if re.search(r"content.?type", fault.text, re.IGNORECASE):
        return replace(fault, advice="The body was not read as JSON: look for a proxy that changes headers.")
    return replace(fault, advice="The text names no credits: a parameter's value was most likely refused.")


@Quirk(
    "405-html",
    "diagnosis",
    documented="an error's body is JSON",
    observed="a 405 is an HTML page",
    grade="vendor",
    evidence="vendor's newer pages",
    does="reads the title of the page",
)
def read_405_page(reply: Reply, fault: Fault) -> Fault:
    return _with_title(reply, fault) if reply.status == 405 else fault


@Quirk(
    "gateway-html",
    "diagnosis",
    documented="an error's body is JSON",
    observed="a 502 or 504 is a gateway's HTML page, after some 60 to 100 s",
    grade="client",
    evidence="public programs",
    does="reads the title of the page; says that the call may have been drawn",
)
def read_gateway_page(reply: Reply, fault: Fault) -> Fault:
    return _with_title(reply, fault) if reply.status != 405 else fault


def _with_title(reply: Reply, fault: Fault) -> Fault:
    head = reply.body[:65536].decode("utf-8", "replace")
    if not re.match(r"\s*<(!doctype|html|head|\?xml)", head, re.IGNORECASE):
        return fault
    # Two searches: a single expression would search for the closing tag once for each opening tag.
    opened = re.search(r"<(?:title|h1)[^>]{0,200}>", head, re.IGNORECASE)
    text = head[opened.end() :] if opened else ""
    closed = re.search(r"</(?:title|h1)\s*>", text, re.IGNORECASE)
    title = html.unescape(text[: closed.start()]).strip() if closed else "an HTML page without a title"
    return replace(fault, text=title)


@Quirk(
    "error-in-200",
    "diagnosis",
    documented="a 200 is a picture",
    observed='a 200 may carry `{"error": …}`',
    grade="reported",
    evidence="public programs",
    does="`UnusableReply` with the text that it carries",
)
def read_error_in_200(reply: Reply, fault: Fault) -> Fault:
    if fault.error is not UnusableReply:
        return fault
    content = json_of(reply.body)
    text = "" if not isinstance(content, dict) or "image" in content else text_of(cast("object", content))
    return replace(fault, text=text) if text else fault


@Quirk(
    "no-retry-after",
    "diagnosis",
    documented="",
    observed="a 429 has no Retry-After; `x-rate-limit-reset-at-utc` says when the window ends",
    grade="vendor",
    evidence="vendor's newer pages",
    does="waits until then (ISO, naive is UTC; HTTP date; epoch in s or ms) by the reply's `Date`, in bounds",
)
def read_reset_time(reply: Reply, fault: Fault) -> Fault:
    if fault.error is not RateLimited:
        return fault
    return replace(fault, reset_at=moment(reply.headers.get("x-rate-limit-reset-at-utc", "")))
