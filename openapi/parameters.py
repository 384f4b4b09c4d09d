"""What the templates are rendered from: each parameter's facts, and the text made of them."""

from __future__ import annotations

import keyword
from dataclasses import dataclass, fields
from enum import Enum
from typing import TYPE_CHECKING, Literal, cast

from bundle import Operation, operations, request_schema
from documents import ContractError, Document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from layers import Layers

Kind = Literal["integer", "number", "string", "boolean", "image"]
PYTHON_TYPES = {
    "integer": "int",
    "number": "float",
    "string": "str",
    "boolean": "bool",
    "image": "ImageInput",
}
SDK_WORDS = {"x-sdk-default", "x-sdk-required", "x-sdk-hidden", "x-sdk-counts-images"}
IMAGE_INPUTS = (
    "Given as a path, bytes, an open file, a Pillow picture, or a text: "
    "`data:` URI, http(s) URL, base64 or path."
)
WHAT_IS_SENT: dict[str, tuple[str, tuple[type, ...]]] = {
    "integer": ("whole number", (int,)),
    "number": ("number", (int, float)),
    "string": ("text", (str,)),
    "boolean": ("true or false", (bool,)),
    "image": ("text", (str,)),
}


class NoDefault(Enum):
    """Its one member has the name that it has in the generated module as its repr."""

    NO_DEFAULT = "no default"

    def __repr__(self) -> str:
        return self.name


NO_DEFAULT = NoDefault.NO_DEFAULT


@dataclass(frozen=True)
class Random:
    """A whole number that is drawn anew for each call."""

    low: int
    high: int


@dataclass(frozen=True)
class Parameter:
    """The facts of one property of a request; see the class of the same name in the template."""

    name: str
    kind: Kind
    sentence: str = ""
    default_is_unsendable: bool = False
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    multiple_of: int | None = None
    documented_default: object = NO_DEFAULT
    sdk_default: object = NO_DEFAULT
    known_values: tuple[str, ...] = ()
    affects_pricing: bool = False
    counts_images: bool = False
    hidden: bool = False

    @property
    def facts(self) -> dict[str, object]:
        """The fields of the generated `Parameter` that differ from its defaults."""
        facts: dict[str, object] = {"name": self.name, "kind": self.kind, "doc": self.doc}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name not in ("sentence", "default_is_unsendable") and value != field.default:
                facts[field.name] = value
        return facts

    @property
    def annotation(self) -> str:
        """Its type in a TypedDict."""
        python_type = PYTHON_TYPES[self.kind]
        if self.known_values:
            python_type = f"Literal{list(self.known_values)} | {python_type}"
        return f"Required[{python_type}]" if self.required else f"{python_type} | None"

    @property
    def values_sent(self) -> tuple[object, ...]:
        """What the SDK may send when the caller gives nothing; of a drawn number the two ends."""
        match self.sdk_default:
            case NoDefault():
                return ()
            case Random(low, high):
                return (low, high)
            case value:
                return (value,)

    @property
    def overview(self) -> str:
        """Meaning and range: what a list of all parameters has room for."""
        return " ".join(filter(None, (self.sentence, self._range())))

    @property
    def doc(self) -> str:
        """One paragraph: meaning, range, default, known values, price."""
        given_as = IMAGE_INPUTS if self.kind == "image" else ""
        price = "Affects the price." if self.affects_pricing else ""
        sentences = (self.overview, given_as, self._default(), self._known_values(), price)
        return " ".join(filter(None, sentences))

    def _range(self) -> str:
        match self.minimum, self.maximum:
            case None, None:
                limits = ""
            case _, None:
                limits = f"{self.minimum} or more"
            case None, _:
                limits = f"{self.maximum} or less"
            case _:
                limits = f"{self.minimum} to {self.maximum}"
        multiples = f"multiples of {self.multiple_of}" if self.multiple_of else ""
        return _sentence(", ".join(filter(None, (limits, multiples))))

    def _default(self) -> str:
        page, sent = self.documented_default, self.sdk_default
        if page is NO_DEFAULT:
            said = "The page names no default"
        else:
            said = f"The page says {_shown(page)}{self.flaw(page)}"
        if self.hidden:
            return f"{said}; the SDK sets it."
        if sent is not NO_DEFAULT and sent != page:
            return f"{said}; {_shown(sent)} is sent."
        if page is NO_DEFAULT:
            return ""
        if self.required:
            return f"{said}; here it is required."
        if self.default_is_unsendable:
            return f"{said}; nothing is sent unless it is given."
        return f"Default {_shown(page)}."

    def flaw(self, value: object) -> str:
        """Why a value can't be sent, as the end of a sentence about it."""
        expected, types = WHAT_IS_SENT[self.kind]
        if not isinstance(value, types) or isinstance(value, bool) != (self.kind == "boolean"):
            return f", which is no {expected}"
        if isinstance(value, int | float):
            if self.minimum is not None and value < self.minimum:
                return ", below its own minimum"
            if self.maximum is not None and value > self.maximum:
                return ", above its own maximum"
            if self.multiple_of is not None and value % self.multiple_of:
                return f", no multiple of {self.multiple_of}"
        return ""

    def _known_values(self) -> str:
        listed = ", ".join(_shown(value) for value in self.known_values)
        return listed and f"Known values: {listed}; any other is sent as it is."


def _sentence(text: str) -> str:
    return text and f"{text[0].upper()}{text[1:]}{'' if text[-1] in '.!?' else '.'}"


def _shown(value: object) -> str:
    match value:
        case "":
            return "an empty text"
        case str():
            return f"`{value}`"
        case Random():
            return f"a number from {value.low} to {value.high}, drawn anew for each call,"
        case _:
            return str(value)


@dataclass(frozen=True)
class Endpoint:
    """One operation, as the SDK sees it."""

    operation: Operation
    model: str
    parameters: tuple[Parameter, ...]

    @property
    def shown(self) -> tuple[Parameter, ...]:
        return tuple(parameter for parameter in self.parameters if not parameter.hidden)

    @property
    def tag(self) -> str:
        """The package of `api` that the generator puts it in."""
        return cast("str", self.operation.spec.get("tags", ["default"])[0])

    @property
    def facts(self) -> dict[str, object]:
        """The fields of the generated `Operation`, parameters aside."""
        spec = self.operation.spec
        return {
            "operation_id": self.operation.id,
            "slug": self.operation.slug,
            "path": self.operation.path,
            "page": spec["x-source"]["page"],
            "summary": _one_line(spec.get("summary", "")),
            "doc": _one_line(spec.get("description", "")),
            **({"deprecated": True} if spec.get("deprecated") else {}),
        }


def endpoints(layers: Layers) -> Iterator[Endpoint]:
    """The documented operations with what the observed layer and the SDK's policy add to their parameters.

    Raises:
        ContractError: A property can't be a parameter (its name is no Python name, its type none of the
            five kinds), or the SDK would send a value that the spec forbids.
    """
    documented = {operation.id for operation in operations(layers.documented)}
    for operation in operations(layers.sdk):
        if operation.id in documented:
            yield _endpoint(layers.sdk, operation)


def _endpoint(document: Document, operation: Operation) -> Endpoint:
    model, schema = request_schema(document, operation)
    required = schema.get("required", [])
    properties: dict[str, Document] = schema.get("properties", {})
    parameters = [
        _parameter(f"{operation.id}: {name}", name, spec, required=name in required)
        for name, spec in properties.items()
    ]
    endpoint = Endpoint(operation, model, tuple(parameters))
    for name in (operation.id, endpoint.tag, model):
        if not name.isidentifier():
            raise ContractError(f"{operation.id}: {name} has to be a Python name.")
    return endpoint


def documented_default(spec: Document) -> object:
    """What a page says is used when nothing is sent; NO_DEFAULT when it says nothing."""
    return spec.get("x-documented-default", spec.get("default", NO_DEFAULT))


def known_values(spec: Document) -> tuple[str, ...]:
    """What a property's closed and open lists and the page's own examples name, each once."""
    lists = [spec, *(option for option in spec.get("anyOf", []))]
    values = [value for listed in lists for value in listed.get("enum", [])]
    return tuple(dict.fromkeys([*spec.get("examples", []), *values]))


def _parameter(where: str, name: str, spec: Document, *, required: bool) -> Parameter:
    if not name.isidentifier() or keyword.iskeyword(name) or name == "extra":
        raise ContractError(f"{where} can't be the name of a keyword argument.")
    kind = "image" if spec.get("x-documented-type") == "image" else spec.get("type")
    if kind not in PYTHON_TYPES:
        raise ContractError(f"{where} has the type {kind}, which is none of {', '.join(PYTHON_TYPES)}.")
    if unknown := {word for word in spec if word.startswith("x-sdk-")} - SDK_WORDS:
        raise ContractError(f"{where} has {', '.join(sorted(unknown))}, which means nothing.")
    match spec:
        case {"x-sdk-default": {"random": [int(low), int(high)]}}:
            sdk_default = Random(low, high)
        case _:
            sdk_default = spec.get("x-sdk-default", NO_DEFAULT)
    filled_in = sdk_default is not NO_DEFAULT or spec.get("x-sdk-hidden", False)
    parameter = Parameter(
        name=name,
        kind=kind,
        required=spec.get("x-sdk-required", required and not filled_in),
        minimum=spec.get("minimum"),
        maximum=spec.get("maximum"),
        multiple_of=spec.get("multipleOf"),
        documented_default=documented_default(spec),
        sdk_default=sdk_default,
        known_values=known_values(spec),
        affects_pricing=spec.get("x-affects-pricing", False),
        counts_images=spec.get("x-sdk-counts-images", False),
        hidden=spec.get("x-sdk-hidden", False),
        sentence=_sentence(_one_line(spec.get("description", ""))),
        default_is_unsendable="x-documented-default" in spec,
    )
    for value in parameter.values_sent:
        if flaw := parameter.flaw(value):
            raise ContractError(f"{where} would be sent as {value!r}{flaw}.")
    return parameter


def _one_line(text: str) -> str:
    return " ".join(text.split())
