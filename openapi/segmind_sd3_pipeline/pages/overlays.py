"""An overlay without some of its actions, and with targets that no longer name what is gone.

Comments stay: which of them speak of an action that went is for people to see.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

if TYPE_CHECKING:
    from collections.abc import Iterable


def without(text: str, actions: Iterable[str], names: Iterable[str]) -> str:
    """The text without the actions of these names.

    Where a target lists schemas or paths, it no longer lists those of `names`.
    """
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


def _end(lines: list[str], first: int, column: int) -> int:
    """The line behind an action's own lines and the blank ones that follow."""
    end = first + 1
    while end < len(lines) and (not lines[end].strip() or lines[end].startswith(" " * column)):
        end += 1
    return end
