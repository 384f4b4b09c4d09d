"""What a YAML file of the contract holds: a JSON object, and nothing that JSON would have to guess at."""

from __future__ import annotations

import math
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from openapi_spec_validator import OpenAPIV31SpecValidator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

if TYPE_CHECKING:
    from pathlib import Path

Document: TypeAlias = dict[str, Any]

UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""The categories of characters that are not allowed in a text: control, format (bidirectional ones too),
surrogate, line and paragraph separator."""
ALLOWED_UNSEEN = "\n\t\u200c\u200d"
"""Line feed and tab; and the two joiners, which emoji and some scripts need."""


class ContractError(Exception):
    """The contract, or what was made of it, can't be used. `str()` is the sentence that says why."""


def read(path: Path) -> Document:
    """Read the object in a YAML file.

    Raises:
        ContractError: The file can't be read, is no YAML, or holds a value that JSON does not have
            (a key that is no string, an unquoted date, an infinity).
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        for number, line in enumerate(text.split("\n"), 1):
            if character := unseen(line.removesuffix("\r")):
                raise ContractError(f"{path.name}, line {number} has {character}.")
        document = as_json(_loaded(text), path.name)
    except OSError as problem:
        raise ContractError(f"{path.name} can't be read: {problem.strerror}.") from problem
    except (YAMLError, ValueError, LookupError, OverflowError, RecursionError) as problem:
        mark = getattr(problem, "problem_mark", None)
        where, what = (f", line {mark.line + 1}", getattr(problem, "problem", "")) if mark else ("", problem)
        raise ContractError(f"{path.name}{where} is no YAML: {' '.join(str(what).split())}.") from problem
    if not isinstance(document, dict):
        raise ContractError(f"{path.name} holds no object.")
    return cast("Document", document)


@lru_cache(maxsize=64)
def _loaded(text: str) -> object:
    """Parse a YAML text, once for each text, since parsing takes long."""
    yaml: Any = YAML(typ="safe", pure=True)
    return yaml.load(text)


def as_json(node: object, file: str, place: str = "") -> Any:
    """Copy a node as JSON has it. Two aliases of one YAML anchor become two copies.

    Args:
        node: what was read.
        file: the name of the file that holds it, for messages.
        place: where in the file.

    Raises:
        ContractError: JSON does not have the node, or a text in it has a character that nobody sees.
    """
    where = f"{file}: {place}" if place else file
    match node:
        case dict():
            copied: Document = {}
            for key, value in cast("dict[object, object]", node).items():
                if not isinstance(key, str):
                    raise ContractError(f"{where}: the key {key!r} is no string: put it in quotes.")
                if character := unseen(key, allowed=""):
                    raise ContractError(f"{where}: the key {key!r} has {character}.")
                copied[key] = as_json(value, file, f"{place}.{key}" if place else key)
            return copied
        case list():
            return [
                as_json(value, file, f"{place}[{i}]") for i, value in enumerate(cast("list[object]", node))
            ]
        case str():
            if character := unseen(node):
                raise ContractError(f"{where} has {character}.")
            return node
        case None | bool() | int():
            return node
        case float() if math.isfinite(node):
            return node
        case _:
            raise ContractError(
                f"{where}: {node} is a {type(node).__name__}, which JSON does not have: put it in quotes."
            )


def unseen(text: str, *, allowed: str = ALLOWED_UNSEEN) -> str:
    """Name the first character that is not allowed in a text, and say what to do; empty if all are."""
    for character in "" if text.isprintable() else text:
        category = unicodedata.category(character)
        if category in UNSEEN and character not in allowed:
            name = f"the character U+{ord(character):04X}"
            if category == "Cs":
                return f"{name}, half of a surrogate pair: write the whole character"
            return f"{name} ({unicodedata.name(character, 'control')}), which nobody sees: take it out"
    return ""


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
