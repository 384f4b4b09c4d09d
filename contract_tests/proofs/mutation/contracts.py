"""One change at a time in a contract: in what the server obeys, or in what the suite reads.

Law: every change is made from the contract itself, so that a new parameter has its mutants by itself.
A change edits a bundle in place, and the same edit fits the documented bundle and the observed one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

FLOAT_STEP: Final = 0.01
BOUNDS: Final[Mapping[str, str]] = {"minimum": "min", "maximum": "max"}

ANOTHER: Final[Mapping[str, str]] = {"jpeg": "png", "custom": "2:3"}
"""Another value of a text that must be one of a few to mean anything."""

FALLBACKS: Final = ("samples", "batch_size", "image_format", "output_format", "image_quality")
"""Parameters that the reference server takes to be the same where the contract names no default."""

LOOSER: Final[Mapping[str, tuple[str, ...]]] = {
    "integer": ("number", "boolean", "string"),
    "number": ("boolean", "string"),
    "string": ("number",),
    "boolean": ("integer", "string"),
}
"""For each type, the types that a laxer server would take as well."""

ASKED_FOR: Final = ("200", "401", "404", "405", "406")
"""The statuses that a server which obeys the pages answers with: no call makes it send another."""


@dataclass(frozen=True)
class Edit:
    """One change. `change` edits a bundle in place."""

    operation: str
    group: str
    label: str
    change: Callable[[Any], None]

    @property
    def name(self) -> str:
        return f"{self.operation}::{self.group}::{self.label}"


def operations(bundle: Any) -> Iterator[str]:
    return (item["post"]["operationId"] for item in bundle["paths"].values() if "post" in item)


def post(bundle: Any, operation: str) -> Any:
    """Give what a bundle says of an endpoint."""
    posts = (item["post"] for item in bundle["paths"].values() if "post" in item)
    return next(each for each in posts if each["operationId"] == operation)


def schema(bundle: Any, operation: str) -> Any:
    """Give the schema of an endpoint's body, where it stands in a bundle."""
    return followed(bundle, post(bundle, operation)["requestBody"]["content"]["application/json"]["schema"])


def followed(bundle: Any, node: Any) -> Any:
    while "$ref" in node:
        node, reference = bundle, node["$ref"]
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
    return node


# -- Parameters -------------------------------------------------------------------------------------------


def of_the_server(documented: Any) -> Iterator[Edit]:
    """List the changes of the contract that the server obeys."""
    for operation in operations(documented):
        body = schema(documented, operation)
        for name, node in body["properties"].items():
            looser = (*bounds_away(node), *defaults_away(name, node), *types_beside(node))
            for label, fields in (*bounds(node), *types(node), *defaults(node), *looser):
                yield _of_a_parameter(operation, name, label, fields)
            for value in _named(node):
                yield _of_a_parameter(operation, name, f"refuses:{value}", {"not": {"const": value}})
            yield _requirement(operation, name, required=name not in body["required"])
            yield Edit(operation, name, "not-known", _without(operation, name))


def of_the_specs(documented: Any) -> Iterator[Edit]:
    """List the changes of the specs that the suite reads."""
    for operation in operations(documented):
        body = schema(documented, operation)
        for name, node in body["properties"].items():
            for label, fields in (*bounds(node), *types(node), *defaults(node)):
                yield _of_a_parameter(operation, name, label, fields)
            if node.get("x-documented-type") == "enum:str":
                yield _of_a_parameter(operation, name, "closed", {"enum": _named(node), "anyOf": None})
            yield _requirement(operation, name, required=name not in body["required"])
        yield from replies(operation)
    yield from _of_the_balance()


def bounds(node: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Move each bound by a step either way; change what a value is a multiple of."""
    for word, short in BOUNDS.items():
        if word in node:
            yield f"{short}-1", {word: round(node[word] - _step(node), 2)}
            yield f"{short}+1", {word: round(node[word] + _step(node), 2)}
    if multiple := node.get("multipleOf"):
        yield "multiple-halved", {"multipleOf": multiple // 2}
        yield "multiple+1", {"multipleOf": multiple + 1}
        yield "multiple-removed", {"multipleOf": None}
    elif node["type"] == "integer":
        yield "multiple-added", {"multipleOf": 2}


def bounds_away(node: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Take each bound away, or shut it.

    Not in the specs: a page that names no bound, or no default, promises nothing that could be broken.
    """
    for word, short in BOUNDS.items():
        if word in node:
            yield f"{short}-removed", {word: None}
            if node["type"] == "number":
                yield f"{short}-exclusive", {word: None, f"exclusive{word.title()}": node[word]}


def _step(node: Mapping[str, Any]) -> float:
    return node.get("multipleOf") or (1 if node["type"] == "integer" else FLOAT_STEP)


def types(node: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    kind = node["type"]
    if other := {"integer": "number", "number": "integer"}.get(kind):
        yield f"type-{other}", {"type": other}
    # What the observations say of a text, they say in `anyOf`.
    yield "type-any", {"type": None, "anyOf": None}


def types_beside(node: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    kind = node["type"]
    for other in LOOSER[kind]:
        if (kind, other) != ("integer", "number"):
            yield f"type-or-{other}", {"type": [kind, other]}


def defaults(node: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for word in ("default", "x-documented-default"):
        if word in node:
            yield f"{word}-changed", {word: _another(node, node[word])}


def defaults_away(name: str, node: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    if "default" in node and name not in FALLBACKS:
        yield "default-removed", {"default": None}


def _another(node: Mapping[str, Any], value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return ANOTHER.get(value, f"{value} too")
    step = _step(node)
    inside = value + step <= node.get("maximum", value + step)
    return round(value + step if inside else value - step, 2)


def _named(node: Mapping[str, Any]) -> list[str]:
    """List the texts that a page names: its examples, and a default."""
    if node["type"] != "string":
        return []
    return list(dict.fromkeys([*node.get("examples", ()), *([node["default"]] if "default" in node else [])]))


def _of_a_parameter(operation: str, name: str, label: str, fields: Mapping[str, Any]) -> Edit:
    """Set some fields of a parameter; those of None are taken away."""

    def change(bundle: Any) -> None:
        node = schema(bundle, operation)["properties"][name]
        node |= fields
        for field in [field for field, value in fields.items() if value is None]:
            del node[field]

    return Edit(operation, name, label, change)


def _requirement(operation: str, name: str, *, required: bool) -> Edit:
    def change(bundle: Any) -> None:
        names = schema(bundle, operation)["required"]
        names.append(name) if required else names.remove(name)

    return Edit(operation, name, "required-added" if required else "required-removed", change)


def _without(operation: str, name: str) -> Callable[[Any], None]:
    def change(bundle: Any) -> None:
        body = schema(bundle, operation)
        del body["properties"][name]
        body["required"] = [each for each in body["required"] if each != name]

    return change


# -- Replies ----------------------------------------------------------------------------------------------


def replies(operation: str) -> Iterator[Edit]:
    """List the changes of what is promised of an endpoint's replies."""
    for status in ASKED_FOR:
        for label, change in _CHANGES_OF_A_REPLY.items():
            yield Edit(operation, "(replies)", f"{status}-{label}", _of_a_reply(operation, status, change))
    yield Edit(operation, "(call)", "200-another-picture", _of_a_reply(operation, "200", _another_picture))
    yield Edit(operation, "(call)", "path", _another_path(operation))


def _of_a_reply(operation: str, status: str, change: Callable[[Any], None] | None) -> Callable[[Any], None]:
    def edit(bundle: Any) -> None:
        promised = post(bundle, operation)["responses"]
        if change is None:
            del promised[status]
            return
        # A copy of its own: the other endpoints share what stands under its reference.
        promised[status] = own = dict(followed(bundle, promised[status]))
        change(own)

    return edit


def _header_added(reply: Any) -> None:
    added = {"required": True, "schema": {"type": "string"}}
    reply["headers"] = {**reply["headers"], "x-promised-too": added}


def _header_of_another_type(reply: Any) -> None:
    named = {"required": True, "schema": {"type": "integer"}}
    reply["headers"] = {**reply["headers"], "x-remaining-credits": named}


def _another_media_type(reply: Any) -> None:
    reply["content"] = {"text/csv": {}}


def _another_picture(reply: Any) -> None:
    kept = {name: each for name, each in reply.get("content", {}).items() if not name.startswith("image/")}
    reply["content"] = {**kept, "image/gif": {}}


_CHANGES_OF_A_REPLY: Final[Mapping[str, Callable[[Any], None] | None]] = {
    "removed": None,
    "header-added": _header_added,
    "header-integer": _header_of_another_type,
    "media-type": _another_media_type,
}


def _another_path(operation: str) -> Callable[[Any], None]:
    def change(bundle: Any) -> None:
        paths = bundle["paths"]
        (path,) = (
            path for path, item in paths.items() if item.get("post", {}).get("operationId") == operation
        )
        paths[f"{path}-2"] = paths.pop(path)

    return change


def _of_the_balance() -> Iterator[Edit]:
    """List the changes of what is promised of the balance, which no page but the observations have."""
    operation = "get_user_credits"

    def edit(label: str, change: Callable[[Any], None]) -> Edit:
        def with_balance(bundle: Any) -> None:
            if asked := bundle["paths"].get("/v1/get-user-credits"):
                change(asked["get"]["responses"])

        return Edit(operation, "(call)", label, with_balance)

    def told(promised: Any) -> Any:
        return promised["200"]["content"]["application/json"]["schema"]

    yield edit("200-removed", lambda promised: promised.pop("200"))
    yield edit("200-member-added", lambda promised: told(promised)["required"].append("debts"))
    yield edit(
        "200-credits-text", lambda promised: told(promised)["properties"].update(credits={"type": "string"})
    )
    yield edit("200-media-type", lambda promised: promised["200"].update(content={"text/csv": {}}))
