"""The rows of quirks.yaml, each with the grade and the evidence of the overlay actions that it cites."""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

from segmind_sd3_pipeline.spec.documents import ContractError, Document, read
from segmind_sd3_pipeline.spec.overlay import read_overlays

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from segmind_sd3_pipeline.spec.overlay import Action

FILE = "quirks.yaml"
KINDS = ("default", "refusal", "repair", "diagnosis")
REQUIRED = ("name", "kind", "sdk", "probe", "actions")
OPTIONAL = ("documented", "observed")


def read_rows(folder: Path) -> list[Document]:
    """Return the rows of a folder's quirks.yaml as they stand there.

    Raises:
        ContractError: The file can't be read, a row is not whole, or two rows have one name.
    """
    content = read(folder / FILE)
    rows = content.get("quirks")
    if content.keys() != {"quirks"} or not isinstance(rows, list):
        raise ContractError(f"{FILE} has to hold one list, named quirks, and nothing else.")
    names: set[str] = set()
    for number, row in enumerate(cast("list[Any]", rows), 1):
        _require_whole(row, number)
        if row["name"] in names:
            raise ContractError(f"Two rows of {FILE} have the name {row['name']}.")
        names.add(row["name"])
    return cast("list[Document]", rows)


def _require_whole(row: Any, number: int) -> None:
    if not isinstance(row, dict):
        raise ContractError(f"Row {number} of {FILE} is no object.")
    members = cast("Document", row)
    where = f"The row {members.get('name', f'number {number}')} of {FILE}"
    if unknown := members.keys() - {*REQUIRED, *OPTIONAL}:
        known = ", ".join((*REQUIRED, *OPTIONAL))
        raise ContractError(f"{where} has {', '.join(sorted(unknown))}; a row has {known}.")
    if missing := [field for field in REQUIRED if field not in members]:
        raise ContractError(f"{where} has no {', '.join(missing)}.")
    if not members.keys() & {*OPTIONAL}:
        raise ContractError(f"{where} says neither what is documented nor what was observed.")
    for field, value in members.items():
        if field != "actions" and (not isinstance(value, str) or not value or value != _one_line(value)):
            raise ContractError(f"{where} has no line of text as its {field}.")
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", members["name"]):
        raise ContractError(f"{where} has a name that is not in small letters, digits and hyphens.")
    if members["kind"] not in KINDS:
        raise ContractError(f"{where} is of kind {members['kind']}; the kinds are {', '.join(KINDS)}.")
    match members["actions"]:
        case [_, *_] as actions if all(isinstance(each, str) for each in cast("list[object]", actions)):
            pass
        case _:
            raise ContractError(f"{where} cites no action: its actions have to be a list of x-ids.")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def read_quirks(folder: Path) -> list[Document]:
    """Return the rows of a folder, with id, grade and evidence in place of each action's id.

    What a row leaves out is an empty text. An action in braces in what it says of the SDK becomes a value.

    Raises:
        ContractError: As for `read_rows`; an overlay can't be read; a row cites an action that is in no
            overlay, or says what was observed and cites only policy, or wants the value of an action that has
            none; no row cites an action of our policy.
    """
    rows = read_rows(folder)
    overlays = read_overlays(folder / "observed.overlay.yaml", folder / "sdk.overlay.yaml")
    actions = {action.spec["x-id"]: action for action in chain.from_iterable(overlays)}
    for row in rows:
        where = f"The row {row['name']} of {FILE}"
        if unknown := [name for name in row["actions"] if name not in actions]:
            raise ContractError(f"{where} cites {', '.join(unknown)}, which no overlay has.")
        if "observed" in row and all(actions[name].spec["x-grade"] == "policy" for name in row["actions"]):
            raise ContractError(f"{where} says what was observed, and cites no action that says how surely.")
    cited = {name for row in rows for name in row["actions"]}
    for action in overlays[1]:
        if action.spec["x-id"] not in cited:
            raise ContractError(f"{action.name} is cited by no row of {FILE}.")
    return [
        {
            **dict.fromkeys(OPTIONAL, ""),
            **row,
            "sdk": _with_values(row, actions),
            "actions": [_cited(actions[name].spec) for name in row["actions"]],
        }
        for row in rows
    ]


def _with_values(row: Document, actions: Mapping[str, Action]) -> str:
    """Return what a row says of the SDK, each action in braces replaced by the value that the SDK sends."""

    def value(found: re.Match[str]) -> str:
        name = found[1]
        sent = _sent(actions[name].spec["update"]) if name in row["actions"] else None
        if sent is None:
            where = f"The row {row['name']} of {FILE}"
            raise ContractError(f"{where} cites no action {name} with an x-sdk-default or x-sdk-maximum.")
        return str(sent)

    return re.sub(r"\{([a-z0-9-]+)\}", value, row["sdk"])


def _sent(node: object) -> object:
    """Return the x-sdk-default or x-sdk-maximum of an update, wherever in it that stands; None without one."""
    if not isinstance(node, dict):
        return None
    members = cast("Document", node)
    inner = (sent for each in members.values() if (sent := _sent(each)) is not None)
    return members.get("x-sdk-default", members.get("x-sdk-maximum", next(inner, None)))


def _cited(action: Document) -> Document:
    return {field: action[f"x-{field}"] for field in ("id", "grade", "evidence")}
