"""Put the parameters of nested objects into the parameter that holds them.

A page lists all parameters at one level, whatever their depth. The sample shows where each belongs. A
parameter that the sample shows at two places, or at none where it may be inside, is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from segmind_sd3_pipeline.pages.page_error import PageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from segmind_sd3_pipeline.pages.facts import Facts


@dataclass
class Listed:
    """A parameter as the page lists it, and whether others may be inside."""

    facts: Facts
    line: int
    is_container: bool = False


@dataclass
class _Open:
    """A parameter that may hold the next ones: its path, and the objects that the sample has there."""

    path: str
    facts: Facts
    objects: list[Mapping[str, Any]]


def nest(listed: Iterable[Listed], values: Mapping[str, Any], *, is_settled_by_layout: bool) -> list[Facts]:
    """Return the parameters with those inside others as their `members`.

    With `is_settled_by_layout`, a parameter that the sample has nowhere is at the top.

    Raises:
        PageError: A parameter occurs twice, or its place can't be settled.
    """
    top: list[Facts] = []
    above: list[_Open] = []
    for each in listed:
        name = each.facts["name"]
        if name in values and not any(_has(one, name) for one in above):
            above = []
        elif "." in name and above:
            path, _, name = name.rpartition(".")
            each.facts["name"] = name
            while above and above[-1].path != path:
                above.pop()
            if not above:
                raise PageError("parameters", each.line, f"{path} above its own parameters", f"{path}.{name}")
        else:
            above = _holders(each, above, is_at_top=name in values, is_settled=is_settled_by_layout)
        holder = above[-1].facts.setdefault("members", []) if above else top
        if any(other["name"] == name for other in holder):
            raise PageError("attributes", each.line, "each parameter once", name)
        holder.append(each.facts)
        if each.is_container:
            path = f"{above[-1].path}.{name}" if above else name
            outer = above[-1].objects if above else [values]
            above = [
                *above,
                _Open(path, each.facts, [one for object_ in outer for one in objects_in(object_.get(name))]),
            ]
    return top


def _holders(each: Listed, above: list[_Open], *, is_at_top: bool, is_settled: bool) -> list[_Open]:
    """Return the parameters around this one, from the outermost."""
    name = each.facts["name"]
    depths = [depth for depth, one in enumerate(above) if _has(one, name)]
    if len(depths) + is_at_top > 1:
        places = [*(f"in {above[depth].path}" for depth in depths), *(["at the top"] if is_at_top else [])]
        raise PageError("parameters", each.line, f"{name} at one place of the sample", " and ".join(places))
    if depths:
        return above[: depths[0] + 1]
    if above and not is_at_top and not is_settled:
        raise PageError(
            "parameters",
            each.line,
            f"a sample that shows whether {name} is inside {above[-1].path} or beside it",
            "a sample without it",
        )
    return []


def _has(one: _Open, name: str) -> bool:
    return any(name in object_ for object_ in one.objects)


def objects_in(value: object) -> list[dict[str, Any]]:
    """Return the object that a value of the sample is, or those of the list that it is. Code is none."""
    found = cast("list[object]", value) if isinstance(value, list) else [value]
    objects = [cast("dict[str, Any]", each) for each in found if isinstance(each, dict)]
    return [each for each in objects if [*each] != ["code"]]
