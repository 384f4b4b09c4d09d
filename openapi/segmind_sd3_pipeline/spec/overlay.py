"""Apply OpenAPI Overlay 1.0 strictly.

The specification allows a target that matches nothing. Here that stops the build. Every action has a name
(`x-id`), a grade (`x-grade`) and its evidence (`x-evidence`). It may have `x-expect`, the value that it was
written against: where the document has another value, the build stops.

Targets are read by python-jsonpath in its strict mode: RFC 9535, which Overlay 1.0 asks for, and no more.
"""

from __future__ import annotations

import json
import re
from copy import deepcopy
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

from jsonpath import JSONPathEnvironment, JSONPathError

from segmind_sd3_pipeline.spec.documents import ContractError, Document, contains, read

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MARKS = ("x-id", "x-grade", "x-evidence")
GRADES = ("vendor", "client", "reported", "inferred", "policy")
FIELDS = {"target", "description", "update", "remove", "x-expect", *MARKS}

_JSONPATH = JSONPathEnvironment(strict=True)


@dataclass(frozen=True)
class Action:
    """One entry of an overlay's `actions`."""

    file: str
    number: int
    spec: Document

    @property
    def name(self) -> str:
        """Return how error messages name the action."""
        return f"The action {self.spec.get('x-id') or f'number {self.number}'} of {self.file}"


def read_overlays(*paths: Path) -> tuple[list[Action], ...]:
    """Read the actions of each overlay file.

    Raises:
        ContractError: A file is no Overlay 1.0 document, an action lacks a mark, or two
            actions, in one file or in two, have the same `x-id`.
    """
    overlays = tuple(_read(path) for path in paths)
    named: dict[str, Action] = {}
    for action in chain.from_iterable(overlays):
        if first := named.get(action.spec["x-id"]):
            raise ContractError(f"{first.name} and one of {action.file} have the same x-id.")
        named[action.spec["x-id"]] = action
    return overlays


def _read(path: Path) -> list[Action]:
    match read(path):
        case {"overlay": str(version), "info": {"title": _, "version": _}, "actions": [_, *_] as actions}:
            if not re.fullmatch(r"1\.0\.\d+", version):
                raise ContractError(f"{path.name} is an Overlay {version}: write it as 1.0.0.")
        case _:
            raise ContractError(
                f"{path.name} is no Overlay: it needs overlay, info with title and version, actions."
            )
    return [_complete(Action(path.name, number, spec)) for number, spec in enumerate(actions, 1)]


def _complete(action: Action) -> Action:
    spec = action.spec
    if not isinstance(cast("object", spec), dict):
        raise ContractError(f"{action.file} has an action, number {action.number}, that is no object.")
    for field in ("target", *MARKS):
        if not isinstance(spec.get(field), str) or not spec[field]:
            raise ContractError(f"{action.name} has no {field}.")
    if spec["x-grade"] not in GRADES:
        raise ContractError(f"{action.name} has a grade that is none of {', '.join(GRADES)}.")
    if unknown := spec.keys() - FIELDS:
        raise ContractError(
            f"{action.name} has {', '.join(sorted(unknown))}, "
            f"which is no field of an action: the fields are {', '.join(sorted(FIELDS))}."
        )
    if ("update" in spec) == (spec.get("remove", False) is True):
        raise ContractError(f"{action.name} has to have either an update or `remove: true`.")
    return action


def apply(document: Document, actions: Iterable[Action]) -> Document:
    """Return a copy of the document with the actions applied in order.

    An update is merged into each object that its target selects: objects member by member, arrays by
    appending, and any other value is replaced. To an array that the target selects it is appended.

    Raises:
        ContractError: An action selects nothing, or a value that is neither object nor array; a node
            does not have what `x-expect` says; an update does not fit what it is merged into.
    """
    result = deepcopy(document)
    for action in actions:
        _apply(result, action)
    return result


def places(action: Action, document: Document) -> list[list[str]]:
    """Return where an action's target is in a document, each place as the steps from its root."""
    return [
        [str(step) for step in match.parts] for match in _JSONPATH.finditer(action.spec["target"], document)
    ]


def _apply(document: Document, action: Action) -> None:
    spec = action.spec
    try:
        matches = {match.parts: match for match in _JSONPATH.finditer(spec["target"], document)}
    except JSONPathError as problem:
        reason = " ".join(str(problem).split())
        raise ContractError(f"{action.name} has a target that is no JSONPath: {reason}.") from problem
    if not matches:
        raise ContractError(f"{action.name} matches nothing: {spec['target']}.")
    for primitive in (match.path for match in matches.values() if not isinstance(match.obj, dict | list)):
        raise ContractError(f"{action.name} selects {primitive}, which is neither object nor array.")
    for match in matches.values():
        if "x-expect" in spec and not contains(match.obj, spec["x-expect"]):
            raise ContractError(
                f"{action.name} expects {json.dumps(spec['x-expect'])} at {match.path}, "
                "and the document no longer has that: correct the action, or remove it."
            )
    for match in matches.values():
        if "update" in spec:
            _update(match.obj, spec["update"], f"{action.name} at {match.path}")
        elif match.parent is None:
            raise ContractError(f"{action.name} would remove the whole document.")
        else:
            _remove(match.parent.obj, match.parts[-1], match.obj)


def _remove(holder: Any, place: str | int, node: object) -> None:
    if isinstance(holder, list):
        # By identity: each removal moves the indexes of an array.
        holder[:] = [item for item in cast("list[object]", holder) if item is not node]
    else:
        del holder[place]


def _update(node: Any, update: Any, where: str) -> None:
    match node, update:
        case list(), _:
            cast("list[Any]", node).append(deepcopy(update))
        case dict(), dict():
            _merge(cast("Document", node), cast("Document", update), where)
        case _:
            raise ContractError(f"{where}: the update of an object has to be an object.")


def _merge(node: Document, update: Document, where: str) -> None:
    for key in update:
        match node.get(key), update[key]:
            case dict(), dict():
                _merge(node[key], update[key], f"{where}.{key}")
            case list(), list():
                node[key].extend(deepcopy(update[key]))
            case (dict() | list(), _) | (str() | int() | float(), dict() | list()):
                kind = type(update[key]).__name__
                raise ContractError(f"{where}: the update has a {kind} for {key}, which is none.")
            case _:
                node[key] = deepcopy(update[key])
