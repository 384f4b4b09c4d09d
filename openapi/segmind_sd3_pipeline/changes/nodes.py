"""Split a bundle into nodes: the service, endpoints, parameters, statuses, headers, media types.

The nodes contain everything that the bundle states about an endpoint, except the day on which its page was
saved. A statement that is no node is a clause of the node around it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Bundle = dict[str, Any]
Key = tuple[str, ...]

METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")

Kind = Literal["service", "endpoint", "parameter", "status", "header", "content"]


@dataclass(frozen=True, slots=True)
class Node:
    """A part of the contract that can be added or removed as a whole. Clauses without a value are omitted."""

    kind: Kind
    endpoint: str
    clauses: Mapping[str, Any]


CLAUSE_NAMES: Final = {
    "multipleOf": "multiple of",
    "enum": "allowed values",
    "x-documented-default": "default",
    "x-documented-name": "name",
    "x-documented-type": "the page's type",
    "x-affects-pricing": "affects the price",
}
"""Clause names that differ from the document's. Both spellings of a default are one clause."""


def split_bundle(bundle: Bundle) -> dict[Key, Node]:
    """Split a bundle. The key of a node begins with the key of the node around it."""
    whole = _normalize_numbers(
        _resolve(bundle, {key: value for key, value in bundle.items() if key != "components"})
    )
    shared = {key: value for key, value in whole.items() if key not in ("paths", "security")}
    schemes = _normalize_numbers(bundle.get("components", {}).get("securitySchemes", {}))
    keys = [{name: schemes.get(name) for name in each} for each in whole.get("security", [])]
    found: dict[Key, Node] = {(): Node("service", "", _clauses({**shared, "key": keys}))}
    for path, item in whole["paths"].items():
        around = {name: value for name, value in item.items() if name not in METHODS}
        for method in item.keys() & METHODS:
            found |= _endpoint(f"{method.upper()} {path}", {**around, **item[method]})
    return found


def _endpoint(address: str, spec: Bundle) -> Iterator[tuple[Key, Node]]:
    name = spec["operationId"]
    source = {f"x-page {key}": value for key, value in spec.pop("x-source", {}).items() if key != "saved"}
    body, replies = spec.pop("requestBody", {}), spec.pop("responses", {})
    parameters: dict[Key, Node] = {}
    kinds: dict[Key, Node] = {}
    for media_type, content in body.pop("content", {}).items():
        schema = content.pop("schema", {})
        sample = schema.pop("x-documented-sample", {})
        values = sample.pop("values", {})
        required, properties = schema.pop("required", []), schema.pop("properties", {})
        for each in {**properties, **dict.fromkeys(required)}:
            more = {"required": each in required, "sample": values.pop(each, None)}
            parameters[address, each] = Node(
                "parameter", name, _clauses({**properties.get(each, {}), **more})
            )
        kinds[address, f"request {media_type}"] = Node(
            "content", name, _clauses({**content, **schema, "x-sample": sample | values or None})
        )
    more = {"address": address, **source, **{f"body {key}": body[key] for key in body}}
    yield (address,), Node("endpoint", name, _clauses({**spec, **more}))
    yield from parameters.items()
    yield from kinds.items()
    for status, reply in replies.items():
        yield from _reply((address, f"status {status}"), name, reply)


def _reply(key: Key, name: str, reply: Bundle) -> Iterator[tuple[Key, Node]]:
    headers, content = reply.pop("headers", {}), reply.pop("content", {})
    yield key, Node("status", name, _clauses(reply))
    for header, spec in headers.items():
        yield (*key, f"header {header}"), Node("header", name, _clauses(spec))
    for media_type, spec in content.items():
        yield (*key, f"content {media_type}"), Node("content", name, _clauses(spec))


def _clauses(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {CLAUSE_NAMES.get(name, name): value for name, value in spec.items() if value is not None}


def _resolve(bundle: Bundle, node: Any) -> Any:
    """Copy a node with every reference replaced by its component."""
    match node:
        case {"$ref": str(reference), **beside}:
            found: Any = bundle
            for step in reference.removeprefix("#/").split("/"):
                found = found[step]
            return {**_resolve(bundle, found), **_resolve(bundle, beside)}
        case dict():
            return {key: _resolve(bundle, value) for key, value in cast("Bundle", node).items()}
        case list():
            return [_resolve(bundle, value) for value in cast("list[Any]", node)]
        case _:
            return node


def _normalize_numbers(node: Any) -> Any:
    """Replace 5.0 by 5, which JSON Schema treats as equal."""
    match node:
        case dict():
            return {key: _normalize_numbers(value) for key, value in cast("Bundle", node).items()}
        case list():
            return [_normalize_numbers(value) for value in cast("list[Any]", node)]
        case float() if node.is_integer():
            return int(node)
        case _:
            return node
