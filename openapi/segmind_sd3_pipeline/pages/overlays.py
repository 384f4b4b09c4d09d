"""Add actions to an overlay, remove others, and names from the targets of the rest.

Comments stay: people decide which of them belong to a removed action.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ruamel.yaml import YAML

from segmind_sd3_pipeline.pages.yaml_editor import block

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

OBSERVED: Final = "observed.overlay.yaml"
POLICY: Final = "sdk.overlay.yaml"


def action_names(text: str) -> list[str]:
    """List the names of an overlay's actions."""
    yaml: Any = YAML(typ="safe", pure=True)
    return [action["x-id"] for action in yaml.load(text)["actions"]]


def add_actions(text: str, actions: Iterable[Mapping[str, object]]) -> str:
    """Return the overlay's text with these actions at its end."""
    added = [f"\n  - {block(action, 4).lstrip()}" for action in actions]
    return "".join([text.rstrip("\n"), "\n", *added])


def remove_actions(text: str, actions: Iterable[str], names: Iterable[str]) -> str:
    """Return the overlay's text without these actions, and without `names` in lists of schemas or paths."""
    gone = set(actions)
    lines = text.splitlines(keepends=True)
    yaml: Any = YAML(typ="rt", pure=True)
    for action in reversed(yaml.load(text)["actions"]):
        if action["x-id"] in gone:
            del lines[action.lc.line : _end(lines, action.lc.line, action.lc.col)]
    shorter = "".join(lines)
    for name in names:
        quoted = re.escape(f"'{name}'")
        shorter = re.sub(rf"{quoted},\s*|,\s*{quoted}", "", shorter)
    return shorter.rstrip("\n") + "\n"


def add_citation(text: str, row_name: str, action: str) -> str:
    """Return the text of quirks.yaml with an action at the end of those that a row cites.

    Raises:
        LookupError: There is no such row.
    """
    yaml: Any = YAML(typ="rt", pure=True)
    rows = {row["name"]: row for row in yaml.load(text)["quirks"]}
    cited = rows[row_name]["actions"]
    line, column = cited.lc.item(len(cited) - 1)
    lines = text.splitlines(keepends=True)
    lines.insert(line + 1, f"{lines[line][:column]}{action}\n")
    return "".join(lines)


def remove_citations(text: str, actions: Iterable[str]) -> tuple[str, list[str]]:
    """Return the text of quirks.yaml without these actions, and the names of the removed rows.

    A row that cites no other action is removed, since nothing else has its grade and evidence.
    """
    gone = set(actions)
    lines = text.splitlines(keepends=True)
    yaml: Any = YAML(typ="rt", pure=True)
    uncited = [row for row in yaml.load(text)["quirks"] if gone.issuperset(row["actions"])]
    for row in reversed(uncited):
        del lines[row.lc.line : _end(lines, row.lc.line, row.lc.col)]
    remaining = [line for line in lines if line.strip().removeprefix("- ") not in gone]
    return "".join(remaining).rstrip("\n") + "\n", [row["name"] for row in uncited]


def _end(lines: list[str], first: int, column: int) -> int:
    """Return the line after an action and the blank lines that follow it."""
    end = first + 1
    while end < len(lines) and (not lines[end].strip() or lines[end].startswith(" " * column)):
        end += 1
    return end
