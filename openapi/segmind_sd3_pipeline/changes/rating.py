"""Each change between two bundles, rated for whoever speaks the wire contract.

Law: a change is breaking when a request that was allowed no longer is, or means something else, or a promise
about replies is withdrawn; additive when more is allowed or promised; harmless when nothing changes
that goes over the wire. What this module doesn't know is breaking, and is never left out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from segmind_sd3_pipeline.changes.nodes import nodes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from segmind_sd3_pipeline.changes.nodes import Bundle, Key, Kind, Node

Rating = Literal["breaking", "additive", "harmless"]
RATINGS: Final[tuple[Rating, ...]] = get_args(Rating)
"""The worst comes first."""


def worst_of(ratings: Iterable[Rating | None]) -> Rating:
    """Give the rating that counts of several; harmless where there is none."""
    given = set(ratings)
    return "breaking" if "breaking" in given else "additive" if "additive" in given else "harmless"


@dataclass(frozen=True, slots=True)
class Change:
    """One clause that two states of the contract tell apart.

    Attributes:
        endpoint: the name of its operation; empty where all are concerned.
        about: the parameter, the status, the header; empty where it is the endpoint itself.
        what: the clause; `added` or `removed` where `about` as a whole is.
        before, after: its values, None where nothing is said.
        wire: its rating for the wire contract; None where that stays as it was.
        python: its rating for the Python API, harmless where that stays as it was.
    """

    endpoint: str
    about: str
    what: str
    before: Any
    after: Any
    wire: Rating | None
    python: Rating

    @property
    def worst(self) -> Rating:
        return worst_of((self.wire, self.python))

    @property
    def sentence(self) -> str:
        """What happened, for the report and the changelog."""
        place = ", ".join(f"`{part}`" for part in (self.endpoint, self.about) if part) or "The service"
        match self.what:
            case "added":
                return f"{place} is new{', and required' if self.after is REQUIRED else ''}."
            case "removed":
                return f"{place} is gone."
            case "description" | "summary":
                return f"{place}: {self.what} reworded."
            case "required":
                return f"{place} is {'required now' if self.after else 'required no longer'}."
            case _:
                return f"{place}: {self.what} {_shown(self.before)} -> {_shown(self.after)}."


REQUIRED: Final = "required"
"""The value of an added parameter without which no call is allowed any more."""

ENOUGH: Final = 80


def _shown(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "yes" if value else "no"
        case str() if value.startswith("sha256:"):
            return f"{value[:15]}…"  # it says no more than that it is another text
        case _:
            text = json.dumps(value, ensure_ascii=False)
            return text if len(text) <= ENOUGH else f"{text[: ENOUGH - 1]}…"


def rated(before: Bundle, after: Bundle) -> list[Change]:
    """List every change from one bundle to another; none where they say the same.

    The rating for the Python API is harmless here: `python_api` knows better.
    """
    old, new = nodes(before), _moved(nodes(before), nodes(after))
    return [change for key in {**old, **new} for change in _compared(key, old, new)]


def merged(wire: Iterable[Change], python: Iterable[Change]) -> list[Change]:
    """Make one list of both: a change that both know has the ratings of both."""
    found = {(each.endpoint, each.about, each.what): each for each in wire}
    for each in python:
        key = (each.endpoint, each.about, each.what)
        found[key] = replace(found[key], python=each.python) if key in found else each
    return sorted(found.values(), key=lambda each: RATINGS.index(each.worst))


def _moved(old: Mapping[Key, Node], new: Mapping[Key, Node]) -> dict[Key, Node]:
    """Give the new nodes under the old address, where an endpoint only has another address than before."""
    before, after = (
        {node.endpoint: key[0] for key, node in each.items() if node.kind == "endpoint"}
        for each in (old, new)
    )
    stays = set(before.values()) & set(after.values())
    addresses = {
        after[name]: before[name]
        for name in before.keys() & after.keys()
        if after[name] not in stays and before[name] not in stays
    }
    return {(addresses.get(key[0], key[0]), *key[1:]) if key else key: node for key, node in new.items()}


HARMLESS: Final = {
    *("description", "summary", "examples", "example", "tags", "operationId", "deprecated"),
    *("openapi", "info", "name", "the page's type", "affects the price", "sample"),
}
"""Clauses that change nothing on the wire; extensions that have no rule are others."""

ALLOWS_MORE: Final[Mapping[tuple[Kind, str], Callable[[Any, Any], bool]]] = {
    ("parameter", "minimum"): lambda old, new: new is None or (old is not None and new <= old),
    ("parameter", "maximum"): lambda old, new: new is None or (old is not None and new >= old),
    ("parameter", "multiple of"): lambda old, new: new is None or (old is not None and old % new == 0),
    ("parameter", "allowed values"): lambda old, new: not new or (bool(old) and set(old) <= set(new)),
    ("parameter", "type"): lambda old, new: new is None or (old, new) == ("integer", "number"),
    ("parameter", "required"): lambda _, new: not new,
    # A call without it means another thing where another default is told, or none.
    ("parameter", "default"): lambda old, _: old is None,
    ("endpoint", "body required"): lambda _, new: not new,
    ("header", "required"): lambda _, new: bool(new),
}
"""Whether all that was allowed before still is, or all that was promised; asked of two values that differ."""


def rating_of(kind: Kind, clause: str, before: Any, after: Any) -> Rating:
    """Rate a clause for the wire contract by its two values, which differ."""
    if rule := ALLOWS_MORE.get((kind, clause)):
        return "additive" if rule(before, after) else "breaking"
    return "harmless" if clause in HARMLESS or clause.startswith("x-") else "breaking"


def _compared(key: Key, old: Mapping[Key, Node], new: Mapping[Key, Node]) -> Iterator[Change]:
    before, after = old.get(key), new.get(key)
    if before and after:
        for clause in {**before.clauses, **after.clauses}:
            values = before.clauses.get(clause), after.clauses.get(clause)
            if _differ(*values):
                rating = rating_of(after.kind, clause, *values)
                name = clause.removeprefix("x-")
                yield Change(after.endpoint, _about(key), name, *values, rating, "harmless")
    elif key[:-1] in old and key[:-1] in new:  # else the part that it belongs to comes or goes as a whole
        if after:
            is_required = after.kind == "parameter" and after.clauses["required"]
            rating = "breaking" if is_required else "additive"
            value = REQUIRED if is_required else None
            yield Change(after.endpoint, _about(key), "added", None, value, rating, "harmless")
        elif before:
            yield Change(before.endpoint, _about(key), "removed", None, None, "breaking", "harmless")


def _about(key: Key) -> str:
    return ", ".join(key[1:])


def _differ(before: Any, after: Any) -> bool:
    """Whether two values differ as JSON, where true is not 1."""
    return json.dumps(before, sort_keys=True) != json.dumps(after, sort_keys=True)
