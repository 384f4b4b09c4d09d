"""Read the parameters of a page.

Each parameter has a header, such as `seedint ( default: -1 )`, then a description, bounds and allowed values.
The header joins name and type without a space. If it begins with a key of the sample, the rest is the type.
Otherwise the type is the longest known type that the header ends with. No page lists allowed values yet.
The reader accepts one value a line, or values separated by commas.
"""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_pipeline.pages.nesting import Listed, nest, objects_in
from segmind_sd3_pipeline.pages.page_error import Line, PageError
from segmind_sd3_pipeline.pages.words import NUMBER, bounds_in_words, parameter_retirement

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from segmind_sd3_pipeline.pages.facts import Facts

CONTAINERS: Final = ("array", "list", "object", "dict")
NUMBERS: Final = ("int", "float", "integer", "number")
TYPES: Final = (
    *("str", "bool", "boolean", "image", "enum:str", "enum:int", "enum:float", *NUMBERS),
    *("string", "Array", "array", "list", "object", "dict", "file", "url", "video", "audio"),
)
"""The type names that pages use, and others that they may use later."""

HEADER: Final = re.compile(
    r"(?P<glued>[A-Za-z_][\w:-]*)(?:\s+(?P<type>[a-z]+(?::[a-z]+)?))?(?P<required>\s*\*)?"
    r"(?:\s*\(\s*default\s*:\s?(?P<default>.*?)\s?\))?(?P<pricing>\s+Affects Pricing)?"
)
BOUND: Final = re.compile(r"(min|max)\s*:\s*(.*?),?", re.IGNORECASE)
RULE: Final = re.compile(r"[a-z][a-z_ ]{0,20} : \S+")
"""The layout of a rule, such as a bound. A line with this layout is never part of a description."""

PRICING: Final = "Affects Pricing"
ALLOWED: Final = re.compile(r"Allowed values\s*:\s*(.*)", re.IGNORECASE)
MAX_VALUE_CHARS: Final = 60

ORDER: Final = (
    *("name", "type", "required", "default", "default_type", "no_default", "min", "max"),
    *("multiple_of", "bounds_from", "allowed_values", "values_total", "values_more", "values_as_printed"),
    *("affects_pricing", "retired", "instead", "members", "description"),
)


def read_attributes(
    lines: list[Line], values: Mapping[str, Any], *, repeats_min: bool = False
) -> tuple[list[Facts], dict[str, list[Line]]]:
    """Return the parameters, with descriptions as text, and the unknown sections between them.

    Args:
        lines: The lines below the heading.
        values: The sample's values. Their names tell a parameter from a word of a description.
        repeats_min: The page writes `min` for both bounds, the lower one first.

    Raises:
        PageError: A line is not understood, or a parameter occurs twice.
    """
    unknown: dict[str, list[Line]] = {}
    body: list[Line] | None = None
    keys = _names_in(values)
    blanks = 2
    has_blanks = any(not one.text and not other.text for one, other in pairwise(lines))
    bodies: list[tuple[Listed, list[Line]]] = []
    for line in lines:
        if not line.text:
            blanks += 1
            continue
        if header := _header(line.text, keys, stands_apart=blanks >= 2):
            body = []
            bodies.append((Listed(header, line.number, header["type"].lower() in CONTAINERS), body))
        elif body is not None and not _is_description(line):
            body.append(line)
        elif blanks >= 2 and _is_heading(line.text):
            body = unknown.setdefault(line.text, [line])
        elif body is None or blanks >= 2:
            raise PageError(
                "attributes",
                line.number,
                "a parameter's name and type, as seedint ( default: -1 )",
                line.text,
            )
        elif not has_blanks and _header(line.text, keys, stands_apart=True):
            # Without blank lines, `seedint` may be a parameter or a word of the description above it.
            raise PageError(
                "attributes",
                line.number,
                "blank lines between parameters, or the name in the sample",
                line.text,
            )
        else:
            body.append(line)
        blanks = 0
    if not bodies:
        raise PageError("attributes", lines[0].number if lines else 0, "one parameter at least", "nothing")
    for attribute, body_lines in bodies:
        _read_body(attribute.facts, body_lines, repeats_min=repeats_min)
    attributes = nest((each for each, _ in bodies), values, is_settled_by_layout=True)
    return [in_order(each) for each in attributes], unknown


def in_order(attribute: Facts) -> Facts:
    """Return the facts of a parameter, and of those inside it, in their order."""
    if "members" in attribute:
        attribute["members"] = [in_order(each) for each in attribute["members"]]
    return {key: attribute[key] for key in ORDER if key in attribute}


def _names_in(value: object) -> set[str]:
    """Return the keys of a sample at every depth."""
    objects = objects_in(value)
    return {name for each in objects for name in each}.union(
        *(_names_in(inside) for each in objects for inside in each.values())
    )


def _header(text: str, keys: Collection[str], *, stands_apart: bool) -> Facts | None:
    found = HEADER.fullmatch(text)
    if not found:
        return None
    is_marked = any(found[mark] is not None for mark in ("required", "default", "pricing"))
    split = _split_name_and_type(found["glued"], found["type"], keys, may_be_new=stands_apart or is_marked)
    if not split or not (stands_apart or is_marked or split[0] in keys):
        return None
    header: Facts = {"name": split[0], "type": split[1]}
    if found["required"]:
        header["required"] = True
    if found["default"] is not None:
        header["default"] = found["default"]
    if found["pricing"]:
        header["affects_pricing"] = True
    return header


def _split_name_and_type(
    glued: str, kind: str | None, keys: Collection[str], *, may_be_new: bool
) -> tuple[str, str] | None:
    """Split a header into name and type."""
    if kind:
        return (glued, kind) if glued in keys or (may_be_new and kind in TYPES and glued.islower()) else None
    prefixed = [(key, glued.removeprefix(key)) for key in keys if glued.startswith(key) and glued != key]
    known = [pair for pair in prefixed if pair[1] in TYPES]
    if not known and may_be_new:
        known = [(glued.removesuffix(each), each) for each in TYPES if glued.endswith(each) and glued != each]
        known = [pair for pair in known if re.fullmatch(r"[a-z_]\w*", pair[0])]
        if not known:
            known = [pair for pair in prefixed if re.fullmatch(r"[a-z][a-z0-9]*(:[a-z]+)?", pair[1])]
        return max(known, key=lambda pair: len(pair[1]), default=None)
    return max(known, key=lambda pair: len(pair[0]), default=None)


def _is_heading(text: str) -> bool:
    is_title = text[0].isupper() and "default" not in text and not text.endswith("*") and len(text) <= 80
    return is_title or "cookie" in text.lower()


def _read_body(attribute: Facts, lines: list[Line], *, repeats_min: bool) -> None:
    """Add what follows the header: the description first, then bounds and allowed values in any order."""
    name, description = attribute["name"], [line.text for line in takewhile(_is_description, lines)]
    for line in lines[len(description) :]:
        bound, allowed = BOUND.fullmatch(line.text), ALLOWED.fullmatch(line.text)
        if bound and re.fullmatch(NUMBER, bound[2]) and bound[1].lower() not in attribute:
            attribute[bound[1].lower()] = bound[2]
        elif bound and repeats_min and "max" not in attribute and is_number_above(bound[2], attribute["min"]):
            attribute["max"] = bound[2]
        elif allowed and "allowed_values" not in attribute:
            attribute["allowed_values"] = _split_values(allowed[1], line)
        elif _is_description(line) and "allowed_values" in attribute:
            attribute["allowed_values"] += _split_values(line.text, line)
        elif line.text == PRICING and "affects_pricing" not in attribute:
            attribute["affects_pricing"] = True
        else:
            raise PageError(
                "attributes", line.number, f"min, max or allowed values of {name}, once", line.text
            )
    values = attribute.get("allowed_values", [])
    if len(set(values)) != len(values):
        raise PageError("attributes", lines[-1].number, f"each value of {name} once", ", ".join(values))
    if description:
        attribute["description"] = "\n".join(description)
        add_facts_in_words(attribute, attribute["description"])


def is_number_above(text: str, least: str) -> bool:
    """Return whether a text is a number that is not below another."""
    return re.fullmatch(NUMBER, text) is not None and Fraction(least) <= Fraction(text)


def _is_description(line: Line) -> bool:
    rules = (BOUND, ALLOWED, RULE)
    return line.text != PRICING and not any(rule.fullmatch(line.text) for rule in rules)


def _split_values(text: str, line: Line) -> list[str]:
    values = [value.strip().strip("\"'`") for value in re.sub(r"^[\u2022*]\s*|^-\s+", "", text).split(",")]
    values = [value for value in values if value]
    if any(len(value) > MAX_VALUE_CHARS or value.endswith(".") for value in values):
        raise PageError("attributes", line.number, "an allowed value, one a line or with commas", line.text)
    return values


def add_facts_in_words(attribute: Facts, text: str) -> None:
    """Add the bounds and the retirement that a description states. Bounds on lines of their own stand."""
    attribute |= parameter_retirement(text)
    found = bounds_in_words(text, attribute["name"]) if attribute["type"] in NUMBERS else {}
    new = {name: value for name, value in found.items() if name not in attribute}
    if new:
        attribute |= {**new, "bounds_from": "prose"}
