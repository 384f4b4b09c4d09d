"""Rate each change between two bundles for programs that speak the wire contract.

A change is breaking if a request that was allowed no longer is, or means something else, or if a promise
about replies is withdrawn. It is additive if more is allowed or promised. It is harmless if nothing on the
wire changes. An unknown clause is breaking. No change is left out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from segmind_sd3_pipeline.changes.nodes import split_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from segmind_sd3_pipeline.changes.nodes import Bundle, Key, Kind, Node

Rating = Literal["breaking", "additive", "harmless"]
RATINGS: Final[tuple[Rating, ...]] = get_args(Rating)
"""The ratings, worst first."""


def worst_of(ratings: Iterable[Rating | None]) -> Rating:
    """Return the worst of several ratings, or harmless if there is none."""
    given = set(ratings)
    return "breaking" if "breaking" in given else "additive" if "additive" in given else "harmless"


@dataclass(frozen=True, slots=True)
class Change:
    """One clause in which two states of the contract differ.

    Attributes:
        endpoint: The name of the operation; empty if the change concerns all.
        about: The parameter, status or header; empty if the change concerns the endpoint itself.
        what: The clause; `added` or `removed` if `about` as a whole is.
        before, after: The values; None if absent.
        wire: The rating for the wire contract; None if that has not changed.
        python: The rating for the Python API; harmless if that has not changed.
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
        """Return the change as a sentence for the report and the changelog."""
        place = ", ".join(f"`{part}`" for part in (self.endpoint, self.about) if part) or "The service"
        match self.what:
            case "added":
                return f"{place} is new{', and required' if self.after is REQUIRED else ''}."
            case "removed":
                return f"{place} is gone."
            case "description" | "summary":
                return f"{place}: {self.what} reworded."
            case "required":
                return f"{place} is {'now required' if self.after else 'no longer required'}."
            case _:
                return f"{place}: {self.what} {_format_value(self.before)} -> {_format_value(self.after)}."


REQUIRED: Final = "required"
"""The value of an added parameter that is required."""

MAX_VALUE_CHARS: Final = 80


def _format_value(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "yes" if value else "no"
        case str() if value.startswith("sha256:"):
            return f"{value[:15]}…"  # a digest shows only that the text differs
        case _:
            text = json.dumps(value, ensure_ascii=False)
            return text if len(text) <= MAX_VALUE_CHARS else f"{text[: MAX_VALUE_CHARS - 1]}…"


def rate_changes(before: Bundle, after: Bundle) -> list[Change]:
    """List every change from one bundle to another. `python_api` adds the ratings for the Python API."""
    old, new = split_bundle(before), _at_old_addresses(split_bundle(before), split_bundle(after))
    return [change for key in {**old, **new} for change in _node_changes(key, old, new)]


def merge_ratings(wire: Iterable[Change], python: Iterable[Change]) -> list[Change]:
    """Merge two lists of changes, worst first. A change in both lists gets the ratings of both."""
    found = {(each.endpoint, each.about, each.what): each for each in wire}
    for each in python:
        key = (each.endpoint, each.about, each.what)
        found[key] = replace(found[key], python=each.python) if key in found else each
    return sorted(found.values(), key=lambda each: RATINGS.index(each.worst))


def _at_old_addresses(old: Mapping[Key, Node], new: Mapping[Key, Node]) -> dict[Key, Node]:
    """Return the new nodes, those of an endpoint that moved under its old address."""
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
"""Clauses that change nothing on the wire. Extensions without a rule are harmless too."""

ALLOWS_MORE: Final[Mapping[tuple[Kind, str], Callable[[Any, Any], bool]]] = {
    ("parameter", "minimum"): lambda old, new: new is None or (old is not None and new <= old),
    ("parameter", "maximum"): lambda old, new: new is None or (old is not None and new >= old),
    ("parameter", "multiple of"): lambda old, new: new is None or (old is not None and old % new == 0),
    ("parameter", "allowed values"): lambda old, new: not new or (bool(old) and set(old) <= set(new)),
    ("parameter", "type"): lambda old, new: new is None or (old, new) == ("integer", "number"),
    ("parameter", "required"): lambda _, new: not new,
    # A call without the parameter means something else if the default changes or disappears.
    ("parameter", "default"): lambda old, _: old is None,
    ("endpoint", "body required"): lambda _, new: not new,
    ("header", "required"): lambda _, new: bool(new),
}
"""For two different values: whether everything allowed or promised before still is."""


def rating_of(kind: Kind, clause: str, before: Any, after: Any) -> Rating:
    """Rate a clause for the wire contract by its two different values."""
    if rule := ALLOWS_MORE.get((kind, clause)):
        return "additive" if rule(before, after) else "breaking"
    return "harmless" if clause in HARMLESS or clause.startswith("x-") else "breaking"


def _node_changes(key: Key, old: Mapping[Key, Node], new: Mapping[Key, Node]) -> Iterator[Change]:
    before, after = old.get(key), new.get(key)
    if before and after:
        for clause in {**before.clauses, **after.clauses}:
            values = before.clauses.get(clause), after.clauses.get(clause)
            if _differ(*values):
                rating = rating_of(after.kind, clause, *values)
                name = clause.removeprefix("x-")
                yield Change(after.endpoint, _describe(key), name, *values, rating, "harmless")
    elif key[:-1] in old and key[:-1] in new:  # else the node around it was added or removed
        if after:
            is_required = after.kind == "parameter" and after.clauses["required"]
            rating = "breaking" if is_required else "additive"
            value = REQUIRED if is_required else None
            yield Change(after.endpoint, _describe(key), "added", None, value, rating, "harmless")
        elif before:
            yield Change(before.endpoint, _describe(key), "removed", None, None, "breaking", "harmless")


def _describe(key: Key) -> str:
    return ", ".join(key[1:])


def _differ(before: Any, after: Any) -> bool:
    """Return whether two values differ as JSON, in which true is not 1."""
    return json.dumps(before, sort_keys=True) != json.dumps(after, sort_keys=True)
