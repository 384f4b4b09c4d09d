"""Refuse names that Python, the generated code, the clients, the command line or a file system can't take.

Each is refused before anything is generated, in one sentence: what was given, why it can't be, what to do.
The names that generated modules use for themselves are lists here; tests compare them with the modules.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from segmind_sd3_pipeline.spec.bundle import Operation, operations, request_schema
from segmind_sd3_pipeline.spec.documents import ContractError, Document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from segmind_sd3_pipeline.spec.layers import Layers

CLIENTS: Final = Path(__file__).resolve().parents[3] / "wrapper" / "segmind_sd3" / "_client.py"
LONGEST: Final = 100
"""Characters of a name. Modules, specs and cassettes are named by it, with more before and behind."""

SNAKE_CASE: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
PASCAL_CASE: Final = re.compile(r"[A-Z][a-z]*([A-Z][a-z]*|[0-9])*")
PROPERTY: Final = re.compile(r"[A-Za-z0-9_.-]+")
PATH: Final = re.compile(r"(/[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)+")
DEVICE: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""What Windows takes for a device, whatever its suffix."""

# What an endpoint, a parameter or a schema of the same name would replace in a generated module.
RENAMED: Final = {"self", "true", "false", "datetime"}
"""What the generator renames, besides keywords and builtins."""
IN_METHODS: Final = {"endpoint"}
"""What `_endpoints.py` imports."""
ARGUMENTS: Final = {"self", "extra"}
"""The arguments of every endpoint method."""
IN_ANNOTATIONS: Final = {"Any", "ImageInput", "Literal", "Mapping", "Required", "bool", "float", "int", "str"}
"""What annotations in a `TypedDict` are made of: to type checkers, a key of that name stands for it."""
IN_MODELS: Final = {
    *("additional_keys", "additional_properties", "from_dict", "to_dict"),
    *("cls", "d", "field_dict", "src_dict"),
}
"""The members of a generated model, and the variables of its methods."""
CLASSES: Final = {
    *("Any", "AuthenticatedClient", "BytesIO", "Client", "File", "HTTPStatus", "Mapping", "Response"),
    *("T", "TypeVar", "UNSET", "Unset"),
}
"""What the modules of models and endpoints import or define."""

IS_NO_MODULE: Final = (
    "which can't name a module: allowed are lower-case ASCII words joined by `_`, at most "
    f"{LONGEST} characters, no keyword and no builtin; give it another"
)
BY_EXTRA: Final = "so that callers send it in `extra`"


def named_operations(layers: Layers) -> list[Operation]:
    """Return the documented operations, with what the other layers add to them.

    Raises:
        ContractError: A name can't be taken: a path, an endpoint, a tag, a schema or a parameter.
    """
    documented = {operation.id for operation in operations(layers.documented)}
    named = [operation for operation in operations(layers.sdk) if operation.id in documented]
    for problem in _problems(layers.sdk, named):
        raise ContractError(problem)
    return named


def require_path(path: str, name: str) -> None:
    """Raise unless the parts of an endpoint's path can name files.

    Raises:
        ContractError: They can't.
    """
    slug = path.rpartition("/")[2]
    if not PATH.fullmatch(path) or DEVICE.fullmatch(slug) or len(slug) > LONGEST:
        raise ContractError(
            f"{_short(name)} has the path {_short(path)}, whose end can't name its spec and cassettes: "
            "allowed are ASCII letters, digits and, between them, `.`, `_` and `-`, at most "
            f"{LONGEST}, and no name of a device; correct the path, or leave the endpoint out."
        )


def _problems(document: Document, named: list[Operation]) -> Iterator[str]:
    taken = _taken()
    users: dict[str, str] = {}
    yield from _schema_problems(document.get("components", {}).get("schemas", {}))
    for operation in named:
        require_path(operation.path, operation.id)
        yield from _operation_problems(operation, taken)
        model, schema = request_schema(document, operation)
        if (user := users.setdefault(model, operation.id)) != operation.id:
            yield f"{user} and {operation.id} have one schema, {model}: give each a schema of its own."
        yield from _parameter_problems(operation.id, schema)
    for one, other in _alike((operation.id for operation in named), _squeezed):
        yield f"The operationIds {one} and {other} differ only in `_`: give one of them another word."
    for one, other in _alike((operation.slug for operation in named), str.lower):
        yield f"Two paths end in {one} and {other}, which may name one file: leave one of them out."


def _operation_problems(operation: Operation, taken: dict[str, str]) -> Iterator[str]:
    where = f"{operation.method.upper()} {operation.path}"
    name = operation.id
    other = f"draw_{re.sub('[^a-z0-9]+', '_', name.lower()).strip('_')[:40]}"
    if not _is_module(name):
        yield f"{where} has the operationId {_short(name)}, {IS_NO_MODULE}, such as {other}."
    elif owner := taken.get(name):
        yield f"{where} has the operationId {name}, the name of {owner}: give it another, such as {other}."
    for tag in cast("list[str]", operation.spec.get("tags") or [])[:1]:
        if not _is_module(tag):
            yield f"{where} has the tag {_short(tag)}, {IS_NO_MODULE}, such as images."


def _is_module(name: str) -> bool:
    """Return whether the generator gives a module this name, unchanged."""
    is_renamed = keyword.iskeyword(name) or hasattr(builtins, name) or name in RENAMED
    return bool(SNAKE_CASE.fullmatch(name)) and len(name) <= LONGEST and not is_renamed


def _taken() -> dict[str, str]:
    """Return the names that an endpoint can't have, each with what has it."""
    commands = (
        *entry_points(group="segmind_sd3.commands"),
        *entry_points(group="segmind_sd3.checkout_commands"),
    )
    return {
        **dict.fromkeys(IN_METHODS, "an import of the generated methods"),
        **{point.name.replace("-", "_"): "another command of segmind-sd3" for point in commands},
        **dict.fromkeys(client_members(), "something else that the clients have"),
    }


def client_members() -> set[str]:
    """Return what the SDK's clients have besides endpoints.

    Their source is read, not imported: they import the generated client, which may not be there yet.
    """
    if not CLIENTS.is_file():
        return set()
    classes = [node for node in ast.parse(CLIENTS.read_bytes()).body if isinstance(node, ast.ClassDef)]
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for each in classes for node in each.body if isinstance(node, functions)}


def _schema_problems(schemas: Iterable[str]) -> Iterator[str]:
    for name in schemas:
        is_reserved = keyword.iskeyword(name) or hasattr(builtins, name)
        if not PASCAL_CASE.fullmatch(name) or len(name) > LONGEST or is_reserved:
            yield (
                f"The schema {_short(name)} can't name a class: allowed are ASCII words with a capital each, "
                f"at most {LONGEST} characters, no keyword and no builtin; rename it, such as Sd3Tile."
            )
        elif name in CLASSES or name.lower() in IN_MODELS:
            yield f"The schema {name} has a name that generated modules use: rename it, such as {name}Body."
    for one, other in _alike(schemas, _squeezed):
        yield f"The schemas {one} and {other} differ only in case: rename one of them."


def _parameter_problems(operation: str, schema: Document) -> Iterator[str]:
    properties: dict[str, Document] = schema.get("properties", {})
    for name, spec in properties.items():
        where = f"{operation}: the parameter {_short(name)}"
        if not PROPERTY.fullmatch(name) or len(name) > LONGEST:
            yield (
                f"{where} can't name a cassette: allowed are ASCII letters, digits, `.`, `_` and `-`, "
                f"at most {LONGEST}; leave it out of the spec, {BY_EXTRA}."
            )
        elif _squeezed(name) in map(_squeezed, IN_MODELS):
            yield f"{where} has a name that generated models use: leave it out of the spec, {BY_EXTRA}."
        elif flaw := _flaw_as_argument(name, properties):
            if not spec.get("x-sdk-hidden"):
                yield f"{where} {flaw}: set x-sdk-hidden for it in sdk.overlay.yaml, {BY_EXTRA}."
            elif name in schema.get("required", []) and "x-sdk-default" not in spec:
                yield f"{where} is required, and no argument, being hidden: give it an x-sdk-default too."
    for one, other in _alike(properties, _squeezed):
        yield (
            f"{operation}: the parameters {_short(one)} and {_short(other)} differ only in case or in `.`, "
            f"`_` and `-`: leave one of them out of the spec, {BY_EXTRA}."
        )


def _flaw_as_argument(name: str, properties: dict[str, Document]) -> str:
    """Return why a parameter can't be an argument or an option, as the end of a sentence; or nothing."""
    if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        return "can't be the name of an argument in Python"
    if name in ARGUMENTS:
        return "has the name of an argument that every method has"
    if name in IN_ANNOTATIONS:
        return "has the name of a type that the generated annotations use"
    switch = properties.get(name.removeprefix("no_"), {}) if name.startswith("no_") else {}
    if switch.get("type") == "boolean" and not switch.get("x-sdk-hidden"):
        return f"would be the option --{name.replace('_', '-')}, which sets {name[3:]} to false"
    return ""


def _alike(names: Iterable[str], key: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    """Yield each pair of names with one key, of which the first is the first of them all."""
    seen: dict[str, str] = {}
    for name in names:
        if key(name) in seen:
            yield seen[key(name)], name
        seen.setdefault(key(name), name)


def _squeezed(name: str) -> str:
    """Return a name without what words are joined by, in lower case."""
    return re.sub(r"[._-]", "", name.lower())


def _short(name: str) -> str:
    return name if len(name) <= 60 else f"{name[:57]}..."
