"""The contract as the server reads it: for each path, which bodies are valid and what the defaults are.

Every name, bound and default comes from `documented.json` or `observed.json`. An observation that contradicts
a documented value (`x-observed`) counts at grade vendor or client alone. The SDK's own defaults (`x-sdk-*`)
are never read.
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


def operations(profile: Profile, document: Mapping[str, Any] | None = None) -> Mapping[str, Operation]:
    """Return the operations by path; `document` is the bundle to read in place of the packaged one.

    Raises ValueError for a profile that does not exist.
    """
    if profile not in PROFILES:
        raise ValueError(f"There is no profile {profile!r}: it is {' or '.join(PROFILES)}.")
    return _packaged_operations(profile) if document is None else _operations(profile, document)


@cache
def _packaged_operations(profile: Profile) -> Mapping[str, Operation]:
    return MappingProxyType(_operations(profile, _packaged(profile)))


def _operations(profile: Profile, document: Any) -> dict[str, Operation]:
    bundle: Any = as_observed(document) if profile == "observed" else document
    return {
        path: _operation(bundle, path, item["post"])
        for path, item in bundle["paths"].items()
        if "post" in item
    }


def key_pattern() -> re.Pattern[str]:
    """Return the pattern of a key. The pages don't give one, so it is the observed document's."""
    return re.compile(
        _packaged("observed")["components"]["securitySchemes"]["ApiKey"]["x-observed"]["pattern"]
    )


@cache
def _packaged(profile: Profile) -> Any:
    return json.loads(files("segmind_sd3_api").joinpath(f"{profile}.json").read_text(encoding="utf-8"))


def as_observed(node: Any) -> Any:
    """Return a copy in which each `x-observed` that counts has replaced what stands beside it.

    A value of None takes the documented one away.
    """
    if isinstance(node, list):
        return [as_observed(each) for each in cast("list[Any]", node)]
    if not isinstance(node, dict):
        return node
    copy: dict[str, Any] = {name: as_observed(value) for name, value in cast("dict[str, Any]", node).items()}
    seen: dict[str, Any] = copy.pop("x-observed", {})
    if seen.get("x-grade", COUNTING_GRADES[0]) in COUNTING_GRADES:
        copy |= seen
    return {name: value for name, value in copy.items() if not (name in seen and value is None)}


def _operation(bundle: Any, path: str, post: Any) -> Operation:
    schema: dict[str, Any] = post["requestBody"]["content"]["application/json"]["schema"]
    while "$ref" in schema:
        schema = _at(bundle, schema["$ref"])
    properties: dict[str, dict[str, Any]] = schema.get("properties", {})
    # The schema keeps the bundle's components beside it, so that a reference inside it still resolves.
    validator = Draft202012Validator({**schema, "components": bundle.get("components", {})})
    return Operation(
        operation_id=post["operationId"],
        path=path,
        required=tuple(schema.get("required", ())),
        properties=properties,
        defaults={name: _default(each) for name, each in properties.items() if _has_default(each)},
        validator=cast("_Validator", validator),
    )


def _at(bundle: Any, reference: str) -> Any:
    for part in reference.removeprefix("#/").split("/"):
        bundle = bundle[part.replace("~1", "/").replace("~0", "~")]
    return bundle


def _has_default(schema: Mapping[str, Any]) -> bool:
    return "default" in schema or "x-documented-default" in schema


def _default(schema: Mapping[str, Any]) -> Any:
    """Return what an omitted parameter means. A text means a text, though the page says `1` or `None`."""
    value = schema["default"] if "default" in schema else schema["x-documented-default"]
    return str(value) if schema.get("type") == "string" else value
