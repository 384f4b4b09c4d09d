"""Make every single-fact mutant of a page in any layout, from its facts.

A mutant is the facts of a page with one of them changed, removed or added. Its page is written from them
(`page_writer`), so each layout that is read has mutants.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_pipeline.pages.facts import JSON_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segmind_sd3_pipeline.pages.facts import Facts

OTHER: Final = "sha256:other-{}"
"""A digest for which the writer has other words."""

OTHER_TYPE: Final = {
    "int": "float",
    "float": "int",
    "str": "int",
    "image": "str",
    "enum:str": "str",
    "integer": "number",
    "number": "integer",
    "string": "string (uri)",
    "string (uri)": "string",
}
NUMERIC: Final = ("int", "float", "integer", "number")
PARAMETER_TYPES: Final = {
    "int": "integer",
    "float": "number",
    "str": "string",
    "enum:str": "string",
    "enum:int": "integer",
    "image": "string (uri)",
    "bool": "boolean",
    "boolean": "boolean",
}
LANGUAGES: Final = {
    **dict.fromkeys(("A-flat-js", "B", "C", "M"), "javascript"),
    **dict.fromkeys(("A-flat-py", "A-lines", "N", "N2"), "python"),
}
NOT_IN_N: Final = ("reply", "headers")


@dataclass(frozen=True, slots=True)
class FactMutant:
    """The facts of a page with one fact changed, and the path of that fact."""

    name: str
    fact: str
    facts: Facts


def in_layout(facts: Facts, layout: str) -> Facts:
    """Return the facts of a page of the A family as a page in another layout states them."""
    language = LANGUAGES.get(layout, facts["sample"]["language"])
    facts = {**facts, "sample": {**facts["sample"], "language": language}}
    if layout not in {"N", "N2"}:
        return facts
    values = facts["sample"]["values"]
    attributes = [_parameter(each, values.get(each["name"])) for each in facts["attributes"]]
    order = list(values)
    attributes.sort(key=lambda each: order.index(each["name"]) if each["name"] in order else len(order))
    for each in attributes:
        if each["name"] not in values:
            each.pop("required", None)
    stated = {name: value for name, value in facts.items() if name not in NOT_IN_N}
    if layout == "N2":
        stated.pop("auth_header")
        stated["queue"] = f"POST /v2/{facts['slug']}"
    return {
        **stated,
        "layout": layout,
        "returns": "Image",
        "seconds": "~4.20s",
        "price": "~$0.003",
        "attributes": attributes,
        "statuses": [each for each in facts["statuses"] if each["code"] != 200],
        "prose": {**facts["prose"], "credits": ""},
    }


def _parameter(attribute: Facts, sample: Any) -> Facts:
    """Return a parameter as a page of the N family states it."""
    kind = PARAMETER_TYPES[attribute["type"]]
    made = {name: value for name, value in attribute.items() if name not in {"affects_pricing", "type"}}
    made["type"] = kind
    values = made.pop("allowed_values", None)
    if kind == "boolean" and "default" in made:
        made["default"] = "false"
    if made.get("default") == "None":
        del made["default"]
        made["no_default"] = "null"
    if values:
        made["allowed_values"] = values if kind == "string" else [int(value) for value in values]
    elif values is not None:
        known = [value for value in (made.get("default"), sample) if isinstance(value, str)]
        made["allowed_values"] = list(dict.fromkeys([*known, "calm", "DPM++ 2M, or so"]))
        made["values_more"] = "3"
    return made


def fact_mutants(facts: Facts) -> Iterator[FactMutant]:
    """Yield every mutant of these facts."""
    for at, attribute in enumerate(facts["attributes"]):
        yield from _attribute_mutants(facts, at, attribute)
    for at, status in enumerate(facts["statuses"]):
        yield from _status_mutants(facts, at, status)
    yield from _sample_mutants(facts)
    yield from _page_mutants(facts)


def _attribute_mutants(facts: Facts, at: int, attribute: Facts) -> Iterator[FactMutant]:
    name, listed = attribute["name"], facts["attributes"]
    for what, changed in _changed_attributes(attribute, is_json="layout" in facts):
        fact = "attributes" if what == "name" else f"attributes.{name}.{what}"
        attributes = [*listed[:at], changed, *listed[at + 1 :]]
        yield FactMutant(f"{name}: {what}", fact, {**facts, "attributes": attributes})
    kind = "integer" if "layout" in facts else "int"
    added: Facts = {"name": "tomorrow", "type": kind, "default": "7", "description": OTHER.format("new")}
    for what, attributes in {
        "removed": [*listed[:at], *listed[at + 1 :]],
        "another before it": [*listed[:at], added, *listed[at:]],
        "below the next": [*listed[:at], *listed[at + 1 : at + 2], attribute, *listed[at + 2 :]],
    }.items():
        # In the N family the sample's order is the order.
        if [each["name"] for each in attributes] != [each["name"] for each in listed] and not (
            what == "below the next" and "layout" in facts
        ):
            yield FactMutant(f"{name}: {what}", "attributes", {**facts, "attributes": attributes})


def _changed_attributes(attribute: Facts, *, is_json: bool) -> Iterator[tuple[str, Facts]]:
    def without(*names: str) -> Facts:
        return {name: value for name, value in attribute.items() if name not in names}

    kind = attribute["type"]
    yield "name", {**attribute, "name": f"{attribute['name']}_2"}
    yield "type", _with_type(attribute, OTHER_TYPE.get(kind, "string" if is_json else "str"))
    yield "required", without("required") if attribute.get("required") else {**attribute, "required": True}
    yield from _changed_defaults(attribute, without("default", "no_default"), is_json=is_json)
    if kind in NUMERIC and "bounds_from" not in attribute:
        yield from _changed_bounds(attribute, is_json=is_json)
    elif "bounds_from" in attribute:
        for name in ("min", "max", "multiple_of"):
            if name in attribute:
                yield name, {**attribute, name: f"{attribute[name]}1" if name == "max" else "2"}
    if not is_json:
        yield "affects_pricing", {**attribute, "affects_pricing": not attribute.get("affects_pricing")}
    if "description" in attribute:
        yield "description", {**attribute, "description": OTHER.format("words")}
        yield "description", without("description", "bounds_from", "retired", "instead")
        yield "retired", {**attribute, "retired": "discontinued"}
        yield "instead", {**attribute, "retired": "deprecated", "instead": "other_one"}
    if "allowed_values" in attribute:
        yield from _changed_values(
            attribute, without("allowed_values", "values_more", "values_total"), is_json=is_json
        )


def _with_type(attribute: Facts, kind: str) -> Facts:
    """Return a parameter with another type and the same default, which may then not be of the type."""
    changed = {**attribute, "type": kind}
    was, now = (JSON_WORDS.get(each, each) for each in (attribute["type"], kind))
    if "default" in attribute and was != now and now in {"string", "integer"} and was != "int":
        is_whole = was == "number" and attribute["default"].lstrip("-").isdigit()
        if kind in JSON_WORDS and not (now == "integer" and is_whole):
            changed["default_type"] = was
    return changed


def _changed_defaults(attribute: Facts, without: Facts, *, is_json: bool) -> Iterator[tuple[str, Facts]]:
    if "default" in attribute:
        other = {"false": "true", "true": "false"}.get(attribute["default"], f"{attribute['default']}1")
        yield "default", {**attribute, "default": other}
        yield "default", without
        if is_json:
            yield "no_default", {**without, "no_default": "null"}
            kind = "boolean" if attribute["type"] != "boolean" else "integer"
            yield (
                "default_type",
                {**attribute, "default": "true" if kind == "boolean" else "1", "default_type": kind},
            )
    elif is_json:
        added = {"boolean": "true", "integer": "7", "number": "0.25"}.get(attribute["type"], "another")
        yield "default", {**without, "default": added}
        if "no_default" in attribute:
            yield "no_default", without
    else:
        yield "default", {**attribute, "default": "another"}


def _changed_bounds(attribute: Facts, *, is_json: bool) -> Iterator[tuple[str, Facts]]:
    for bound in ("min", "max"):
        other = {"min": "-7", "max": f"{attribute.get('max', '9')}1"}[bound]
        if bound in attribute:
            yield bound, {**attribute, bound: other}
        if is_json:
            continue  # a range has both
        yield (
            bound,
            (
                {name: value for name, value in attribute.items() if name != bound}
                if bound in attribute
                else {**attribute, bound: "3"}
            ),
        )
    if is_json:
        both = {name: value for name, value in attribute.items() if name not in {"min", "max"}}
        yield "max", both if "max" in attribute else {**attribute, "min": "-7", "max": "9001"}


def _changed_values(attribute: Facts, without: Facts, *, is_json: bool) -> Iterator[tuple[str, Facts]]:
    values = attribute["allowed_values"]
    yield "allowed_values", {**attribute, "allowed_values": [*values, "first value"]}
    yield "allowed_values", {**attribute, "allowed_values": [*values, "first value", "second"]}
    yield "allowed_values", without
    for at in range(len(values)):
        if left := [*values[:at], *values[at + 1 :]]:
            yield "allowed_values", {**attribute, "allowed_values": left}
    if is_json:
        yield "values_more", {**attribute, "values_more": "14"}
        yield "values_more", {name: value for name, value in attribute.items() if name != "values_more"}
        yield "values_total", {**attribute, "values_total": "13"}


def _status_mutants(facts: Facts, at: int, status: Facts) -> Iterator[FactMutant]:
    code, listed = status["code"], facts["statuses"]
    for what, statuses in {
        "statuses": [*listed[:at], {**status, "code": code + 20}, *listed[at + 1 :]],
        f"statuses.{code}.name": [*listed[:at], {**status, "name": "Quite Another"}, *listed[at + 1 :]],
        f"statuses.{code}.description": [
            *listed[:at],
            {**status, "description": OTHER.format("words")},
            *listed[at + 1 :],
        ],
    }.items():
        yield FactMutant(f"{code}: {what}", what, {**facts, "statuses": statuses})
    if len(listed) > 1:
        yield FactMutant(
            f"{code}: removed", "statuses", {**facts, "statuses": [*listed[:at], *listed[at + 1 :]]}
        )
    added = {"code": 418, "name": "Too Many", "description": "a digest"}
    yield FactMutant(
        f"{code}: another above", "statuses", {**facts, "statuses": [*listed[:at], added, *listed[at:]]}
    )


def _sample_mutants(facts: Facts) -> Iterator[FactMutant]:
    values = facts["sample"]["values"]
    for name, value in values.items():
        for what, fact, changed in (
            ("value", name, {**values, name: _other_value(value)}),
            ("key", name, {(f"{key}_2" if key == name else key): each for key, each in values.items()}),
            ("removed", name, {key: each for key, each in values.items() if key != name}),
            ("another", "tomorrow", {**values, "tomorrow": 7}),
        ):
            sample = {**facts["sample"], "values": changed}
            yield FactMutant(f"sample {name}: {what}", f"sample.{fact}", {**facts, "sample": sample})


def _other_value(value: Any) -> Any:
    match value:
        case {"code": code}:
            return {"code": code.replace("(", "2(", 1)}
        case bool():
            return not value
        case str() if value.startswith("sha256:"):
            return OTHER.format("words")
        case str():
            return f"Z{value}"
        case None:
            return 1
        case _:
            return value * 10 + 1


def _page_mutants(facts: Facts) -> Iterator[FactMutant]:
    host = facts["url"].split("/")[2]
    slug = facts["slug"]
    changes: list[tuple[str, Facts]] = [
        ("method", {"method": "PUT"}),
        ("url", {"url": facts["url"].replace(host, f"eu.{host}")}),
        ("url", {"url": facts["url"].replace("/v1/", "/v2/")}),
        ("slug", {"slug": f"{slug}-2", "url": f"{facts['url']}-2", **_queue_of(facts, f"{slug}-2")}),
        ("retired", {"retired": "deprecated"}),
        ("instead", {"retired": "deprecated", "instead": "sd4-large"}),
    ]
    for name, other in (
        ("auth_header", "x-other-key"),
        ("reply", "image/png"),
        ("headers", ["x-remaining-credits", "x-other"]),
        ("returns", "Text/JSON"),
        ("seconds", "~5.20s"),
        ("price", "$0.003 - $0.3"),
        ("queue", f"PUT /v2/{slug}"),
    ):
        if name in facts:
            changes.append((name, {name: other}))
    changes += [(name, {name: None}) for name in ("seconds", "price") if name in facts]
    changes += [
        (f"prose.{name}", {"prose": {**facts["prose"], name: OTHER.format("words")}})
        for name in ("rest", "sample", *(() if "layout" in facts else ("credits",)))
    ]
    if "layout" not in facts:
        language = "python" if facts["sample"]["language"] == "javascript" else "javascript"
        changes.append(("sample.language", {"sample": {**facts["sample"], "language": language}}))
    for fact, change in changes:
        changed = {name: value for name, value in {**facts, **change}.items() if value is not None}
        yield FactMutant(fact, fact, changed)


def _queue_of(facts: Facts, slug: str) -> Facts:
    return {"queue": f"POST /v2/{slug}"} if "queue" in facts else {}
