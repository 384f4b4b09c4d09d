"""Edit a YAML file line by line. All other lines stay the same, byte for byte.

ruamel.yaml finds the places. All edits refer to the original text and are applied together, so that no edit
moves another's place.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, cast

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Path = tuple[str, ...]
INDENT: Final = 2

_SAFE: Any = YAML(typ="safe", pure=True)


@dataclass(frozen=True)
class Entry:
    """A key of a mapping: its node and that of its value."""

    key: Any
    value: Any

    @property
    def line(self) -> int:
        """Return the line of the key, counted from 0."""
        return self.key.start_mark.line

    @property
    def is_flow(self) -> bool:
        """Return whether the value is in brackets or braces."""
        return bool(getattr(self.value, "flow_style", False))

    @property
    def indent(self) -> int:
        return self.key.start_mark.column


@dataclass
class YamlEditor:
    """A text and the edits to apply to it. `str()` applies them."""

    text: str
    _spans: list[tuple[int, int, str]] = field(default_factory=list[tuple[int, int, str]])

    def __post_init__(self) -> None:
        self._root = _nodes(self.text)
        self._lines = self.text.splitlines(keepends=True)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))

    def __str__(self) -> str:
        """Return the text with all edits applied."""
        text = self.text
        # Edits apply from the end, so that none moves another's place. Of two insertions at one place, the
        # first one requested comes first.
        spans = sorted(enumerate(self._spans), key=lambda each: (*each[1][:2], each[0]), reverse=True)
        for _, (start, end, new) in spans:
            text = text[:start] + new + text[end:]
        return text

    def entry(self, path: Path) -> Entry | None:
        node, found = self._root, None
        for step in path:
            pairs: list[tuple[Any, Any]] = (
                node.value if isinstance(getattr(node, "value", None), list) else []
            )
            found = next((Entry(*pair) for pair in pairs if _is_pair(pair) and pair[0].value == step), None)
            if found is None:
                return None
            node = found.value
        return found

    def line(self, path: Path) -> int:
        """Return the line of a key, counted from 1, or 0 if there is no such key."""
        found = self.entry(path)
        return found.line + 1 if found else 0

    def keys(self, path: Path) -> list[str]:
        found = self.entry(path)
        holder = found.value if found else None if path else self._root
        return [key.value for key, _ in holder.value] if holder else []

    def is_flow(self, path: Path) -> bool:
        found = self.entry(path)
        return bool(found and found.is_flow)

    # -- Edits --------------------------------------------------------------------------------------------

    def put(self, path: Path, value: object, *, order: Sequence[str] = ()) -> None:
        """Set a key's value. A new key goes behind the keys that precede it in `order`."""
        found = self.entry(path)
        if found is None:
            self.insert(path, value, order=order)
        elif _fits_on_key_line(found) and (found.is_flow or not isinstance(value, dict)):
            self._edit(found.value.start_mark.index, found.value.end_mark.index, inline(value))
        else:
            self._edit(*self._extent(found), block({path[-1]: cast("object", value)}, found.indent))

    def rename(self, path: Path, name: str) -> None:
        found = self._require(path)
        quote = self.text[found.key.start_mark.index]
        written = json.dumps(name) if quote in "\"'" else scalar(name)
        self._edit(found.key.start_mark.index, found.key.end_mark.index, written)

    def remove(self, path: Path) -> None:
        """Remove a key and the comment right above it."""
        start, end = self._extent(self._require(path), with_comment=True)
        self._edit(start, end, "")

    def insert(self, path: Path, value: object, *, order: Sequence[str] = ()) -> None:
        """Add a key behind the last key that precedes it in `order`, or as the first key."""
        *above, name = path
        holder = tuple(above)
        keys = self.keys(holder)
        before = list(order[: order.index(name)]) if name in order else keys
        last = next((key for key in reversed(before) if key in keys), None)
        if not keys:
            found = self._require(holder)
            start = self._starts[found.line + 1]
            self._edit(start, start, block({name: value}, found.indent + INDENT))
            return
        neighbour = self._require((*holder, last or keys[0]))
        start, end = self._extent(neighbour, with_comment=not last)
        at = end if last else start
        self._edit(at, at, block({name: value}, neighbour.indent))

    def reorder(self, path: Path, names: Sequence[str]) -> None:
        """Reorder the keys of a mapping, each with its comment."""
        spans = {
            name: self._extent(self._require((*path, name)), with_comment=True) for name in self.keys(path)
        }
        if sorted(spans) != sorted(names) or list(spans) == list(names):
            return
        texts = {name: self.text[start:end] for name, (start, end) in spans.items()}
        for place, name in zip(spans, names, strict=True):
            self._edit(*spans[place], texts[name])

    # -- Places -------------------------------------------------------------------------------------------

    def _require(self, path: Path) -> Entry:
        if found := self.entry(path):
            return found
        raise KeyError(".".join(path))

    def _edit(self, start: int, end: int, new: str) -> None:
        self._spans.append((start, end, new))

    def _extent(self, entry: Entry, *, with_comment: bool = False) -> tuple[int, int]:
        """Return where the lines of a key begin and end, including deeper comments."""
        first, end = entry.line, entry.line + 1
        for number in range(first + 1, len(self._lines)):
            line = self._lines[number]
            if not line.strip():
                continue
            if len(line) - len(line.lstrip()) <= entry.indent:
                break
            end = number + 1
        if entry.is_flow:
            end = max(end, entry.value.end_mark.line + 1)
        while with_comment and first and self._lines[first - 1].startswith(" " * entry.indent + "#"):
            first -= 1
        return self._starts[first], self._starts[end]


@lru_cache(maxsize=16)
def _nodes(text: str) -> Any:
    """Parse a text into nodes with positions."""
    yaml: Any = YAML(typ="rt", pure=True)
    return yaml.compose(text)


def _is_pair(pair: object) -> bool:
    return isinstance(pair, tuple)


def _fits_on_key_line(entry: Entry) -> bool:
    start, end = entry.value.start_mark, entry.value.end_mark
    is_block = getattr(entry.value, "style", None) in ("|", ">")
    is_mapping = isinstance(entry.value.value, list) and not entry.is_flow
    return start.line == end.line == entry.line and not is_block and not is_mapping


# -- Values as YAML ---------------------------------------------------------------------------------------


def block(members: Mapping[str, object], indent: int) -> str:
    """Render a mapping as lines at an indentation."""
    lines: list[str] = []
    for name, value in members.items():
        key = f"{' ' * indent}{scalar(name)}:"
        match value:
            case dict() if value and "$ref" not in value:
                lines += [f"{key}\n", block(cast("dict[str, object]", value), indent + INDENT)]
            case _:
                lines.append(f"{key} {inline(value)}\n")
    return "".join(lines)


def inline(value: object) -> str:
    """Render a value on one line."""
    match value:
        case dict():
            members = cast("dict[str, object]", value)
            rendered = [f"{scalar(name, flow=True)}: {_in_flow(each)}" for name, each in members.items()]
            return f"{{ {', '.join(rendered)} }}" if rendered else "{}"
        case list():
            return f"[{', '.join(map(_in_flow, cast('list[object]', value)))}]"
        case _:
            return scalar(value)


def _in_flow(value: object) -> str:
    match value:
        case dict() | list():
            return inline(cast("object", value))
        case _:
            return scalar(value, flow=True)


def scalar(value: object, *, flow: bool = False) -> str:
    """Render a text without quotes if YAML reads it back unchanged, and any other value as JSON."""
    written = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if not isinstance(value, str) or value.startswith("#/") or "components.yaml#" in value:
        return written
    try:
        read_back = _SAFE.load(f"[{value}]" if flow else f"a: {value}\n")
    except (YAMLError, ValueError):
        return written
    is_plain = value.isprintable() and read_back == ([value] if flow else {"a": value})
    return value if is_plain and value[0] not in "\"'" else written
