"""Split a bundle into nodes: the service, servers, endpoints, parameters, statuses, headers, media types.

The nodes contain everything that the bundle states about an endpoint, except the day on which its page was
saved. A statement that is no node is a clause of the node around it, or a part of the node's schema.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from segmind_sd3_pipeline.changes.schemas import CLAUSE_NAMES, as_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Bundle = dict[str, Any]
Key = tuple[str, ...]
Nodes = dict[Key, "Node"]

METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
JSON: Final = "application/json"

Kind = Literal["service", "server", "variable", "endpoint", "parameter", "status", "header", "content"]


@dataclass(frozen=True, slots=True)
class Node:
    """A part of the contract that can be added or removed as a whole.

    Attributes:
        clauses: What it states, without clauses that have no value.
        schema: The schema of its values, if it has any.
        is_reply: Whether clients read it, instead of writing it.
    """

    kind: Kind
    endpoint: str
    clauses: Mapping[str, Any]
    schema: Any = None
    is_reply: bool = False


def split_bundles(*bundles: Bundle) -> Iterator[Nodes]:
    """Split bundles. The key of a node begins with the key of the node around it.

    An endpoint may have servers or a key of its own, in place of the service's. If it has in one of the
    bundles, those that apply to it are stated in all.
    """
    whole = [_normalize_numbers(_resolve(each, each)) for each in bundles]
    own = {
        (word, name)
        for bundle in whole
        for _, name, spec in _endpoints(bundle)
        for word in ("servers", "security")
        if word in spec
    }
    for bundle in whole:
        yield dict(_split(bundle, own))


def _endpoints(bundle: Bundle) -> Iterator[tuple[str, str, Bundle]]:
    """Yield the address, the name and the specification of each endpoint."""
    for path, item in bundle["paths"].items():
        inherited = {word: item[word] for word in ("servers", "parameters") if word in item}
        around = {f"path {word}": item[word] for word in item.keys() - {*METHODS, *inherited}}
        for method in item.keys() & METHODS:
            spec = {**around, **inherited, **item[method]}
            each = [*item.get("parameters", []), *item[method].get("parameters", [])]
            address = f"{method.upper()} {path}"
            yield address, spec.get("operationId", address), {**spec, "parameters": each}


def _split(bundle: Bundle, own: set[tuple[str, str]]) -> Iterator[tuple[Key, Node]]:
    schemes = bundle.get("components", {}).get("securitySchemes", {})
    shared = {word: bundle.get(word) for word in ("servers", "security")}
    rest = {
        word: value for word, value in bundle.items() if word not in ("paths", "components", "info", *shared)
    }
    info = {f"info {word}": value for word, value in bundle.get("info", {}).items()}
    yield ("",), Node("service", "", _clauses({**rest, **info, **_key_clauses(shared["security"], schemes)}))
    yield from _servers(("",), "", shared["servers"])
    for address, name, spec in _endpoints(bundle):
        applied = {word: spec.pop(word, value) for word, value in shared.items()}
        key = _key_clauses(applied["security"], schemes) if ("security", name) in own else {}
        yield from _endpoint(address, name, spec, key)
        if ("servers", name) in own:
            yield from _servers((address,), name, applied["servers"])


def _servers(around: Key, name: str, servers: list[Bundle] | None) -> Iterator[tuple[Key, Node]]:
    for server in servers or [{"url": "/"}]:
        key = (*around, f"server {server['url'].rstrip('/') or '/'}")
        clauses = {word: value for word, value in server.items() if word not in ("url", "variables")}
        yield key, Node("server", name, _clauses(clauses))
        for variable, spec in server.get("variables", {}).items():
            yield (*key, f"variable {variable}"), Node("variable", name, _clauses(spec))


WIRE_WORDS: Final = ("type", "in", "name", "scheme", "flows", "openIdConnectUrl", "oauth2MetadataUrl")
"""What a security scheme states about requests."""


def _key_clauses(security: list[Bundle] | None, schemes: Bundle) -> Bundle:
    """Return the clauses about the key: the alternatives, each a list of schemes, and what else is stated.

    The names of the schemes are not on the wire.
    """
    used = {name: schemes[name] for each in security or [] for name in each if name in schemes}
    alternatives = [
        sorted(
            (
                {**_on_the_wire(used.get(name, {"type": name})), "scopes": sorted(scopes)}
                for name, scopes in each.items()
            ),
            key=as_json,
        )
        for each in security or [{}]
    ]
    beside: Bundle = {}
    for scheme in sorted(used.values(), key=lambda each: as_json(_on_the_wire(each))):
        for word in scheme.keys() - set(WIRE_WORDS):
            beside.setdefault(f"key {word}", []).append(scheme[word])
    return {"key": sorted(alternatives, key=as_json), **beside}


def _on_the_wire(scheme: Bundle) -> Bundle:
    found = {word: scheme[word] for word in WIRE_WORDS if word in scheme}
    lower = ("scheme", "name") if found.get("in") == "header" else ("scheme",)
    return found | {word: found[word].lower() for word in lower if word in found}


def _endpoint(address: str, name: str, spec: Bundle, key: Bundle) -> Iterator[tuple[Key, Node]]:
    source = {f"x-page {word}": value for word, value in spec.pop("x-source", {}).items() if word != "saved"}
    body, replies = dict(spec.pop("requestBody", {})), spec.pop("responses", {})
    contents = body.pop("content", {})
    parameters = spec.pop("parameters")
    more = {"address": address, **source, **{f"body {word}": value or None for word, value in body.items()}}
    yield (address,), Node("endpoint", name, _clauses({**spec, **more, **key}))
    for each in parameters:
        yield _parameter(address, name, dict(each))
    for media_type, content in contents.items():
        yield from _request(address, name, media_type.lower(), content)
    for status, reply in replies.items():
        yield from _reply((address, f"status {status}"), name, dict(reply))


def _parameter(address: str, name: str, spec: Bundle) -> tuple[Key, Node]:
    """Return a parameter of the query, the path, a header or a cookie, with the usual style stated."""
    place, title = spec.pop("in"), spec.pop("name")
    style = spec.setdefault("style", "form" if place in ("query", "cookie") else "simple")
    spec.setdefault("explode", style == "form")
    schema = spec.pop("schema", None)
    marks = {"required": spec.get("required", False), "allowReserved": spec.get("allowReserved") or None}
    title = title.lower() if place == "header" else title
    return (address, f"{place} {title}"), Node("parameter", name, _clauses({**spec, **marks}), schema)


def _request(address: str, name: str, media_type: str, content: Bundle) -> Iterator[tuple[Key, Node]]:
    """Yield a media type of a request. The properties of a JSON object are parameters."""
    schema = content.get("schema")
    more = {word: value for word, value in content.items() if word != "schema"}
    key = (address, f"request {media_type}")
    if media_type != JSON or not _has_parameters(schema):
        yield key, Node("content", name, _clauses(more), schema)
        return
    rest: Bundle = dict(cast("Bundle", schema))
    sample: Bundle = dict(rest.pop("x-documented-sample", {}))
    values: Bundle = dict(sample.pop("values", {}))
    required, properties = rest.pop("required", []), rest.pop("properties", {})
    for each in {**properties, **dict.fromkeys(required)}:
        clauses = {"required": each in required, "sample": values.pop(each, None)}
        yield (address, each), Node("parameter", name, _clauses(clauses), properties.get(each))
    left = sample | ({"values": values} if values else {})
    yield key, Node("content", name, _clauses({**more, "sample": left or None}), rest)


def _has_parameters(schema: Any) -> bool:
    """Return whether properties may be added freely, so that each is a parameter on its own."""
    return (
        isinstance(schema, dict)
        and not isinstance(cast("Bundle", schema).get("additionalProperties"), dict)
        and not {"patternProperties", "unevaluatedProperties"} & cast("Bundle", schema).keys()
    )


def _reply(key: Key, name: str, reply: Bundle) -> Iterator[tuple[Key, Node]]:
    headers, contents = reply.pop("headers", {}), reply.pop("content", {})
    yield key, Node("status", name, _clauses(reply), is_reply=True)
    for header, spec in headers.items():
        clauses = {**spec, "required": spec.get("required") or None}
        yield (*key, f"header {header.lower()}"), _of_reply("header", name, clauses)
    for media_type, spec in contents.items():
        yield (*key, f"content {media_type.lower()}"), _of_reply("content", name, dict(spec))


def _of_reply(kind: Kind, name: str, spec: Bundle) -> Node:
    schema = spec.pop("schema", None)
    return Node(kind, name, _clauses(spec), schema, is_reply=True)


def _clauses(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {
        CLAUSE_NAMES.get(name, name): value
        for name, value in spec.items()
        if value is not None and (name, value) != ("deprecated", False)
    }


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
