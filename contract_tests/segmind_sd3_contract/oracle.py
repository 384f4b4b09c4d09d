"""The oracle judges one exchange with an endpoint by the contract. It returns what is wrong, and never
raises.

The documents decide. What a parameter means for the picture is not in them: `SIZES`, `FORMATS` and `COUNTS`
have it by name. The oracle shares no code with the reference server or the SDK, so that the same bug can't
hide in both. It never reads the policy of the SDK (`x-sdk-*`).

A finding carries the layer where the broken clause stands: `documented` (the page says so), `observed` (the
overlay adds it), or `assumed` (no layer says it, and the reference server keeps it).
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from jsonschema import Draft202012Validator
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

Layer = Literal["documented", "observed", "assumed"]
Profile = Literal["documented", "observed", "reported"]

COUNTING_GRADES: Final = ("vendor", "client")
"""Below these, an observation is open, and what the page says stays what is expected."""

GRADES: Final[Mapping[Profile, tuple[str, ...]]] = {
    "documented": (),
    "observed": COUNTING_GRADES,
    "reported": (*COUNTING_GRADES, "reported", "inferred"),
}
"""Which observations stand above a page that says otherwise, for each way to read the contract."""

SIZES: Final = (("width", "height"), ("img_width", "img_height"))
FORMATS: Final = ("image_format", "output_format")
COUNTS: Final = ("samples", "batch_size")

SHAPE_TOLERANCE: Final = 0.15
"""How far a picture's shape may lie from its aspect ratio: no page says to which step sides are rounded."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One reply and what it answers. `sent` is the parsed JSON body; header names are in lower case."""

    operation: str
    sent: Any = field(repr=False)
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Finding:
    """One clause that a reply breaks."""

    clause: str
    layer: Layer
    expected: str
    came: str

    def __str__(self) -> str:
        return f"{self.clause} ({self.layer}): expected {self.expected}; came {self.came}"


class Contract:
    """What replies are judged by: a pair of bundles, read as one of three profiles.

    What was observed beside the pages always counts. Where it disagrees with a page, `documented` goes by the
    page, `observed` by what was observed at a grade that counts, and `reported` at any grade.
    """

    def __init__(self, documented: Any, observed: Any, profile: Profile) -> None:
        self.profile: Final = profile
        self.documented: Final = documented
        self.bundle: Final = with_observations(deepcopy(observed), GRADES[profile])
        self._promises = _by_operation(self.bundle)
        self._pages = _by_operation(documented)
        self._judges: dict[str, Any] = {}

    @property
    def operations(self) -> tuple[str, ...]:
        """The ids of all operations, the balance among them."""
        return tuple(self._promises)

    def path(self, operation: str) -> str:
        return self._promises[operation][0]

    def schema(self, operation: str) -> Any:
        """Return the schema of an operation's body, or None where it takes none."""
        _, spec = self._promises.get(operation, ("", {}))
        body = spec.get("requestBody")
        return body and self.resolved(body["content"]["application/json"]["schema"])

    def replies(self, operation: str) -> Mapping[str, Any]:
        """Return what is promised of each status that an operation may answer with."""
        _, spec = self._promises.get(operation, ("", {}))
        return {status: self.resolved(reply) for status, reply in spec.get("responses", {}).items()}

    def layer(self, exchange: Exchange, member: str, name: str) -> Layer:
        """Say which layer promises a header, or a kind of content, of the status that came."""
        _, spec = self._pages.get(exchange.operation, ("", {}))
        promised = _followed(self.documented, spec.get("responses", {}).get(str(exchange.status), {}))
        return "documented" if name in promised.get(member, {}) else "observed"

    def resolved(self, node: Any) -> Any:
        return _followed(self.bundle, node)

    def judge(self, operation: str) -> Any:
        """Return the validator of an operation's body."""
        if operation not in self._judges:
            self._judges[operation] = Draft202012Validator(self.schema(operation))
        return self._judges[operation]


@cache
def packaged(profile: Profile) -> Contract:
    """Return the contract that this package carries."""
    return Contract(carried("documented"), carried("observed"), profile)


def findings(exchange: Exchange, contract: Contract | None = None) -> list[Finding]:
    """List the clauses of a contract (the packaged one, as observed) that a reply breaks."""
    contract = contract or packaged("observed")
    promised = contract.replies(exchange.operation)
    status = str(exchange.status)
    if status not in promised:
        return [Finding("status", "observed", f"one of {', '.join(sorted(promised))}", status)]
    reply = promised[status]
    found = [*_headers(contract, exchange, reply), *_body(contract, exchange, reply)]
    if exchange.status == 200 and not found and contract.schema(exchange.operation):
        found += _drawing(contract, exchange)
    return found


@cache
def document(profile: Profile) -> Any:
    """Return the bundle as a profile holds it: as the pages say, or with the observations that count."""
    return packaged("observed").bundle if profile == "observed" else carried("documented")


def with_observations(bundle: Any, grades: Collection[str] = COUNTING_GRADES) -> Any:
    """Put each observation of some grades over what the page says of the same node; in place."""
    for schema in bundle["components"]["schemas"].values():
        for node in (schema, *schema.get("properties", {}).values()):
            seen = node.get("x-observed", {})
            if seen.get("x-grade") in grades:
                node |= {name: value for name, value in seen.items() if name in node}
    return bundle


def request_schema(profile: Profile, operation: str) -> Any:
    """Return the schema of an operation's body as a profile holds it."""
    return packaged(profile).schema(operation)


def carried(profile: Literal["documented", "observed"]) -> Any:
    """Return one of the two bundles that this package carries."""
    return json.loads(files("segmind_sd3_api").joinpath(f"{profile}.json").read_text("utf-8"))


def _by_operation(bundle: Any) -> dict[str, tuple[str, Any]]:
    return {
        each["operationId"]: (path, each)
        for path, item in bundle["paths"].items()
        for method, each in item.items()
        if method in ("get", "post")
    }


def _followed(bundle: Any, node: Any) -> Any:
    while "$ref" in node:
        node, reference = bundle, node["$ref"]
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
    return node


# -- What every reply promises ----------------------------------------------------------------------------


def _headers(contract: Contract, exchange: Exchange, reply: Any) -> Iterator[Finding]:
    for name, header in reply.get("headers", {}).items():
        header = contract.resolved(header)  # noqa: PLW2901 - the same one, where it stands
        layer, text = contract.layer(exchange, "headers", name), exchange.headers.get(name)
        kind = header["schema"].get("type", "string")
        if text is None and header.get("required"):
            yield Finding(f"header:{name}", layer, f"a {kind}", "none")
        elif text is not None and not _reads_as(kind, text):
            yield Finding(f"header:{name}", layer, f"a {kind}", repr(text[:80]))


def _reads_as(kind: str, text: str) -> bool:
    if kind == "string":
        return True
    try:
        return math.isfinite(float(text)) and (kind == "number" or text == str(int(text)))
    except ValueError:
        return False


def speaks_of_credits(text: str) -> bool:
    """Return whether an error's text is about credits, the only documented meaning of a 406."""
    return re.search(r"credit|balance|spend\w{0,20}\W{1,20}limit", text, re.IGNORECASE) is not None


def media_type(exchange: Exchange) -> str:
    return exchange.headers.get("content-type", "").partition(";")[0].strip().lower()


def _body(contract: Contract, exchange: Exchange, reply: Any) -> Iterator[Finding]:
    content, named = reply.get("content", {}), media_type(exchange)
    if content and named not in content:
        layer = contract.layer(exchange, "content", next(iter(content)))
        yield Finding("media-type", layer, " or ".join(content), repr(named))
        return
    schema = content.get(named, {}).get("schema")
    if schema is None or not named.endswith("json"):
        return
    try:
        value = json.loads(exchange.body)
    except (ValueError, RecursionError):
        yield Finding("json", "observed", "JSON", f"{len(exchange.body)} bytes that are none")
        return
    # The components stand beside the schema, so that a reference inside it resolves.
    judge: Any = Draft202012Validator({"allOf": [schema], "components": contract.bundle["components"]})
    for error in judge.iter_errors(value):
        yield Finding("json", "observed", "JSON as its schema says", str(error.message)[:200])


# -- What a picture promises ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Order:
    """What a body fixes about its pictures: what it says, and the defaults of what it does not say."""

    schema: Any
    sent: Mapping[str, Any]

    def value(self, names: tuple[str, ...], otherwise: Any = None) -> Any:
        for name in names:
            if (known := self.schema["properties"].get(name)) is not None:
                return self.sent.get(name, known.get("default", otherwise))
        return otherwise

    def bounded(self, names: tuple[str, ...]) -> bool:
        return any("maximum" in self.schema["properties"].get(name, {}) for name in names)


def _drawing(contract: Contract, exchange: Exchange) -> Iterator[Finding]:
    schema = contract.schema(exchange.operation)
    if wrong := next(contract.judge(exchange.operation).iter_errors(exchange.sent), None):
        yield Finding("refusal", "documented", f"a refusal of a body where {str(wrong.message)[:120]}", "200")
        return
    order = _Order(schema, exchange.sent)
    # Without a word on it, the reply is the only one that the pages name: the picture itself.
    asked = order.value(("base64",), otherwise=False)
    is_json = media_type(exchange).endswith("json")
    if asked != is_json:
        kinds = {True: "JSON with base64 text", False: "the picture itself"}
        yield Finding("base64", "observed", kinds[asked], kinds[is_json])
        return
    try:
        pictures = pictures_in(exchange)
    except (binascii.Error, ValueError):
        yield Finding("base64", "observed", "plain base64 text", repr(exchange.body[:60]))
        return
    count = order.value(COUNTS, 1)
    if not pictures:
        yield Finding("picture", "documented", "a picture", "JSON without one")
    elif is_json and (count == 1 or order.bounded(COUNTS)) and len(pictures) != count:
        yield Finding("picture-count", "documented", f"{count} pictures", f"{len(pictures)}")
    for data in pictures:
        yield from _picture(order, None if is_json else media_type(exchange), data)


def pictures_in(exchange: Exchange) -> list[bytes]:
    """Return the bytes of each picture in a 200; raises ValueError where its JSON is of another shape."""
    if not media_type(exchange).endswith("json"):
        return [exchange.body]
    reply: Any = json.loads(exchange.body)
    if not isinstance(reply, dict):
        raise ValueError("The reply is no JSON object.")  # noqa: TRY004 - one error for every other shape
    content = cast("dict[str, Any]", reply)
    image = next(filter(None, map(content.get, picture_members())), cast("Any", []))
    texts: list[Any] = [image] if isinstance(image, str) else image
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):  # pyright: ignore[reportUnnecessaryIsInstance] - a reply may hold anything
        raise ValueError("The reply's pictures are no texts.")
    return [_from_base64(text) for text in texts]


def _from_base64(text: str) -> bytes:
    """Decode base64 as RFC 4648 writes it: `b64decode` also takes padding where none belongs."""
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("The base64 is padded or ended otherwise than RFC 4648 says.")
    return data


@cache
def picture_members() -> tuple[str, ...]:
    """Return the members of a JSON reply that hold pictures, by its schema."""
    members = carried("observed")["components"]["schemas"]["Base64Reply"]["properties"]
    return tuple(
        name for name, schema in members.items() if '"contentEncoding": "base64"' in json.dumps(schema)
    )


def _picture(order: _Order, named: str | None, data: bytes) -> Iterator[Finding]:
    try:
        with Image.open(BytesIO(data)) as image:
            kind, size = str(image.format).lower(), image.size
            image.draft("L", (1, 1))  # a JPEG is read to its end, and few of its pixels are computed
            image.load()
    except Exception as error:  # noqa: BLE001 - Pillow's decoders raise whatever a broken file leads them to
        yield Finding(
            "picture", "documented", "a whole picture", f"{len(data)} bytes: {type(error).__name__}"
        )
        return
    if named is not None and named != f"image/{kind}":
        yield Finding("picture-media-type", "documented", f"image/{kind}, as the bytes say", named)
    asked = order.value(FORMATS, "jpeg")
    if asked in ("jpeg", "png", "webp") and kind != asked:
        yield Finding("picture-format", "documented" if asked == "jpeg" else "observed", asked, kind)
    ratio = re.fullmatch(r"([1-9]\d?):([1-9]\d?)", str(order.value(("aspect_ratio",))))
    if ratio:
        shape = int(ratio[1]) / int(ratio[2])
        if abs(size[0] / size[1] / shape - 1) > SHAPE_TOLERANCE:
            yield Finding("picture-shape", "assumed", f"about {ratio[0]}", f"{size[0]} x {size[1]}")
        return
    for names in SIZES:
        wanted = tuple(order.value((name,)) for name in names)
        if None not in wanted and size != wanted:
            sides = " x ".join(f"{side:g}" for side in wanted)
            yield Finding("picture-size", "documented", sides, f"{size[0]} x {size[1]}")
