"""Translate a page's parameter into a schema property: the inverse of `segmind_sd3_pipeline.pages.facts`.

A default that the property itself would refuse becomes `x-documented-default`, and so does a 1 that may
stand for none. The `examples` of an open enum include its known values: the default and the sample's value.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_pipeline.generate.parameters import NONE
from segmind_sd3_pipeline.pages.facts import (
    JSON_WORDS,
    KEYWORDS,
    OTHER_TYPES,
    USUAL_TYPE,
    as_page_text,
    may_be_none,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segmind_sd3_pipeline.pages.facts import Facts

ORDER: Final = (
    *("type", "default", "minimum", "maximum", "multipleOf", "x-bounds-from", "x-documented-default"),
    *("x-documented-default-type", "x-documented-no-default", "x-affects-pricing", "x-documented-type"),
    *("x-lists-values", "enum", "x-documented-values", "x-values-total", "x-values-more"),
    *("x-values-as-printed", "x-retired", "x-instead", "examples", "description"),
)
"""The order of a property's keywords."""

NOT_FROM_PAGE: Final = frozenset({"description"})
"""Keywords that people write, not the page."""

JSON_TYPES: Final = {word: kind for kind, word in USUAL_TYPE.items()} | OTHER_TYPES | JSON_WORDS
NUMBER: Final = re.compile(r"-?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
MISSING: Final = object()
PYTHON_TYPES: Final = {"string": str, "integer": int, "number": (int, float), "boolean": bool}


class UnsupportedParameter(ValueError):
    """The contract has no property for this parameter. `str()` names the reason."""


def property_of(
    attribute: Facts, sampled: object, old: Mapping[str, Any], previous_values: tuple[object, ...] = ()
) -> dict[str, Any]:
    """Return the keywords that follow from the page, in their order.

    Args:
        attribute: The facts of the parameter.
        sampled: The value in the page's sample, or None.
        old: The property in the spec; empty for a new parameter.
        previous_values: The page's previous default and sample value, which leave the examples.

    Raises:
        UnsupportedParameter: The contract does not support its type, or a bound is no number.
    """
    word = attribute["type"]
    if word not in JSON_TYPES:
        known = ", ".join(sorted(JSON_TYPES))
        raise UnsupportedParameter(f"{attribute['name']} has the type {word}. The contract supports {known}.")
    made: dict[str, Any] = {"type": JSON_TYPES[word]}
    if word != USUAL_TYPE[made["type"]]:
        made["x-documented-type"] = word
    made |= _bounds(attribute) | _values(attribute, made["type"])
    if "affects_pricing" in attribute:
        made["x-affects-pricing"] = attribute["affects_pricing"]
    if "default" in attribute:
        is_json = word in JSON_WORDS or "default_type" in attribute
        keyword, default = (
            _json_default(attribute, made) if is_json else _default(attribute["default"], made, sampled, old)
        )
        made[keyword] = default
    if word.startswith("enum:") and (examples := _examples(made, sampled, old, previous_values)):
        made["examples"] = examples
    return {keyword: made[keyword] for keyword in ORDER if keyword in made}


def _bounds(attribute: Facts) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for fact, keyword in KEYWORDS.items():
        if fact in attribute:
            is_text = keyword.startswith("x-")
            made[keyword] = attribute[fact] if is_text else _number(attribute[fact])
            if made[keyword] is MISSING:
                raise UnsupportedParameter(
                    f"{attribute['name']} has the {fact} {attribute[fact]}, which is no number."
                )
    return made


def _values(attribute: Facts, kind: str) -> dict[str, Any]:
    values = attribute.get("allowed_values")
    has_list = values is not None
    is_usual = has_list == (attribute["type"].startswith("enum:") or bool(values))
    made: dict[str, Any] = {} if is_usual else {"x-lists-values": has_list}
    if not values:
        return made
    if attribute["type"].startswith("enum:") and kind != "string":
        numbers = [_number(value) for value in values]
        values = values if MISSING in numbers else numbers
    # A list that is cut, or has values of another type, can't close the parameter.
    is_cut = "values_more" in attribute or int(attribute.get("values_total", len(values))) > len(values)
    is_typed = all(isinstance(value, PYTHON_TYPES[kind]) and not isinstance(value, bool) for value in values)
    # The SDK lists texts alone: a list of numbers is kept, and any number is sent.
    is_closed = is_typed and not is_cut and kind == "string"
    return made | {"enum" if is_closed else "x-documented-values": list(values)}


def _number(text: str) -> Any:
    """Return the number that prints as this text, or `MISSING`."""
    for read in (int, float):
        if NUMBER.fullmatch(text) and _converts(read, text) and str(read(text)) == text:
            return read(text)
    return MISSING


def _converts(read: type[int | float], text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


def _default(
    text: str, made: Mapping[str, Any], sampled: object, old: Mapping[str, Any]
) -> tuple[str, object]:
    """Return keyword and value for a default that the page prints as this text."""
    number = _number(text)
    if made["type"] == "string":
        for keyword in ("default", "x-documented-default"):
            # "1" may be a text or a number: the old spec holds the decision.
            if keyword in old and as_page_text(old[keyword]) == text and _is_listed(text, made, keyword):
                return keyword, old[keyword]
    if text in NONE:
        return "x-documented-default", text
    if may_be_none(text, sampled):
        return "x-documented-default", number
    match made["type"]:
        case "boolean":
            value = {"true": True, "false": False}.get(text, text)
            is_sendable = isinstance(value, bool)
        case "integer" | "number":
            value = text if number is MISSING else number
            types = (int,) if made["type"] == "integer" else (int, float)
            is_sendable = isinstance(value, types) and _is_within(value, made)
        case _:
            # A number or None is unlikely to be meant as a text.
            is_odd = not made.get("enum") and (number is not MISSING or text == "None")
            value = number if is_odd and number is not MISSING else text
            is_sendable = not is_odd and _is_listed(text, made, "default")
    return ("default" if is_sendable else "x-documented-default"), value


def _json_default(attribute: Facts, made: Mapping[str, Any]) -> tuple[str, object]:
    """Return keyword and value for a default that the page prints as JSON.

    A required parameter has a value for the sample there, which nobody would want to be sent.
    """
    text = attribute["default"]
    value: object = text
    if attribute.get("default_type", made["type"]) != "string":
        number = _number(text)
        value = {"true": True, "false": False}.get(text, text if number is MISSING else number)
    is_own = isinstance(value, PYTHON_TYPES[made["type"]]) and isinstance(value, bool) == (
        made["type"] == "boolean"
    )
    is_within = not isinstance(value, (int, float)) or _is_within(value, made)
    is_sendable = (
        is_own and is_within and not attribute.get("required") and value in made.get("enum", [value])
    )
    return ("default" if is_sendable else "x-documented-default"), value


def _is_listed(text: str, made: Mapping[str, Any], keyword: str) -> bool:
    return keyword != "default" or not made.get("enum") or text in made["enum"]


def _is_within(value: float, made: Mapping[str, Any]) -> bool:
    return not (
        value < made.get("minimum", value)
        or value > made.get("maximum", value)
        or ("multipleOf" in made and value % made["multipleOf"])
    )


def _examples(
    made: Mapping[str, Any], sampled: object, old: Mapping[str, Any], previous_values: tuple[object, ...]
) -> list[Any]:
    stated = [value for value in (made.get("default"), sampled) if is_literal_text(value)]
    kept = [value for value in old.get("examples", []) if value in stated or value not in previous_values]
    return list(dict.fromkeys([*kept, *stated]))


def is_literal_text(value: object) -> bool:
    """Return whether a sample's value is the text itself, not a digest or code."""
    return isinstance(value, str) and not DIGEST.fullmatch(value)


def same_json(one: object, other: object) -> bool:
    """Return whether two values are the same JSON, in which true, 1 and 1.0 differ."""
    return json.dumps(one) == json.dumps(other)
