"""Rate each change between two bundles for programs that speak the wire contract.

A change is breaking if a request that was allowed no longer is, or means something else, or if a promise
about replies is withdrawn or wider. It is additive if more is allowed or promised. It is harmless if nothing
on the wire changes. It is unknown if no rule knows the clause. Spellings that mean the same are no change.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_pipeline.changes.effects import (
    ADDS,
    DIFFERS,
    NARROWS,
    NONE,
    RATINGS,
    UNKNOWN,
    WIDENS,
    Effect,
    effect_of,
    worst_of,
)
from segmind_sd3_pipeline.changes.nodes import split_bundles
from segmind_sd3_pipeline.changes.schemas import (
    ANNOTATIONS,
    INCLUDES,
    as_json,
    compare_schemas,
    keyword_effect,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from segmind_sd3_pipeline.changes.effects import Rating
    from segmind_sd3_pipeline.changes.nodes import Bundle, Key, Kind, Node


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
        unknown = " No rule knows it: look." if self.wire == "unknown" else ""
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
                values = f"{_format_value(self.before)} -> {_format_value(self.after)}"
                return f"{place}: {self.what} {values}.{unknown}"


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
    old, new = split_bundles(before, after)
    new = _at_old_addresses(old, new)
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


HARMLESS: Final = ANNOTATIONS | {
    *("tags", "operationId", "sample", "body description", "path description", "path summary"),
    *("key description", "key bearerFormat", "key deprecated"),
    *("info title", "info summary", "info description", "info version"),
    *("info termsOfService", "info contact", "info license"),
}
"""Clauses that change nothing on the wire."""


def _marks(*, when_set: Effect, when_removed: Effect) -> Callable[[Any, Any], Effect]:
    return lambda _, after: when_set if after else when_removed


def _key_effect(before: list[Any], after: list[Any]) -> Effect:
    """Return the effect of changed alternatives of keys. Who met one before must meet one now."""

    def meets(given: list[Any], needed: list[Any]) -> bool:
        return all(
            any(
                {**one, "scopes": None} == {**other, "scopes": None}
                and set(one["scopes"]) <= set(other["scopes"])
                for other in given
            )
            for one in needed
        )

    is_met = all(any(meets(given, needed) for needed in after) for given in before)
    return WIDENS if is_met else NARROWS


def _openapi_effect(before: str, after: str) -> Effect:
    return NONE if before.split(".")[:2] == after.split(".")[:2] else UNKNOWN


def _always_differs(_before: Any, _after: Any) -> Effect:
    return DIFFERS


RULES: Final[Mapping[tuple[Kind, str], Callable[[Any, Any], Effect]]] = {
    ("service", "openapi"): _openapi_effect,
    ("service", "key"): _key_effect,
    ("endpoint", "key"): _key_effect,
    ("endpoint", "address"): _always_differs,
    ("endpoint", "body required"): _marks(when_set=NARROWS, when_removed=WIDENS),
    ("parameter", "required"): _marks(when_set=NARROWS, when_removed=WIDENS),
    ("parameter", "style"): _always_differs,
    ("parameter", "explode"): _always_differs,
    ("parameter", "allowReserved"): _always_differs,
    ("parameter", "allowEmptyValue"): _marks(when_set=WIDENS, when_removed=NARROWS),
    ("header", "required"): _marks(when_set=NARROWS, when_removed=WIDENS),
    ("status", "links"): lambda before, _: ADDS if before is None else DIFFERS,
    ("variable", "default"): _always_differs,
    ("variable", "allowed values"): lambda before, after: effect_of(
        before, after, INCLUDES["allowed values"]
    ),
}
"""The effects of clauses that are no keywords of schemas, by two different values. None is no value."""


def _clause_effect(kind: Kind, clause: str, before: Any, after: Any) -> Effect:
    if rule := RULES.get((kind, clause)):
        return rule(before, after)
    return NONE if clause in HARMLESS or clause.startswith("x-page ") else UNKNOWN


def rate_parameter(clause: str, before: Any, after: Any) -> Rating:
    """Rate a clause of a parameter by its two different values. None is no value."""
    effect = (
        _clause_effect("parameter", clause, before, after)
        if clause == "required"
        else keyword_effect(clause, before, after)
    )
    return effect.request


def _node_changes(key: Key, old: Mapping[Key, Node], new: Mapping[Key, Node]) -> Iterator[Change]:
    before, after = old.get(key), new.get(key)
    around = key[:-1]
    if before and after:
        for what, was, now, effect in _differences(before, after):
            rating = effect.reply if after.is_reply else effect.request
            name = what.removeprefix("x-")
            yield Change(after.endpoint, _describe(key), name, was, now, rating, "harmless")
    elif not around or (around in old and around in new):  # else the node around it was added or removed
        if after:
            value = REQUIRED if after.kind == "parameter" and after.clauses["required"] else None
            yield Change(
                after.endpoint, _describe(key), "added", None, value, _rate_added(key, after), "harmless"
            )
        elif before:
            yield Change(before.endpoint, _describe(key), "removed", None, None, "breaking", "harmless")


def _differences(before: Node, after: Node) -> Iterator[tuple[str, Any, Any, Effect]]:
    for clause in {**before.clauses, **after.clauses}:
        values = before.clauses.get(clause), after.clauses.get(clause)
        if as_json(values[0]) != as_json(values[1]):
            yield clause, *values, _clause_effect(after.kind, clause, *values)
    is_required = bool(before.clauses.get("required") and after.clauses.get("required"))
    # A parameter's keyword stands alone. That of a media type or a header says that it is about the schema.
    place = () if after.kind == "parameter" else ("schema",)
    for each in compare_schemas(before.schema, after.schema, is_required=is_required):
        yield " ".join((*place, *each.place)), each.before, each.after, each.effect


def _rate_added(key: Key, node: Node) -> Rating:
    """Rate a new node. OpenAPI expects that a document lists every success, and not every error."""
    is_success = node.kind == "status" and key[-1].removeprefix("status ")[0] in "123"
    is_required = node.kind == "parameter" and node.clauses["required"]
    return "breaking" if is_success or is_required else "additive"


def _describe(key: Key) -> str:
    return ", ".join(key[1:])
