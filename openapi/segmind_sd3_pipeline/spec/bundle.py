"""Bundle the specs of a folder into one OpenAPI document without references to other files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from segmind_sd3_pipeline.spec.documents import ContractError, Document, read, require_openapi

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
# The sections that are merged. Every other section must be the same in every spec.
MERGED = ("info", "tags", "paths", "components")
INFO = {"title": "Segmind Stable Diffusion 3", "version": "1"}


@dataclass(frozen=True)
class Operation:
    """One method of one path, and its operation object."""

    path: str
    method: str
    spec: Document

    @property
    def id(self) -> str:
        return cast("str", self.spec["operationId"])

    @property
    def slug(self) -> str:
        return self.path.rpartition("/")[2]


def operations(document: Document) -> Iterator[Operation]:
    """Yield every operation of a document, in its order.

    Raises:
        ContractError: An operation has no operationId, or a path item is a `$ref`, which the generator
            would lose.
    """
    for path, item in document.get("paths", {}).items():
        if "$ref" in item:
            raise ContractError(
                f"The path item {path} is a $ref to {item['$ref']}, "
                "which the generator loses: write the path item out."
            )
        for method in METHODS:
            if method in item:
                if not isinstance(item[method].get("operationId"), str):
                    raise ContractError(f"{method.upper()} {path} has no operationId.")
                yield Operation(path, method, item[method])


def request_schema(document: Document, operation: Operation) -> tuple[str, Document]:
    """Return the name and the schema of an operation's JSON body.

    Raises:
        ContractError: There is none, it is not under `components.schemas`, or a property in it is no object.
    """
    match operation.spec:
        case {"requestBody": {"content": {"application/json": {"schema": {"$ref": str(ref)}}}}}:
            name = ref.removeprefix("#/components/schemas/")
        case _:
            name = ""
    schema = document.get("components", {}).get("schemas", {}).get(name)
    if not isinstance(schema, dict):
        raise ContractError(
            f"{operation.id} has no JSON body that refers to an object of components.schemas."
        )
    for each, spec in cast("Document", schema).get("properties", {}).items():
        if not isinstance(spec, dict):
            raise ContractError(f"{operation.id}: {each} is {spec}, and no object with a type: describe it.")
    return name, cast("Document", schema)


def bundle(specs: Iterable[Path]) -> Document:
    """Merge specs into one document with the paths and components of all.

    Each operation gets the `info.x-source` of its spec as `x-source`, since a bundle has only one `info`.

    Raises:
        ContractError: A file is no valid OpenAPI. Two files have a path, an operationId, a tag or a
            component of one name, or differ in what holds for all (servers, security).
    """
    bundled = _Bundle()
    for spec in specs:
        bundled.add(spec)
    if not bundled.paths:
        raise ContractError("There is no spec in the folder.")
    return {
        **bundled.shared,
        "info": INFO,
        "tags": list(bundled.tags.values()),
        "paths": bundled.paths,
        "components": bundled.components,
    }


@dataclass
class _Bundle:
    shared: Document = field(default_factory=dict[str, Any])
    tags: dict[str, Document] = field(default_factory=dict[str, Document])
    paths: Document = field(default_factory=dict[str, Any])
    components: dict[str, Document] = field(default_factory=dict[str, Document])
    _first: Path | None = None
    _files: dict[Path, Document] = field(default_factory=dict["Path", Document])
    _defined_in: dict[tuple[str, str], Path] = field(default_factory=dict[tuple[str, str], "Path"])

    def add(self, spec: Path) -> None:
        document = self._file(spec)
        require_openapi(document, spec.name, refers_outside=True)
        self._share({key: value for key, value in document.items() if key not in MERGED}, spec)
        for tag in document.get("tags", []):
            if self.tags.get(tag["name"]) != tag:
                self._claim("the tag", tag["name"], spec)
                self.tags[tag["name"]] = tag
        for section, named in document.get("components", {}).items():
            for name in named:
                self._take(section, name, spec)
        source = document["info"].get("x-source")
        if not isinstance(source, dict) or not isinstance(cast("Document", source).get("page"), str):
            raise ContractError(
                f"{spec.name} has no info.x-source with a page: "
                "add the address of the docs page and the day it was saved."
            )
        for operation in operations(document):
            self._claim("the operationId", operation.id, spec)
            operation.spec["x-source"] = source
        for path, item in document.get("paths", {}).items():
            self._claim("the path", path, spec)
            self.paths[path] = self._localised(item, spec)

    def _share(self, shared: Document, spec: Path) -> None:
        if self._first is None:
            self._first, self.shared = spec, shared
        for key in shared.keys() | self.shared.keys():
            if shared.get(key) != self.shared.get(key):
                raise ContractError(f"{self._first.name} and {spec.name} differ in {key}.")

    def _file(self, path: Path) -> Document:
        if path not in self._files:
            self._files[path] = read(path)
        return self._files[path]

    def _claim(self, kind: str, name: str, file: Path) -> None:
        if first := self._defined_in.get((kind, name)):
            raise ContractError(
                f"Both {first.name} and {file.name} have {kind} {name}: change it in one of them."
            )
        self._defined_in[kind, name] = file

    def _take(self, section: str, name: str, file: Path) -> None:
        """Copy a component, and all that it refers to, once."""
        component, file = self._found(section, name, file)
        key = (f"components.{section}", name)
        if self._defined_in.get(key) != file:
            self._claim(*key, file)
            self.components.setdefault(section, {})[name] = self._localised(component, file)

    def _found(self, section: str, name: str, file: Path) -> tuple[Document, Path]:
        """Return a component and the file that defines it, which a `$ref` of the component may name."""
        try:
            component = self._file(file)["components"][section][name]
            other, _, pointer = component.get("$ref", "").partition("#")
        except (KeyError, TypeError, AttributeError) as missing:
            raise ContractError(f"{file.name} has no components.{section}.{name}.") from missing
        if other and pointer == f"/components/{section}/{name}":
            return self._found(section, name, _beside(file, other))
        return component, file

    def _localised(self, node: Any, file: Path) -> Any:
        """Copy a node of `file`, with its references made local to the bundle."""
        if isinstance(node, list):
            return [self._localised(item, file) for item in cast("list[Any]", node)]
        if not isinstance(node, dict):
            return node
        members = cast("Document", node)
        if isinstance(ref := members.get("$ref"), str):
            other, _, pointer = ref.partition("#")
            match pointer.split("/"):
                case ["", "components", section, name]:
                    self._take(section, name, _beside(file, other) if other else file)
                    return {**members, "$ref": f"#{pointer}"}
                case _:
                    raise ContractError(f"{file.name} refers to {ref}, which is no component.")
        return {key: self._localised(value, file) for key, value in members.items()}


def _beside(file: Path, other: str) -> Path:
    if "/" in other:
        raise ContractError(f"{file.name} refers to {other}, which is no file beside it.")
    return file.with_name(other)
