"""The contract as the server reads it: for each path, which bodies are valid and what the defaults are.

Every name, bound and default comes from `documented.json` or `observed.json`. An observation that contradicts
a documented value (`x-observed`) counts at grade vendor or client. One of what is required counts at grade
reported too, unless the server is strict about it: nobody was found who was refused. The SDK's own defaults
(`x-sdk-*`) are never read.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, cast

from jsonschema import Draft202012Validator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Profile = Literal["documented", "observed"]
PROFILES: Final[tuple[Profile, ...]] = ("documented", "observed")
COUNTING_GRADES: Final = ("vendor", "client")


class SchemaError(Protocol):
    """What jsonschema tells of one violation."""

    @property
    def validator(self) -> str: ...
    @property
    def validator_value(self) -> Any: ...
    @property
    def absolute_path(self) -> Iterator[str | int]: ...


class _Validator(Protocol):
    def iter_errors(self, instance: object) -> Iterator[SchemaError]: ...


@dataclass(frozen=True, slots=True)
class Operation:
    """One endpoint. `properties` are the request's, in the page's order, as the profile sees them."""

    operation_id: str
    path: str
    required: tuple[str, ...]
    required_by_page: tuple[str, ...]
    properties: Mapping[str, Mapping[str, Any]] = field(repr=False)
    defaults: Mapping[str, Any] = field(repr=False)
    validator: _Validator = field(repr=False)

    @property
    def slug(self) -> str:
        return self.path.rpartition("/")[2]

    def errors(self, body: Mapping[str, Any]) -> list[SchemaError]:
        """List what the schema holds against a body, in the page's order; a missing field is not among it."""
        order = list(self.properties)

        def place(error: SchemaError) -> int:
            name = next(iter(error.absolute_path), None)
            return order.index(name) if name in order else len(order)

        found = (error for error in self.validator.iter_errors(body) if error.validator != "required")
        return sorted(found, key=place)


def operations(
    profile: Profile, document: Mapping[str, Any] | None = None, *, strict_required: bool = False
) -> Mapping[str, Operation]:
    """Return the operations by path; `document` is the bundle to read in place of the packaged one.

    With `strict_required`, what a page requires is required in the profile "observed", too.

    Raises ValueError for a profile that does not exist.
    """
    if profile not in PROFILES:
        raise ValueError(f"There is no profile {profile!r}: it is {' or '.join(PROFILES)}.")
    if document is None:
        return _packaged_operations(profile, strict_required=strict_required)
    return _operations(profile, document, strict_required=strict_required)


@cache
def _packaged_operations(profile: Profile, *, strict_required: bool) -> Mapping[str, Operation]:
    return MappingProxyType(_operations(profile, _packaged(profile), strict_required=strict_required))


def _operations(profile: Profile, document: Any, *, strict_required: bool) -> dict[str, Operation]:
    bundle: Any = document
    if profile == "observed":
        bundle = as_observed(document, strict_required=strict_required)
    return {
        path: _operation(bundle, document, path) for path, item in bundle["paths"].items() if "post" in item
    }


def key_pattern() -> re.Pattern[str]:
    """Return the pattern of a key. The pages don't give one, so it is the observed document's."""
    return re.compile(
        _packaged("observed")["components"]["securitySchemes"]["ApiKey"]["x-observed"]["pattern"]
    )


@cache
def _packaged(profile: Profile) -> Any:
    return json.loads(files("segmind_sd3_api").joinpath(f"{profile}.json").read_text(encoding="utf-8"))


def as_observed(node: Any, *, strict_required: bool = False) -> Any:
    """Return a copy in which each `x-observed` that counts has replaced what stands beside it.

    A value of None takes the documented one away.
    """

    def observed(value: Any) -> Any:
        return as_observed(value, strict_required=strict_required)

    if isinstance(node, list):
        return [observed(each) for each in cast("list[Any]", node)]
    if not isinstance(node, dict):
        return node
    copy: dict[str, Any] = {name: observed(value) for name, value in cast("dict[str, Any]", node).items()}
    seen: dict[str, Any] = copy.pop("x-observed", {})
    grades = (*COUNTING_GRADES, "reported") if "required" in seen and not strict_required else COUNTING_GRADES
    if seen.get("x-grade", COUNTING_GRADES[0]) in grades:
        copy |= seen
    return {name: value for name, value in copy.items() if not (name in seen and value is None)}


def _operation(bundle: Any, document: Any, path: str) -> Operation:
    schema = _body_schema(bundle, path)
    properties: dict[str, dict[str, Any]] = schema.get("properties", {})
    # The schema keeps the bundle's components beside it, so that a reference inside it still resolves.
    validator = Draft202012Validator({**schema, "components": bundle.get("components", {})})
    return Operation(
        operation_id=bundle["paths"][path]["post"]["operationId"],
        path=path,
        required=tuple(schema.get("required", ())),
        required_by_page=tuple(_body_schema(document, path).get("required", ())),
        properties=properties,
        defaults={name: _default(each) for name, each in properties.items() if _has_default(each)},
        validator=cast("_Validator", validator),
    )


def _body_schema(bundle: Any, path: str) -> dict[str, Any]:
    schema: dict[str, Any] = bundle["paths"][path]["post"]["requestBody"]["content"]["application/json"][
        "schema"
    ]
    while "$ref" in schema:
        schema = _at(bundle, schema["$ref"])
    return schema


def _at(bundle: Any, reference: str) -> Any:
    for part in reference.removeprefix("#/").split("/"):
        bundle = bundle[part.replace("~1", "/").replace("~0", "~")]
    return bundle


def _has_default(schema: Mapping[str, Any]) -> bool:
    """Return whether an omitted parameter means anything. A page prints 1 where there is no default, too."""
    return "default" in schema or schema.get("x-documented-default", 1) != 1


def _default(schema: Mapping[str, Any]) -> Any:
    """Return what an omitted parameter means. A text means a text, though the page says `None`."""
    value = schema["default"] if "default" in schema else schema["x-documented-default"]
    return str(value) if schema.get("type") == "string" else value
