"""What a YAML file of the contract holds: a JSON object, and nothing that JSON would have to guess at."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from openapi_spec_validator import OpenAPIV31SpecValidator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

if TYPE_CHECKING:
    from pathlib import Path

Document: TypeAlias = dict[str, Any]


class ContractError(Exception):
    """The contract, or what was made of it, can't be used. `str()` is the sentence that says why."""


def read(path: Path) -> Document:
    """Read the object in a YAML file.

    Raises:
        ContractError: The file can't be read, is no YAML, or holds a value that JSON does not have
            (a key that is no string, an unquoted date, an infinity).
    """
    try:
        document = _json(_loaded(path.read_bytes()), path.name)
    except OSError as problem:
        raise ContractError(f"{path.name} can't be read: {problem.strerror}.") from problem
    except (YAMLError, UnicodeDecodeError) as problem:
        mark = getattr(problem, "problem_mark", None)
        where, what = (f", line {mark.line + 1}", getattr(problem, "problem", "")) if mark else ("", problem)
        raise ContractError(f"{path.name}{where} is no YAML: {' '.join(str(what).split())}.") from problem
    if not isinstance(document, dict):
        raise ContractError(f"{path.name} holds no object.")
    return cast("Document", document)


@lru_cache(maxsize=64)
def _loaded(text: bytes) -> object:
    """Parse a YAML text, once for each text, since parsing takes long."""
    yaml: Any = YAML(typ="safe", pure=True)
    return yaml.load(text)


def _json(node: object, where: str) -> Any:
    """Copy a node as JSON has it. Two aliases of one YAML anchor become two copies."""
    match node:
        case dict():
            copied: Document = {}
            for key, value in cast("dict[object, object]", node).items():
                if not isinstance(key, str):
                    raise ContractError(f"{where}: the key {key!r} is no string: put it in quotes.")
                copied[key] = _json(value, f"{where}: {key}" if where.endswith(".yaml") else f"{where}.{key}")
            return copied
        case list():
            return [_json(value, f"{where}[{i}]") for i, value in enumerate(cast("list[object]", node))]
        case None | bool() | int() | str():
            return node
        case float() if math.isfinite(node):
            return node
        case _:
            raise ContractError(
                f"{where}: {node} is a {type(node).__name__}, which JSON does not have: put it in quotes."
            )


def require_openapi(document: Document, name: str, *, refers_outside: bool = False) -> None:
    """Raise unless the document is valid OpenAPI 3.1.

    With `refers_outside` only the structure is checked, and no reference is followed.

    Raises:
        ContractError: It is not. The message names the first place and what is wrong there.
    """
    validator = OpenAPIV31SpecValidator
    judge: Any = validator.schema_validator if refers_outside else validator(document)
    for error in judge.iter_errors(document) if refers_outside else judge.iter_errors():
        place = ".".join(str(part) for part in error.absolute_path) or "its top"
        what = error.message.partition("\n")[0]
        raise ContractError(f"{name} is no valid OpenAPI: {what[:200]} (at {place}).")


def contains(whole: object, part: object, *, grown_arrays: bool = False) -> bool:
    """Return whether `whole` has every member of `part`, at any depth, with the same value.

    `True` is not 1 here, while 1 is 1.0, as in JSON. With `grown_arrays` an array may have more
    items after those of `part`.
    """
    match whole, part:
        case dict(), dict():
            members, wanted = cast("Document", whole), cast("Document", part)
            return all(
                key in members and contains(members[key], value, grown_arrays=grown_arrays)
                for key, value in wanted.items()
            )
        case list(), list():
            items, first = cast("list[object]", whole), cast("list[object]", part)
            long_enough = len(items) >= len(first) if grown_arrays else len(items) == len(first)
            return long_enough and all(
                contains(item, value, grown_arrays=grown_arrays)
                for item, value in zip(items, first, strict=False)
            )
        case _:
            return isinstance(whole, bool) == isinstance(part, bool) and whole == part
