"""Compare a second page of a model, in another layout, with the contract that the first was written into.

The vendor has moved its pages from one layout to another, and each states what the other leaves open. The
spec stays what the first page says. What the second says beyond it becomes actions of the observed overlay,
of grade vendor. Where the two differ, the second's value stands beside the first's, or a person must decide.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from segmind_sd3_pipeline.generate.parameters import known_values
from segmind_sd3_pipeline.pages.comparison import (
    LocatedDifference,
    json_text,
    place_of,
    reading_differences,
)
from segmind_sd3_pipeline.pages.contract import write_files
from segmind_sd3_pipeline.pages.facts import recorded_facts, recorded_second_facts
from segmind_sd3_pipeline.pages.new_spec import SHARED, headers_of
from segmind_sd3_pipeline.pages.overlays import OBSERVED, action_names, add_actions, remove_actions
from segmind_sd3_pipeline.pages.places import Places
from segmind_sd3_pipeline.pages.properties import ORDER, UnsupportedParameter, property_of, same_json
from segmind_sd3_pipeline.pages.spec_editor import CanNotSync
from segmind_sd3_pipeline.spec.bundle import bundle, operations, request_schema
from segmind_sd3_pipeline.spec.layers import read_layers
from segmind_sd3_pipeline.spec.names import named_operations

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from segmind_sd3_pipeline.pages.facts import Facts
    from segmind_sd3_pipeline.spec.documents import Document
    from segmind_sd3_pipeline.spec.layers import Layers

Outcome = Literal["added", "put beside", "by hand"]

OWN: Final = "second-page"
"""How the names of the actions begin that come from a second page."""

BOUNDS: Final = ("minimum", "maximum", "multipleOf")
AMOUNT: Final = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Row:
    """One fact in which the second page says more than the first, or otherwise, and what becomes of it."""

    fact: str
    first: object
    second: object
    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """The page that actions come from."""

    operation_id: str
    evidence: str

    def action(self, name: str, target: str, update: Document, expected: Document | None = None) -> Document:
        return {
            "target": target,
            "x-id": f"{OWN}-{self.operation_id}:{name}",
            "x-grade": "vendor",
            "x-evidence": self.evidence,
            **({"x-expect": expected} if expected else {}),
            "update": update,
        }


@dataclass(slots=True)
class Node:
    """What a second page says of one node of the contract.

    Attributes:
        target: The JSONPath of the node.
        documented: The node as the first page has it.
        observed: The node with all other observations.
        added: The keywords to add.
        beside: The keywords whose other value is put beside the first page's.
    """

    name: str
    target: str
    documented: Document
    observed: Document
    rows: list[Row]
    added: Document = field(default_factory=dict[str, Any])
    beside: Document = field(default_factory=dict[str, Any])

    def add(self, keyword: str, value: object) -> None:
        """Add a keyword that nothing documented or observed has."""
        self.added[keyword] = value
        self._note(keyword, value, "added")

    def put_beside(self, keyword: str, value: object) -> None:
        """Put a value beside another, unless an observation already does."""
        seen = self.observed.get("x-observed", {})
        if keyword in seen and same_json(seen[keyword], value):
            return
        if seen and (keyword in seen or seen["x-grade"] != "vendor"):
            self.leave(keyword, value, f"an action of grade {seen['x-grade']} already observes this place")
            return
        self.beside[keyword] = value
        self._note(keyword, value, "put beside")

    def leave(self, keyword: str, value: object, reason: str) -> None:
        """Leave a difference to a person."""
        self._note(keyword, value, "by hand", reason)

    def _note(self, keyword: str, value: object, outcome: Outcome, reason: str = "") -> None:
        first = self.documented.get(keyword, self.documented.get(f"x-documented-{keyword}"))
        self.rows.append(Row(f"{self.name}.{keyword}", first, value, outcome, reason))

    def actions(self, source: Source) -> list[Document]:
        """Return the action that makes the node say all this, if there is any."""
        if not self.added and not self.beside:
            return []
        expected = {
            keyword: self.documented[keyword] for keyword in self.beside if keyword in self.documented
        }
        update = dict(self.added)
        if self.beside:
            update["x-observed"] = {**self.beside, "x-grade": "vendor"}
        # An action that changes what a page says needs the value that it was written against.
        if self.beside and not expected:
            expected = {"type": self.documented["type"]} if "type" in self.documented else {}
        return [source.action(self.name, self.target, update, expected)]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a second page says beyond the contract: the differences, and the actions that take them in."""

    rows: tuple[Row, ...]
    actions: tuple[Document, ...]


def is_second(facts: Facts, first: Facts | None) -> bool:
    """Return whether a page is in the other family of layouts than the page that a spec is written from."""
    return first is not None and ("layout" in facts) != ("layout" in first)


def uncovered(facts: Facts, folder: Path) -> Comparison:
    """Compare a second page with a contract that may hold its actions already.

    No row is of what they cover. What is left to a person is in a row always.

    Raises:
        CanNotSync: The page is of another address or method.
        ContractError: The contract can't be used.
    """
    _require_one_address(facts, folder)
    return compare(facts, read_layers(folder), "")


def second_differences(facts: Facts, folder: Path, comparison: Comparison) -> list[LocatedDifference]:
    """List what the contract lacks of a second page, and what the page no longer says."""
    slug = facts["slug"]
    lacking = [
        LocatedDifference(
            row.fact,
            None if row.second is None else json_text(row.second),
            None if row.first is None else json_text(row.first),
            place_of(folder, slug, f"attributes.{row.fact}"),
        )
        for row in comparison.rows
        if row.outcome != "by hand"
    ]
    before = recorded_second_facts(folder, slug)
    if lacking or before is None:
        return lacking
    del before["saved"]
    recorded = Places(folder / "facts" / "second" / f"{slug}.json")
    return [
        LocatedDifference(each.fact, each.page, each.spec, recorded.find((each.fact,)))
        for each in reading_differences(before, facts)
    ]


def take_in(facts: Facts, folder: Path, day: str) -> tuple[dict[Path, str], Comparison]:
    """Return the new texts of the observed overlay and of the recorded facts, and the comparison.

    The actions of an earlier second page are replaced. The folder is a copy: the overlay is written into it
    without them meanwhile.

    Raises:
        CanNotSync: The page is of another address or method.
        ContractError: The contract can't be used.
    """
    slug, overlay = facts["slug"], folder / OBSERVED
    _require_one_address(facts, folder)
    before = recorded_second_facts(folder, slug)
    if before and before["digest"] == facts["digest"]:
        day = before["saved"]
    text = overlay.read_text("utf-8")
    (operation_id,) = (each.id for each in operations(bundle([folder / f"{slug}.yaml"])))
    own = [name for name in action_names(text) if name.startswith(f"{OWN}-{operation_id}:")]
    others = remove_actions(text, own, ()) if own else text
    write_files({overlay: others})
    comparison = compare(facts, read_layers(folder), day)
    file = folder / "facts" / "second" / f"{slug}.json"
    recorded = json.dumps({**facts, "saved": day}, indent=2, ensure_ascii=False) + "\n"
    return {overlay: add_actions(others, comparison.actions), file: recorded}, comparison


def _require_one_address(facts: Facts, folder: Path) -> None:
    first = recorded_facts(folder, facts["slug"]) or {}
    for fact in ("method", "url", "auth_header"):
        if fact in facts and first.get(fact, facts[fact]) != facts[fact]:
            raise CanNotSync(
                f"{facts['slug']}: the two pages are not of one endpoint: the {fact} of this one is "
                f"{facts[fact]}, and of the other {first[fact]}. Leave one out."
            )


def compare(facts: Facts, layers: Layers, day: str) -> Comparison:
    """Compare a second page with the layers of a contract, which hold no action of that page yet."""
    (operation,) = (each for each in named_operations(layers) if each.slug == facts["slug"])
    (_, schema), (model, observed) = (
        request_schema(document, operation) for document in (layers.documented, layers.observed)
    )
    first, seen = (
        document["paths"][operation.path][operation.method]
        for document in (layers.documented, layers.observed)
    )
    source = Source(
        operation.id,
        f"The vendor's page of this model in the layout {facts.get('layout', 'A')}, saved {day} "
        f"({facts['digest'][:19]}), says so.",
    )
    rows: list[Row] = []
    body = Node("body", f"$.components.schemas.{model}", schema, observed, rows)
    actions = [
        action
        for attribute in facts["attributes"]
        for action in _parameter(attribute, facts["sample"]["values"], body, source)
    ]
    _compare_parameter_sets(facts, body)
    path = f"$.paths['{operation.path}'].{operation.method}"
    whole = Node("operation", path, first, seen, rows)
    _compare_operation(facts, whole)
    replies = Node("replies", f"{path}.responses", first["responses"], seen["responses"], rows)
    _compare_replies(facts, replies, layers.observed)
    actions += [action for node in (body, whole, replies) for action in node.actions(source)]
    return Comparison(tuple(rows), tuple(actions))


# -- Parameters -------------------------------------------------------------------------------------------


def _parameter(attribute: Facts, sample: Mapping[str, Any], body: Node, source: Source) -> list[Document]:
    """Compare one parameter. Return its actions."""
    name = attribute["name"]
    try:
        new = property_of(attribute, sample.get(name), {})
    except UnsupportedParameter as problem:
        body.rows.append(Row(name, None, attribute["type"], "by hand", str(problem)))
        return []
    target = f"{body.target}.properties['{name}']"
    if name not in body.documented["properties"]:
        reason = "the other page has no such parameter; until the spec has it, `extra` sends it"
        body.rows.append(Row(name, None, _words_of(attribute), "by hand", reason))
        return []
    old, seen = body.documented["properties"][name], body.observed["properties"][name]
    node = Node(name, target, old, seen, body.rows)
    if new["type"] != old["type"]:
        node.leave("type", new["type"], "the spec's type is what is sent")
        return []
    _compare_bounds(new, node)
    _compare_defaults(attribute, new, node)
    for keyword in ("x-affects-pricing", "x-retired", "x-instead"):
        if keyword in new and keyword not in seen:
            node.add(keyword, new[keyword])
    lists = _compare_values(new, node, source)
    node.added = {keyword: node.added[keyword] for keyword in (*ORDER, "anyOf") if keyword in node.added}
    return [*node.actions(source), *lists]


def _words_of(attribute: Facts) -> str:
    return attribute["type"] + (" (required)" if attribute.get("required") else "")


def _compare_bounds(new: Document, node: Node) -> None:
    for bound in BOUNDS:
        if bound not in new or new[bound] == node.documented.get(bound):
            continue
        if bound in node.documented:
            node.put_beside(bound, new[bound])
        elif bound not in node.observed:
            node.add(bound, new[bound])


def _compare_defaults(attribute: Facts, new: Document, node: Node) -> None:
    old, is_required = node.documented, attribute.get("required", False)
    may_be_none = old.get("x-documented-default") == 1
    if "no_default" in attribute:
        if may_be_none:
            node.put_beside("omitted", "nothing")
        elif "default" in old:
            node.put_beside("default", None)
    elif "default" in new:
        _compare_default(new["default"], node)
    elif "x-documented-default" in new:
        # Of a required parameter it is a value for the sample. A 1 may stand for an empty default.
        is_vague = new["x-documented-default"] == 1 and not old.get("default")
        is_same = same_json(new["x-documented-default"], old.get("x-documented-default"))
        if not (is_required or is_vague or is_same):
            node.leave("default", new["x-documented-default"], "it is none that can be sent")
    elif "default" in old and not is_required:
        node.leave("default", None, "the page names none, and the other page does")


def _compare_default(value: object, node: Node) -> None:
    if any(
        "default" in each and same_json(each["default"], value) for each in (node.documented, node.observed)
    ):
        return
    if "default" in node.observed:
        node.put_beside("default", value)
    else:
        node.add("default", value)


def _compare_values(new: Document, node: Node, source: Source) -> list[Document]:
    values: list[Any] = new.get("enum", new.get("x-documented-values", []))
    if not values:
        return []
    if new["type"] != "string":
        if not same_json(values, node.documented.get("x-documented-values")):
            node.put_beside("values", values)
        return []
    if "enum" in node.documented:
        if sorted(values) != sorted(node.documented["enum"]):
            node.put_beside("enum", values)
        return []
    fresh = [value for value in values if value not in known_values(node.observed)]
    if not fresh:
        return []
    node.rows.append(Row(f"{node.name}.values", known_values(node.observed), fresh, "added"))
    listed = {"type": "string", "enum": fresh}
    if "anyOf" not in node.observed:
        node.added["anyOf"] = [listed, {"type": "string"}]
        return []
    return [source.action(f"{node.name}.values", f"{node.target}.anyOf", listed)]


def _compare_parameter_sets(facts: Facts, body: Node) -> None:
    """Compare which parameters there are, and which are required."""
    stated = {each["name"]: each.get("required", False) for each in facts["attributes"]}
    for name, old in body.documented["properties"].items():
        if name not in stated:
            body.rows.append(Row(name, old["type"], None, "by hand", "the page has no such parameter"))
    required: list[str] = body.documented.get("required", [])
    now = [name for name in body.documented["properties"] if stated.get(name, name in required)]
    if sorted(now) != sorted(required):
        body.put_beside("required", now)


# -- The operation and its replies ------------------------------------------------------------------------


def _compare_operation(facts: Facts, node: Node) -> None:
    for name in ("returns", "seconds", "price", "queue"):
        if name in facts and f"x-documented-{name}" not in node.documented:
            node.put_beside(name, facts[name])
    for name in ("retired", "instead"):
        if name in facts and f"x-{name}" not in node.observed:
            node.add(f"x-{name}", facts[name])
    price = usd_of(facts)
    listed = node.observed.get("x-usd-per-picture")
    if price and listed is None:
        node.add("x-usd-per-picture", price)
    elif price and price != listed:
        node.leave("x-usd-per-picture", price, f"the contract has {listed}, from another source")


def usd_of(facts: Mapping[str, Any]) -> float | None:
    """Return the highest price that a page prints, in US dollars; None for no price and for a price of 0."""
    amounts = [float(each) for each in AMOUNT.findall(facts.get("price", ""))]
    return max(amounts, default=0) or None


def _compare_replies(facts: Facts, node: Node, document: Document) -> None:
    for status in facts.get("statuses", ()):
        code, name = str(status["code"]), status["name"]
        known = node.documented.get(code, {})
        if "$ref" in known:
            known = document["components"]["responses"][known["$ref"].rpartition("/")[2]]
        if code not in node.observed:
            node.add(code, {"description": f"{name}."})
        elif known.get("x-documented-name", name).casefold() != name.casefold():
            node.leave(code, name, f"the other page names it {known['x-documented-name']}")
    success = node.observed["200"]
    kinds = [kind for kind in facts.get("reply", "").split() if kind not in success.get("content", {})]
    content: Document = {kind: {} for kind in kinds}
    headers: Document = {
        name: {key: value.removeprefix(SHARED) if key == "$ref" else value for key, value in each.items()}
        for name, each in headers_of(facts).items()
        if name not in success.get("headers", {})
    }
    update: Document = {key: value for key, value in (("content", content), ("headers", headers)) if value}
    if update:
        node.add("200", update)
