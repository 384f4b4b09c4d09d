"""Find the line of a value in a YAML or JSON file, following references to other files."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from ruamel.yaml import YAML

if TYPE_CHECKING:
    from pathlib import Path

Step: TypeAlias = "str | int | tuple[str, str]"
"""A key, a position among keys or items, or (name, value) of a member that the item has."""


@dataclass(frozen=True, slots=True)
class Place:
    """A file and a line. `depth` is the number of steps that were found; it ranks places."""

    file: Path
    line: int
    depth: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Places:
    """Find places in a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def find(self, steps: tuple[Step, ...]) -> Place:
        """Return the place of the last step that exists. A missing file has the place of its first line."""
        place = Place(self.file, 1)
        if not self.file.is_file():
            return place
        file, node = self.file, _nodes(self.file, self.file.read_bytes())
        for depth, step in enumerate(steps, 1):
            file, node = _resolve(file, node)
            found = _member(node, step)
            if found is None:
                break
            at, node = found
            place = Place(file, at.start_mark.line + 1, depth)
        return place


@lru_cache(maxsize=64)
def _nodes(_file: Path, text: bytes) -> Any:
    yaml: Any = YAML(typ="safe", pure=True)
    return yaml.compose(text)


def _member(node: Any, step: Step) -> tuple[Any, Any] | None:
    """Return the node that names a member, and the member."""
    if node.id == "mapping":
        pairs: list[tuple[Any, Any]] = node.value
        if isinstance(step, int):
            return pairs[step] if step < len(pairs) else None
        return next((pair for pair in pairs if pair[0].value == step), None)
    if node.id == "sequence":
        items: list[Any] = node.value
        if isinstance(step, int):
            return (items[step], items[step]) if step < len(items) else None
        for item in items if isinstance(step, tuple) else ():
            member = _member(item, step[0])
            if member and member[1].value == step[1]:
                return item, item
    return None


def _resolve(file: Path, node: Any) -> tuple[Path, Any]:
    """Return the target of a node's `$ref`, or the node itself."""
    seen = 0
    while node.id == "mapping" and (ref := _member(node, "$ref")) and seen < 10:
        seen += 1
        other, _, pointer = ref[1].value.partition("#")
        file = file.with_name(other) if other else file
        node = _nodes(file, file.read_bytes())
        for step in pointer.strip("/").split("/"):
            found = _member(node, step)
            if found is None:
                return file, node
            node = found[1]
    return file, node
