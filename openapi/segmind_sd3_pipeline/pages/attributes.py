"""The parameters of a page: a header, `seedint ( default: -1 )`, then description, bounds, allowed values.

The header glues name and type together. Where a key of the sample begins it, the rest is the type; where none
does, the longest type that ends it. How the vendor would lay out allowed values is a guess, since no page
lists any yet: one a line, or with commas.
"""

from __future__ import annotations

import re
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_pipeline.pages.problem import Line, PageError

if TYPE_CHECKING:
    from collections.abc import Collection

    from segmind_sd3_pipeline.pages.facts import Facts

NUMBERS: Final = ("int", "float", "integer", "number")
TYPES: Final = (
    *("str", "bool", "boolean", "image", "enum:str", "enum:int", "enum:float", *NUMBERS),
    *("string", "array", "list", "object", "dict", "file", "url", "video", "audio"),
)
"""The page's words for types, and those that it may come to use."""

NUMBER: Final = r"-?(?:\d{1,40}(?:\.\d{1,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,3})?"
HEADER: Final = re.compile(
    r"(?P<glued>[A-Za-z_][\w:-]*)(?:\s+(?P<type>[a-z]+(?::[a-z]+)?))?(?P<required>\s*\*)?"
    r"(?:\s*\(\s*default\s*:\s?(?P<default>.*?)\s?\))?(?P<pricing>\s+Affects Pricing)?"
)
BOUND: Final = re.compile(r"(min|max)\s*:\s*(.*?),?", re.IGNORECASE)
RULE: Final = re.compile(r"[a-z][a-z_ ]{0,20} : \S+")
"""How the page lays out a rule, such as a bound; one that isn't known is not taken for words."""

PRICING: Final = "Affects Pricing"
ALLOWED: Final = re.compile(r"Allowed values\s*:\s*(.*)", re.IGNORECASE)
LONGEST_VALUE: Final = 60

PROSE_BOUNDS: Final = re.compile(
    rf"\b(?:between\s+({NUMBER})\s+and|from\s+({NUMBER})\s+to)\s+({NUMBER})", re.IGNORECASE
)
PROSE_STEP: Final = re.compile(rf"\bmultiples?\s+of\s+({NUMBER})", re.IGNORECASE)

ORDER: Final = (
    *("name", "type", "required", "default", "min", "max", "multiple_of", "bounds_from"),
    *("allowed_values", "affects_pricing", "description"),
)


def read_attributes(lines: list[Line], keys: Collection[str]) -> tuple[list[Facts], dict[str, list[Line]]]:
    """The parameters, their descriptions as text, and the sections between them that nobody knows.

    Raises:
        PageError: A line isn't understood, or a parameter is there twice.
    """
    attributes: list[Facts] = []
    unknown: dict[str, list[Line]] = {}
    body: list[Line] | None = None
    blanks = 2
    bodies: list[tuple[Facts, list[Line]]] = []
    for line in lines:
        if not line.text:
            blanks += 1
            continue
        if header := _header(line.text, keys, stands_apart=blanks >= 2):
            if header["name"] in (each["name"] for each in attributes):
                raise PageError("attributes", line.number, "each parameter once", line.text)
            attributes.append(header)
            body = []
            bodies.append((header, body))
        elif body is not None and not _describes(line):
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
        else:
            body.append(line)
        blanks = 0
    if not attributes:
        raise PageError("attributes", lines[0].number if lines else 0, "one parameter at least", "nothing")
    for attribute, told in bodies:
        _complete(attribute, told)
    return [{key: each[key] for key in ORDER if key in each} for each in attributes], unknown


def _header(text: str, keys: Collection[str], *, stands_apart: bool) -> Facts | None:
    found = HEADER.fullmatch(text)
    if not found:
        return None
    is_marked = any(found[mark] is not None for mark in ("required", "default", "pricing"))
    apart = _told_apart(found["glued"], found["type"], keys, may_be_new=stands_apart or is_marked)
    if not apart or not (stands_apart or is_marked or apart[0] in keys):
        return None
    header: Facts = {"name": apart[0], "type": apart[1]}
    if found["required"]:
        header["required"] = True
    if found["default"] is not None:
        header["default"] = found["default"]
    if found["pricing"]:
        header["affects_pricing"] = True
    return header


def _told_apart(
    glued: str, kind: str | None, keys: Collection[str], *, may_be_new: bool
) -> tuple[str, str] | None:
    """Name and type."""
    if kind:
        return (glued, kind) if glued in keys or (may_be_new and kind in TYPES and glued.islower()) else None
    begun = [(key, glued.removeprefix(key)) for key in keys if glued.startswith(key) and glued != key]
    known = [pair for pair in begun if pair[1] in TYPES]
    if not known and may_be_new:
        known = [(glued.removesuffix(each), each) for each in TYPES if glued.endswith(each) and glued != each]
        known = [pair for pair in known if re.fullmatch(r"[a-z_]\w*", pair[0])]
        if not known:
            known = [pair for pair in begun if re.fullmatch(r"[a-z][a-z0-9]*(:[a-z]+)?", pair[1])]
        return max(known, key=lambda pair: len(pair[1]), default=None)
    return max(known, key=lambda pair: len(pair[0]), default=None)


def _is_heading(text: str) -> bool:
    return text[0].isupper() and "default" not in text and not text.endswith("*") and len(text) <= 80


def _complete(attribute: Facts, lines: list[Line]) -> None:
    """Add what stands below the header: description first, then bounds and allowed values in any order."""
    name, described = attribute["name"], [line.text for line in takewhile(_describes, lines)]
    for line in lines[len(described) :]:
        bound, allowed = BOUND.fullmatch(line.text), ALLOWED.fullmatch(line.text)
        if bound and re.fullmatch(NUMBER, bound[2]) and bound[1].lower() not in attribute:
            attribute[bound[1].lower()] = bound[2]
        elif allowed and "allowed_values" not in attribute:
            attribute["allowed_values"] = _values(allowed[1], line)
        elif _describes(line) and "allowed_values" in attribute:
            attribute["allowed_values"] += _values(line.text, line)
        elif line.text == PRICING and "affects_pricing" not in attribute:
            attribute["affects_pricing"] = True
        else:
            raise PageError(
                "attributes", line.number, f"min, max or allowed values of {name}, once", line.text
            )
    values = attribute.get("allowed_values", [])
    if len(set(values)) != len(values):
        raise PageError("attributes", lines[-1].number, f"each value of {name} once", ", ".join(values))
    if described:
        attribute["description"] = "\n".join(described)
        _add_bounds_of_prose(attribute, attribute["description"])


def _describes(line: Line) -> bool:
    rules = (BOUND, ALLOWED, RULE)
    return line.text != PRICING and not any(rule.fullmatch(line.text) for rule in rules)


def _values(text: str, line: Line) -> list[str]:
    values = [value.strip().strip("\"'`") for value in re.sub(r"^[\u2022*]\s*|^-\s+", "", text).split(",")]
    values = [value for value in values if value]
    if any(len(value) > LONGEST_VALUE or value.endswith(".") for value in values):
        raise PageError("attributes", line.number, "an allowed value, one a line or with commas", line.text)
    return values


def _add_bounds_of_prose(attribute: Facts, text: str) -> None:
    if attribute["type"] not in NUMBERS:
        return
    found: dict[str, Any] = {}
    if bounds := PROSE_BOUNDS.search(text):
        found |= {"min": bounds[1] or bounds[2], "max": bounds[3]}
    if step := PROSE_STEP.search(text):
        found["multiple_of"] = step[1]
    new = {name: value for name, value in found.items() if name not in attribute}
    if new:
        attribute |= {**new, "bounds_from": "prose"}
