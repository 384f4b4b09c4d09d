"""Remove actions from an overlay, and names from the targets of the others.

Comments stay: people decide which of them belong to a removed action.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

if TYPE_CHECKING:
    from collections.abc import Iterable


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
