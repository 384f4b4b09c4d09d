"""Read the classes of changes from `classes.yaml`, each as a pair of bundles with the expected rating."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import yaml
from segmind_sd3_contract.oracle import carried

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DOCUMENTED: Final = carried("documented")
FILE: Final = Path(__file__).with_name("classes.yaml")
ADDRESS: Final = "/v1/stable-diffusion-3.5-turbo-txt2img"

PLACES: Final[Mapping[str, Sequence[str]]] = {
    "path": ("paths", ADDRESS),
    "op": ("paths", ADDRESS, "post"),
    "body": ("components", "schemas", "Sd35TurboTxt2Img"),
}
REQUEST: Final = ("body", "properties", "probe")
REPLY: Final = ("op", "responses", "200", "content", "application/json", "schema", "properties", "probe")

ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class ChangeClass:
    """A class of changes, with an example.

    Attributes:
        name: What changes, and for a schema whether that of a request or of a reply.
        before, after: The example: two bundles.
        expected: The rating, or `same` if both bundles mean the same.
        why: The reason for the rating.
        others: For each program that is expected to disagree, the reason.
    """

    name: str
    before: Any
    after: Any
    expected: str
    why: str
    others: Mapping[str, str]


def read_classes() -> Iterator[ChangeClass]:
    """Yield every class of the table. A schema is a class of requests and a class of replies."""
    table = yaml.safe_load(FILE.read_text("utf-8"))
    others = table.get("others", {})
    for row in table["schemas"]:
        for side, place in (("request", REQUEST), ("reply", REPLY)):
            name = f"{row['change']} ({side})"
            bundles = _set(place, row["before"]), _set(place, row["after"])
            yield ChangeClass(name, *bundles, row[side], row["why"], _answers(name, others))
    for row in table["documents"]:
        name, place = row["change"], row["at"]
        before = _set(place, row["before"]) if "before" in row else DOCUMENTED
        yield ChangeClass(name, before, _edit(row, before), row["wire"], row["why"], _answers(name, others))


def _answers(name: str, others: Mapping[str, Any]) -> Mapping[str, str]:
    return {
        program: group["why"]
        for program, groups in others.items()
        for group in groups
        if name in group["classes"]
    }


def _edit(row: Mapping[str, Any], before: Any) -> Any:
    place = row["at"]
    if "merge" in row:
        return _set(place, _merge(_get(place), row["merge"]))
    if "move" in row:
        old, new = row["move"]
        return _set(place, {new if key == old else key: value for key, value in _get(place).items()})
    return _set(place, row.get("after", ABSENT), before)


def _steps(place: Sequence[Any]) -> list[Any]:
    return [*PLACES.get(place[0], place[:1]), *place[1:]] if place else []


def _get(place: Sequence[Any]) -> Any:
    node = DOCUMENTED
    for step in _steps(place):
        node = node[step]
    return node


def _set(place: Sequence[Any], value: Any, bundle: Any = None) -> Any:
    """Return a copy of a bundle with a value in a place, or with nothing there. What stays is shared."""
    return _set_at(DOCUMENTED if bundle is None else bundle, _steps(place), value)


def _set_at(node: Any, steps: Sequence[Any], value: Any) -> Any:
    if not steps:
        return value
    step, *others = steps
    copy: Any = node.copy()
    if not others and value is ABSENT:
        del copy[step]
    else:
        copy[step] = _set_at(node[step] if isinstance(step, int) else node.get(step, {}), others, value)
    return copy


def _merge(target: Any, patch: Any) -> Any:
    """Apply a JSON Merge Patch (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(cast("dict[str, Any]", target) if isinstance(target, dict) else {})
    for key, value in cast("dict[str, Any]", patch).items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key), value)
    return merged
