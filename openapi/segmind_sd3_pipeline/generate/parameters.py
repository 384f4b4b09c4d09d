"""The facts of each endpoint and its parameters, which the templates render."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from enum import Enum
from typing import TYPE_CHECKING, Final, Literal, cast

from segmind_sd3_pipeline.spec.bundle import Operation, request_schema
from segmind_sd3_pipeline.spec.documents import ContractError, Document
from segmind_sd3_pipeline.spec.names import named_operations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segmind_sd3_pipeline.spec.layers import Layers

Kind = Literal["integer", "number", "string", "boolean", "image"]
PYTHON_TYPES = {
    "integer": "int",
    "number": "float",
    "string": "str",
    "boolean": "bool",
    "image": "ImageInput",
}
SDK_WORDS: dict[str, type] = {
    "x-sdk-default": object,
    "x-sdk-required": bool,
    "x-sdk-hidden": bool,
    "x-sdk-counts-images": bool,
    "x-sdk-note": str,
    "x-sdk-maximum": int,
}
WHAT_IS_SENT: dict[str, tuple[str, tuple[type, ...]]] = {
    "integer": ("whole number", (int,)),
    "number": ("number", (int, float)),
    "string": ("text", (str,)),
    "boolean": ("true or false", (bool,)),
    "image": ("text", (str,)),
}


class NoDefault(Enum):
    """The default of a parameter without one. Its repr is its name in the generated module."""

    NO_DEFAULT = "no default"

    def __repr__(self) -> str:
        return self.name


NO_DEFAULT = NoDefault.NO_DEFAULT

NONE: Final = frozenset({"None", "null"})
"""How a page prints that a parameter has no default."""


@dataclass(frozen=True)
class Random:
    """A random whole number, drawn for each call."""

    low: int
    high: int


@dataclass(frozen=True)
class Parameter:
    """The facts of one property of a request. The template has the same class, with their meaning."""

    name: str
    kind: Kind
    sentence: str = ""
    note: str = ""
    default_is_unsendable: bool = False
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    multiple_of: int | None = None
    sdk_maximum: int | None = None
    documented_default: object = NO_DEFAULT
    sdk_default: object = NO_DEFAULT
    known_values: tuple[str, ...] = ()
    closed: bool = False
    affects_pricing: bool = False
    counts_images: bool = False
    hidden: bool = False

    @property
    def facts(self) -> dict[str, object]:
        """Return the optional fields of the generated `Parameter` that differ from their defaults."""
        others = ("name", "kind", "sentence", "note", "default_is_unsendable")
        defaults = {field.name: field.default for field in fields(self) if field.name not in others}
        return {
            name: getattr(self, name) for name, default in defaults.items() if getattr(self, name) != default
        }

    @property
    def python_type(self) -> str:
        """Return the type of its values."""
        python_type = PYTHON_TYPES[self.kind]
        if self.known_values:
            python_type = f"Literal{list(self.known_values)}" + ("" if self.closed else f" | {python_type}")
        return python_type

    @property
    def annotation(self) -> str:
        """Return its type in a TypedDict."""
        return f"Required[{self.python_type}]" if self.required else f"{self.python_type} | None"

    @property
    def argument(self) -> str:
        """Return its annotation as an argument of a method, with the default where it has one."""
        return self.python_type if self.required else f"{self.python_type} | None = None"

    @property
    def values_sent(self) -> tuple[object, ...]:
        """Return what the SDK may send when the caller gives no value; for a random number its two ends."""
        match self.sdk_default:
            case NoDefault():
                return ()
            case Random(low, high):
                return (low, high)
            case value:
                return (value,)

    @property
    def default_may_be_none(self) -> bool:
        """Return whether the page's default is a 1 that may stand for no default (see `pages.properties`)."""
        return self.default_is_unsendable and self.documented_default == 1

    @property
    def default_is_none(self) -> bool:
        """Return whether the page's default is none in so many words."""
        return self.default_is_unsendable and self.documented_default in NONE

    def flaw(self, value: object) -> str:
        """Return why a value can't be sent, as the end of a sentence; empty if it can."""
        expected, types = WHAT_IS_SENT[self.kind]
        if not isinstance(value, types) or isinstance(value, bool) != (self.kind == "boolean"):
            return f", which is no {expected}"
        if self.closed and value not in self.known_values:
            return ", which is none of its own values"
        if isinstance(value, int | float):
            if self.minimum is not None and value < self.minimum:
                return ", below its own minimum"
            if self.maximum is not None and value > self.maximum:
                return ", above its own maximum"
            if self.multiple_of is not None and value % self.multiple_of:
                return f", no multiple of {self.multiple_of}"
        return ""


@dataclass(frozen=True)
class Endpoint:
    """One operation and its parameters."""

    operation: Operation
    model: str
    parameters: tuple[Parameter, ...]

    @property
    def shown(self) -> tuple[Parameter, ...]:
        return tuple(parameter for parameter in self.parameters if not parameter.hidden)

    @property
    def tag(self) -> str:
        """Return the subpackage of `api` that holds the endpoint."""
        return cast("str", (self.operation.spec.get("tags") or ["default"])[0])

    @property
    def facts(self) -> dict[str, object]:
        """Return the fields of the generated `Operation`, without the parameters."""
        spec = self.operation.spec
        return {
            "operation_id": self.operation.id,
            "slug": self.operation.slug,
            "path": self.operation.path,
            "page": spec["x-source"]["page"],
            "summary": _one_line(spec.get("summary", "")),
            "doc": _one_line(spec.get("description", "")),
            **({"usd_per_picture": spec["x-usd-per-picture"]} if "x-usd-per-picture" in spec else {}),
            **({"deprecated": True} if spec.get("deprecated") else {}),
        }


def endpoints(layers: Layers) -> Iterator[Endpoint]:
    """Yield the documented endpoints, with what observations and SDK policy add to their parameters.

    Raises:
        ContractError: A name can't be taken, a property's type is none of the five kinds, or its default, or
            what the SDK would send for it, is not allowed by its own spec.
    """
    for operation in named_operations(layers):
        yield _endpoint(layers.sdk, operation)


def picture_members(observed: Document) -> tuple[str, ...]:
    """Return the names of the members of a JSON reply that hold pictures as base64 text."""
    reply = observed["components"]["schemas"].get("Base64Reply", {})
    members: dict[str, Document] = reply.get("properties", {})
    return tuple(name for name, spec in members.items() if '"contentEncoding": "base64"' in json.dumps(spec))


def _endpoint(document: Document, operation: Operation) -> Endpoint:
    model, schema = request_schema(document, operation)
    required = schema.get("required", [])
    properties: dict[str, Document] = schema.get("properties", {})
    parameters = [
        _parameter(f"{operation.id}: {name}", name, spec, required=name in required)
        for name, spec in properties.items()
    ]
    return Endpoint(operation, model, tuple(parameters))


def _parameter(where: str, name: str, spec: Document, *, required: bool) -> Parameter:
    _refuse_misshapen(where, spec)
    _refuse_words(where, spec)
    match spec.get("x-sdk-default", NO_DEFAULT):
        case {"random": [int(low), int(high)]}:
            sdk_default = Random(low, high)
        case sdk_default:
            pass
    filled_in = sdk_default is not NO_DEFAULT or spec.get("x-sdk-hidden", False)
    parameter = Parameter(
        name=name,
        kind=_kind(spec),
        sentence=_one_line(spec.get("description", "")),
        note=_one_line(spec.get("x-sdk-note", "")),
        default_is_unsendable="x-documented-default" in spec,
        required=spec.get("x-sdk-required", required and not filled_in),
        minimum=spec.get("minimum"),
        maximum=spec.get("maximum"),
        multiple_of=spec.get("multipleOf"),
        sdk_maximum=spec.get("x-sdk-maximum"),
        documented_default=spec.get("x-documented-default", spec.get("default", NO_DEFAULT)),
        sdk_default=sdk_default,
        known_values=known_values(spec),
        closed="enum" in spec,
        affects_pricing=spec.get("x-affects-pricing", False),
        counts_images=spec.get("x-sdk-counts-images", False),
        hidden=spec.get("x-sdk-hidden", False),
    )
    if "default" in spec and (flaw := parameter.flaw(spec["default"])):
        default = spec["default"]
        raise ContractError(f"{where} has the default {default!r}{flaw}: make it x-documented-default.")
    is_none = parameter.default_may_be_none or parameter.default_is_none
    settled = parameter.required or parameter.note or parameter.values_sent or is_none
    if parameter.default_is_unsendable and not settled:
        raise ContractError(
            f"{where} has a default that can't be sent, and no action of sdk.overlay.yaml says what is: "
            "x-sdk-default, x-sdk-required or x-sdk-note."
        )
    for value in parameter.values_sent:
        if flaw := parameter.flaw(value):
            raise ContractError(f"{where} would be sent as {value!r}{flaw}.")
    return parameter


def _refuse_misshapen(where: str, spec: Document) -> None:
    if str(_kind(spec)) not in PYTHON_TYPES:
        raise ContractError(
            f"{where} has the type {_kind(spec)}, which is none of {', '.join(PYTHON_TYPES)}."
        )
    for bound in ("minimum", "maximum", "multipleOf"):
        if not isinstance(spec.get(bound, 0), (int,) if bound == "multipleOf" else (int, float)):
            raise ContractError(f"{where} has the {bound} {spec[bound]!r}, which is no such number.")
    if spec.get("enum") == []:
        raise ContractError(
            f"{where} has an empty list of values: leave `enum` out, or list what is allowed."
        )
    for value in known_values(spec):
        if _kind(spec) != "string" or not isinstance(cast("object", value), str):
            raise ContractError(f"{where} lists {value!r}, and only texts can be listed, of a text.")


def _refuse_words(where: str, spec: Document) -> None:
    for word in spec:
        if word.startswith("x-sdk-") and word not in SDK_WORDS:
            raise ContractError(f"{where} has {word}, which is none of {', '.join(sorted(SDK_WORDS))}.")
    for word, kind in {**SDK_WORDS, "x-affects-pricing": bool}.items():
        if word in spec and not isinstance(spec[word], kind):
            wanted = {str: "a text", int: "a whole number"}.get(kind, "true or false")
            raise ContractError(f"{where} has the {word} {spec[word]!r}, which is not {wanted}.")


def _kind(spec: Document) -> Kind:
    return "image" if spec.get("x-documented-type") == "image" else cast("Kind", spec.get("type"))


def known_values(spec: Document) -> tuple[str, ...]:
    """Return the values of a closed list, or else the known values: examples first, then observed ones."""
    if "enum" in spec:
        return tuple(spec["enum"])
    listed = [value for option in spec.get("anyOf", []) for value in option.get("enum", [])]
    return tuple(dict.fromkeys([*spec.get("examples", []), *listed]))


def _one_line(text: str) -> str:
    return " ".join(text.split())
