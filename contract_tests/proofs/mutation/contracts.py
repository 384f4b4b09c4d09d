"""List single edits of a contract: of the server's contract, or of the specs that the suite reads.

Edits are derived from the contract, so a new parameter gets its mutants automatically. An edit changes a
bundle in place, and applies to the documented and to the observed bundle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

FLOAT_STEP: Final = 0.01
BOUNDS: Final[Mapping[str, str]] = {"minimum": "min", "maximum": "max"}

OTHER_VALUES: Final[Mapping[str, str]] = {"jpeg": "png", "custom": "2:3"}
"""Another valid value for texts that have few valid values."""

FALLBACKS: Final = ("samples", "batch_size", "image_format", "output_format", "image_quality")
"""Parameters for which the reference server has the same default as the contract."""

LOOSER: Final[Mapping[str, tuple[str, ...]]] = {
    "integer": ("number", "boolean", "string"),
    "number": ("boolean", "string"),
    "string": ("number",),
    "boolean": ("integer", "string"),
}
"""For each type, the additional types that a laxer server would accept."""

REACHABLE_STATUSES: Final = ("200", "401", "404", "405", "406")
"""The statuses that the suite can make a correct server send."""


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
    """Return the operation of an endpoint in a bundle."""
    posts = (item["post"] for item in bundle["paths"].values() if "post" in item)
    return next(each for each in posts if each["operationId"] == operation)


def schema(bundle: Any, operation: str) -> Any:
    """Return the schema of an endpoint's body in a bundle."""
    return resolve(bundle, post(bundle, operation)["requestBody"]["content"]["application/json"]["schema"])


def resolve(bundle: Any, node: Any) -> Any:
    while "$ref" in node:
        node, reference = bundle, node["$ref"]
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
    return node


# -- Parameters -------------------------------------------------------------------------------------------


def server_edits(documented: Any) -> Iterator[Edit]:
    """List the edits of the server's contract."""
    for operation in operations(documented):
        body = schema(documented, operation)
        for name, node in body["properties"].items():
            looser = (*removed_bounds(node), *removed_defaults(name, node), *added_types(node))
            for label, fields in (*bounds(node), *types(node), *defaults(node), *looser):
                yield _parameter_edit(operation, name, label, fields)
            for value in _listed_values(node):
                yield _parameter_edit(operation, name, f"refuses:{value}", {"not": {"const": value}})
            yield _requirement_edit(operation, name, required=name not in body["required"])
            yield Edit(operation, name, "not-known", _remove_parameter(operation, name))


def spec_edits(documented: Any) -> Iterator[Edit]:
    """List the edits of the specs that the suite reads."""
    for operation in operations(documented):
        body = schema(documented, operation)
        for name, node in body["properties"].items():
            for label, fields in (*bounds(node), *types(node), *defaults(node)):
                yield _parameter_edit(operation, name, label, fields)
            if node.get("x-documented-type") == "enum:str":
                yield _parameter_edit(
                    operation, name, "closed", {"enum": _listed_values(node), "anyOf": None}
                )
            yield _requirement_edit(operation, name, required=name not in body["required"])
        yield from replies(operation)
    yield from _balance_edits()


def bounds(node: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Move each bound by a step either way, and change each multiple."""
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


def removed_bounds(node: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Remove each bound, or make it exclusive.

    Not for the specs: a page without a bound promises nothing that a server could break.
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
    # The observed bundle describes a text in `anyOf`.
    yield "type-any", {"type": None, "anyOf": None}


def added_types(node: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    kind = node["type"]
    for other in LOOSER[kind]:
        if (kind, other) != ("integer", "number"):
            yield f"type-or-{other}", {"type": [kind, other]}


def defaults(node: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for word in ("default", "x-documented-default"):
        # A printed 1 may stand for none: any other value would make a claim of it.
        if word in node and (word, node[word]) != ("x-documented-default", 1):
            yield f"{word}-changed", {word: _other_value(node, node[word])}


def removed_defaults(name: str, node: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    if "default" in node and name not in FALLBACKS:
        yield "default-removed", {"default": None}


def _other_value(node: Mapping[str, Any], value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return OTHER_VALUES.get(value, f"{value} too")
    step = _step(node)
    inside = value + step <= node.get("maximum", value + step)
    return round(value + step if inside else value - step, 2)


def _listed_values(node: Mapping[str, Any]) -> list[str]:
    """List the values of a text on the page: its examples and its default."""
    if node["type"] != "string":
        return []
    return list(dict.fromkeys([*node.get("examples", ()), *([node["default"]] if "default" in node else [])]))


def _parameter_edit(operation: str, name: str, label: str, fields: Mapping[str, Any]) -> Edit:
    """Return an edit that sets fields of a parameter, and removes those that are None."""

    def change(bundle: Any) -> None:
        node = schema(bundle, operation)["properties"][name]
        node |= fields
        for field in [field for field, value in fields.items() if value is None]:
            del node[field]

    return Edit(operation, name, label, change)


def _requirement_edit(operation: str, name: str, *, required: bool) -> Edit:
    def change(bundle: Any) -> None:
        names = schema(bundle, operation)["required"]
        names.append(name) if required else names.remove(name)

    return Edit(operation, name, "required-added" if required else "required-removed", change)


def _remove_parameter(operation: str, name: str) -> Callable[[Any], None]:
    def change(bundle: Any) -> None:
        body = schema(bundle, operation)
        del body["properties"][name]
        body["required"] = [each for each in body["required"] if each != name]

    return change


# -- Replies ----------------------------------------------------------------------------------------------


def replies(operation: str) -> Iterator[Edit]:
    """List the edits of an endpoint's promised replies."""
    for status in REACHABLE_STATUSES:
        for label, change in _REPLY_CHANGES.items():
            yield Edit(operation, "(replies)", f"{status}-{label}", _edit_reply(operation, status, change))
    yield Edit(
        operation, "(call)", "200-another-picture", _edit_reply(operation, "200", _change_picture_type)
    )
    yield Edit(operation, "(call)", "path", _change_path(operation))


def _edit_reply(operation: str, status: str, change: Callable[[Any], None] | None) -> Callable[[Any], None]:
    def edit(bundle: Any) -> None:
        promised = post(bundle, operation)["responses"]
        if change is None:
            del promised[status]
            return
        # Edit a copy, because other endpoints share the referenced component.
        promised[status] = own = dict(resolve(bundle, promised[status]))
        change(own)

    return edit


def _add_header(reply: Any) -> None:
    added = {"required": True, "schema": {"type": "string"}}
    reply["headers"] = {**reply["headers"], "x-promised-too": added}


def _change_header_type(reply: Any) -> None:
    header = {"required": True, "schema": {"type": "integer"}}
    reply["headers"] = {**reply["headers"], "x-remaining-credits": header}


def _change_media_type(reply: Any) -> None:
    reply["content"] = {"text/csv": {}}


def _change_picture_type(reply: Any) -> None:
    others = {name: each for name, each in reply.get("content", {}).items() if not name.startswith("image/")}
    reply["content"] = {**others, "image/gif": {}}


_REPLY_CHANGES: Final[Mapping[str, Callable[[Any], None] | None]] = {
    "removed": None,
    "header-added": _add_header,
    "header-integer": _change_header_type,
    "media-type": _change_media_type,
}


def _change_path(operation: str) -> Callable[[Any], None]:
    def change(bundle: Any) -> None:
        paths = bundle["paths"]
        (path,) = (
            path for path, item in paths.items() if item.get("post", {}).get("operationId") == operation
        )
        paths[f"{path}-2"] = paths.pop(path)

    return change


def _balance_edits() -> Iterator[Edit]:
    """List the edits of the promised balance reply, which only the observed bundle has."""
    operation = "get_user_credits"

    def edit(label: str, change: Callable[[Any], None]) -> Edit:
        def with_balance(bundle: Any) -> None:
            if item := bundle["paths"].get("/v1/get-user-credits"):
                change(item["get"]["responses"])

        return Edit(operation, "(call)", label, with_balance)

    def reply_schema(promised: Any) -> Any:
        return promised["200"]["content"]["application/json"]["schema"]

    yield edit("200-removed", lambda promised: promised.pop("200"))
    yield edit("200-member-added", lambda promised: reply_schema(promised)["required"].append("debts"))
    yield edit(
        "200-credits-text",
        lambda promised: reply_schema(promised)["properties"].update(credits={"type": "string"}),
    )
    yield edit("200-media-type", lambda promised: promised["200"].update(content={"text/csv": {}}))
